import { type Command, DONE, FAILED, STOPPED, type World } from './command'
import { accountsCheck } from './doctor-accounts'
import { inspectionChecks, nodeCheck, storeCheck } from './doctor-checks'
import { recoveryCheck } from './doctor-recovery'
import { RECOVERY_HELP, RECOVERY_OPTIONS } from './recovery-place'
import { STORE_OPTIONS, withStore } from './with-store'

/** What a look at one thing found. */
export interface Finding {
  name: string
  result: 'ok' | 'warning' | 'failed' | 'skipped'
  /** What is so; and, where it is not well, what to do. */
  message: string
}

const WORDS = { ok: 'ok', warning: 'warning', failed: 'FAILED', skipped: 'skipped' }

export const doctor: Command = {
  name: 'doctor',
  usage: '[--quick] [--json] [--recovery-table NAME] [--config FILE]',
  summary: 'look whether keys, store and clock are well',
  help: `Looks whether the store answers, whether the keys open the records in it, whether this machine's clock is right, what in
the store's set-up would lose second factors, and how many accounts have no backup codes left. It changes nothing.

  --quick                 look at the first 200 accounts only
  --json                  for programs
${RECOVERY_HELP}

Exit code: 0 well, perhaps with warnings; 1 something failed; 130 stopped.`,
  options: { ...STORE_OPTIONS, ...RECOVERY_OPTIONS, quick: { type: 'boolean' }, json: { type: 'boolean' } },
  positionals: [],
  run: (given, world) =>
    withStore(given, world, async (opened) => {
      // Where its place is refused, that comes before everything.
      void opened.recovery
      const report = new Report(given.options.json === true, world)
      report.add(nodeCheck(process.versions.node))
      const store = await storeCheck(opened)
      report.add(store)
      if (store.result === 'failed') {
        for (const name of ['set-up', 'clock', 'keys', 'backup codes', 'recovery keys']) {
          report.add({ name, result: 'skipped', message: 'the store does not answer' })
        }
        return report.end()
      }
      for (const finding of await inspectionChecks(opened)) report.add(finding)
      for (const finding of await accountsCheck(opened, given.options.quick === true, world))
        report.add(finding)
      report.add(await recoveryCheck(opened, given.options.quick === true, world))
      return world.signal.aborted ? STOPPED : report.end()
    }),
}

class Report {
  readonly #findings: Finding[] = []
  readonly #json: boolean
  readonly #world: World

  constructor(json: boolean, world: World) {
    this.#json = json
    this.#world = world
  }

  add(finding: Finding): void {
    this.#findings.push(finding)
    if (this.#json) return
    const { name, result, message } = finding
    const [first, ...more] = message.split('\n')
    const indent = ' '.repeat(24)
    this.#world.stdout.write(
      `${WORDS[result].padEnd(9)}${name.padEnd(15)}${[first, ...more.map((line) => indent + line)].join('\n')}\n`,
    )
  }

  end(): number {
    const failed = this.#findings.some(({ result }) => result === 'failed')
    if (this.#json) this.#world.stdout.write(`${JSON.stringify({ ok: !failed, checks: this.#findings })}\n`)
    return failed ? FAILED : DONE
  }
}
