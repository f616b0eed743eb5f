import {
  type Rotation,
  RotationError,
  type RotationProgress,
  rotate as rotateRecords,
} from '../account/rotation'
import { UnavailableError } from '../errors'
import { explained } from './advice'
import { type Command, DONE, FAILED, STOPPED } from './command'
import { Progress } from './progress'
import { RECOVERY_HELP, RECOVERY_OPTIONS, recoveryRecords } from './recovery-place'
import { type Opened, STORE_OPTIONS, withStore } from './with-store'
import { quoted, several, shown, some } from './words'

export const rotate: Command = {
  name: 'rotate',
  usage: '[--after ACCOUNT] [--recovery-table NAME] [--config FILE]',
  summary: 'seal with the first key what older keys have sealed',
  help: `Goes through all accounts, and then through the requests of option recovery, and seals with the first key what older
ones have sealed. Your app may go on meanwhile; every process of it must have the new first key already, or it goes on
sealing with the old one.

  --after ACCOUNT         go on after this account, where an earlier run stopped
${RECOVERY_HELP}
  Ctrl-C                  stops between two accounts and says how to go on

Exit code: 0 all done, 1 some records could not be read or the store failed, 130 stopped.`,
  options: { ...STORE_OPTIONS, ...RECOVERY_OPTIONS, after: { type: 'string' } },
  positionals: [],
  run: (given, world) =>
    withStore(given, world, async (opened) => {
      // Before anything is sealed: its place may be refused.
      const { records, keyring, hidden, recovery } = opened
      const { stdout, stderr, signal } = world
      const { after, config, 'recovery-table': table } = given.options as Record<string, string | undefined>
      const progress = new Progress(stderr)
      const goOn = ({ last }: RotationProgress) => {
        const options = [
          config !== undefined && `--config=${quoted(config)}`,
          table !== undefined && `--recovery-table=${quoted(table)}`,
          last !== null && `--after=${quoted(last)}`,
        ]
        return `Go on with: ${['npx express-second-factor rotate', ...options].filter(Boolean).join(' ')}\n`
      }
      /** Requests that do not open, where going through them failed. */
      const lost: string[] = []
      try {
        const end = await rotateRecords(records, {
          after,
          signal,
          onProgress: (reached) => progress.show(reached.seen, tally(reached)),
        })
        progress.end()
        const requests = end.done ? await rotateRequests(opened, end, signal, lost) : null
        const done = end.done && requests?.done !== false
        const failed = end.unreadable.length + (requests?.unreadable.length ?? 0) > 0
        stdout.write(`${summary(done, failed)}: ${tally(end)}.\n`)
        if (end.done)
          stdout.write(`Option recovery: ${requests ? tallyOfRequests(requests) : recovery.advice}.\n`)
        if (end.unreadable.length > 0) stdout.write(unreadable(end.unreadable))
        if (requests && requests.unreadable.length > 0) stdout.write(unreadableRequests(requests.unreadable))
        if (!done) {
          stdout.write(goOn(end))
          return STOPPED
        }
        if (failed) return FAILED
        stdout.write(
          keyring.ids.length > 1
            ? 'Before you take the older keys out, see with express-second-factor doctor that nothing is sealed by them.\n'
            : '',
        )
        return DONE
      } catch (error) {
        if (!(error instanceof RotationError)) throw error
        progress.end()
        if (error.progress.unreadable.length > 0) stdout.write(unreadable(error.progress.unreadable))
        if (lost.length > 0) stdout.write(unreadableRequests(lost))
        stderr.write(`FAILED after this: ${tally(error.progress)}.\n${explained(error.cause, hidden)}\n`)
        stderr.write(goOn(error.progress))
        return FAILED
      }
    }),
}

/**
 * Few and short-lived: gone through as a whole, once the accounts are done. Null: there are none that are known of.
 *
 * @throws RotationError with how far the accounts are, from where another run goes on
 */
async function rotateRequests(
  opened: Opened,
  accounts: Rotation,
  signal: AbortSignal,
  unreadable: string[],
): Promise<Rotation | null> {
  try {
    const records = await recoveryRecords(opened)
    return records && (await rotateRecords(records, { signal }))
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    if (error instanceof RotationError) unreadable.push(...error.progress.unreadable)
    const { done: _, ...progress } = accounts
    throw new RotationError(
      progress,
      error instanceof RotationError ? (error.cause as UnavailableError) : error,
    )
  }
}

function summary(done: boolean, failed: boolean): string {
  if (!done) return 'Stopped'
  return failed ? 'Not all done' : 'Done'
}

function tallyOfRequests({ seen, resealed }: Rotation): string {
  return `${some(seen, 'record')} seen, ${some(resealed, 'record')} sealed with the first key`
}

function tally({ seen, resealed, last }: RotationProgress): string {
  const place = last === null ? '' : `, the last one ${shown(last)}`
  return `${some(seen, 'account')} seen, ${some(resealed, 'account')} sealed with the first key${place}`
}

function unreadable(accountIds: readonly string[]): string {
  return (
    `FAILED: ${some(accountIds.length, 'account')} could not be read: ${several(accountIds, 20)}.\n` +
    'Their key is not among the keys, or they were altered: status ACCOUNT tells which key sealed one. Keep all keys until these open.\n'
  )
}

function unreadableRequests(accountIds: readonly string[]): string {
  return (
    `FAILED: what option recovery keeps of ${some(accountIds.length, 'account')} could not be read: ` +
    `${several(accountIds, 20)}.\nTheir key is not among the keys, or they were altered. Keep all keys until these open.\n`
  )
}
