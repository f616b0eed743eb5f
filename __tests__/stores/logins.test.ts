import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Clock } from '../support/clock'
import { enrolCrowd, type Member } from '../support/crowd'
import { type OpenStore, openStore, type Place, places } from '../support/stores'

const { describeWith } = require('../support/tools')

jest.setTimeout(120_000)

const PROCESSES = 4
const ACCOUNTS = 100
/** All of them on their way at once in each process, when one is killed. */
const AT_ONCE = 40

/** One of the processes of the app. */
class LoginProcess {
  readonly child: ChildProcess
  readonly answers: { username: string; status: number }[] = []

  constructor() {
    this.child = fork(join(__dirname, 'login-process.cjs'), [String(ACCOUNTS)], {
      // It lives for seconds and makes much that is gone at once.
      execArgv: ['--max-semi-space-size=32'],
    })
    // What could not be sent: it is gone, which `saying` tells.
    this.child.on('error', () => {})
    this.child.on('message', (message: { username?: string; status?: number }) => {
      if (message.username === undefined) return
      this.answers.push(message as { username: string; status: number })
    })
  }

  get gone(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Until it says so; or it is gone, which is false. */
  async saying(word: 'up' | 'begun' | 'ended'): Promise<boolean> {
    if (this.gone) return false
    return new Promise((resolve) => {
      const end = (said: boolean) => {
        this.child.off('message', hear).off('exit', leave)
        resolve(said)
      }
      const hear = (message: object) => word in message && end(true)
      const leave = () => end(false)
      this.child.on('message', hear).on('exit', leave)
    })
  }

  async step(word: 'begun' | 'ended', message: object): Promise<boolean> {
    const said = this.saying(word)
    this.child.send(message)
    return said
  }

  async end(): Promise<void> {
    if (this.gone) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}

/** They go on from store to store: starting them is what takes longest. */
let processes: LoginProcess[] = []

async function startProcesses(): Promise<void> {
  processes = processes.filter(({ gone }) => !gone)
  const missing = Array.from({ length: PROCESSES - processes.length }, () => new LoginProcess())
  await Promise.all(missing.map((each) => each.saying('up')))
  processes.push(...missing)
  for (const each of processes) each.answers.length = 0
}
afterAll(() => Promise.all(processes.map((each) => each.end())))

for (const { name, needs, start } of places) {
  describeWith(needs, `${PROCESSES} processes at one ${name}`, () => {
    const clock = new Clock()
    let place: Place
    let own: OpenStore
    let members: Member[]

    beforeAll(async () => {
      place = await start()
      own = openStore(place.url)
      members = await enrolCrowd(own.store, ACCOUNTS, clock)
    })
    afterAll(async () => {
      await own?.close()
      await place?.stop()
    })
    beforeEach(startProcesses)

    /** These processes bring so many accounts to the challenge, at the next step. */
    async function begin(which: LoginProcess[], accounts: number) {
      clock.nextStep()
      const begun = which.map((each) =>
        each.step('begun', { step: 'begin', url: place.url, time: clock.time, accounts }),
      )
      expect(await Promise.all(begun)).toEqual(which.map(() => true))
    }

    const codes = () => Object.fromEntries(members.map(({ username, phone }) => [username, phone.code()]))
    /** The accounts that have begun send their codes. */
    const submit = (to: LoginProcess[], victim?: LoginProcess) =>
      Promise.all(
        to.map((each) =>
          each.step('ended', { step: 'submit', codes: codes(), ...(each === victim && { lives: 10 }) }),
        ),
      )

    function successes(): Map<string, number> {
      const found = new Map<string, number>()
      for (const { username, status } of processes.flatMap(({ answers }) => answers)) {
        if (status === 200) found.set(username, (found.get(username) ?? 0) + 1)
      }
      return found
    }

    test('400 logins with 100 codes: 100 successes, one each', async () => {
      await begin(processes, ACCOUNTS)
      expect(await submit(processes)).toEqual(processes.map(() => true))
      const answers = processes.flatMap((each) => each.answers)
      expect(answers).toHaveLength(PROCESSES * ACCOUNTS)
      expect([...successes().values()]).toEqual(Array(ACCOUNTS).fill(1))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 401]))
    })

    test('one of them is killed in the middle: no code twice, and every account works', async () => {
      await begin(processes, AT_ONCE)
      const [victim, ...others] = processes as [LoginProcess, ...LoginProcess[]]
      const [victimEnded, ...othersEnded] = await submit(processes, victim)
      expect([victimEnded, ...othersEnded]).toEqual([false, true, true, true])
      expect(Math.max(...successes().values())).toBe(1)

      processes = others
      for (const each of processes) each.answers.length = 0
      const [survivor] = others as [LoginProcess]
      await begin([survivor], AT_ONCE)
      await submit([survivor])
      expect(successes().size).toBe(AT_ONCE)
    })
  })
}
