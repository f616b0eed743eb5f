import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Express } from 'express'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { anotherDay, tokenOf, withCookie } from '../support/devices'
import { type Factor, putEnrolled } from '../support/enrolled'
import { startRedis } from '../support/servers/redis'
import type { DatabaseServer } from '../support/servers/server-process'
import { type OpenStore, openStore, type Place, places } from '../support/stores'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

const CHALLENGE = '/two-factor/challenge'
const DISABLE = '/two-factor/disable'
/** Option revalidateAfter, as it is by default: seconds. */
const REVALIDATE_AFTER = 60
const MONTH = 30 * 86_400

interface Told {
  answer: string
  url?: string
  events?: string[]
  reads?: number
}

/** One of the processes of the app. */
class AppProcess {
  url = ''
  private constructor(readonly child: ChildProcess) {}

  static async start(factors: string, sessions: string, clock: Clock): Promise<AppProcess> {
    const child = fork(join(__dirname, 'app-process.cjs'), [factors, sessions, String(clock.time)])
    const process = new AppProcess(child)
    process.url = (await process.#hearing('listening')).url as string
    return process
  }

  #hearing(answer: string): Promise<Told> {
    return new Promise((resolve, reject) => {
      const hear = (told: Told) => {
        if (told.answer !== answer) return
        this.child.off('message', hear)
        resolve(told)
      }
      this.child.on('message', hear)
      this.child.once('exit', () => reject(new Error('the process ended')))
    })
  }

  async ask(what: string, input: object = {}): Promise<Told> {
    const told = this.#hearing(what)
    this.child.send({ ask: what, ...input })
    return told
  }

  client(kind: 'program' | 'person' = 'program'): Client {
    return new Client(this.url as unknown as Express, kind)
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}

for (const { name, needs, start } of places.filter((place) => ['SQLite', 'Redis'].includes(place.name))) {
  describeWith(
    [...needs, 'redis'],
    `two processes with their factors in ${name}, their sessions in Redis`,
    () => {
      const clock = new Clock()
      let place: Place
      let sessions: DatabaseServer
      let own: OpenStore
      let here: AppProcess
      let there: AppProcess
      let alice: Factor

      beforeAll(async () => {
        ;[place, sessions] = await Promise.all([start(), startRedis()])
        own = openStore(place.url)
        // Its table is there before two open it at once.
        await own.store.get('nobody')
        ;[here, there] = await Promise.all([
          AppProcess.start(place.url, sessions.url, clock),
          AppProcess.start(place.url, sessions.url, clock),
        ])
      })
      afterAll(async () => {
        await Promise.all([here?.end(), there?.end()])
        await own?.close()
        await Promise.all([place?.stop(), sessions?.stop()])
      })

      /** Each test a day later: what a process remembers has had its time. The records are as at the first moment. */
      beforeEach(async () => {
        await own.store.delete('u-alice')
        await own.store.delete('u-bob')
        alice = await putEnrolled(own.store, clock)
        await putEnrolled(own.store, clock, 'bob')
        await forward(86_400)
      })

      /** All go by one clock. */
      async function forward(seconds: number): Promise<void> {
        clock.forward(seconds)
        await Promise.all([here, there].map((each) => each.ask('time', { time: clock.time })))
      }

      /** A session that was let in by the code of the next step. */
      async function signedIn(process: AppProcess): Promise<Client> {
        await forward(30)
        const client = process.client()
        await client.login()
        expect((await client.challenge(alice.phone.code())).status).toBe(200)
        return client
      }

      /** The same browser, answered by the other process. */
      function at(process: AppProcess, client: Client): Client {
        const twin = process.client()
        twin.cookies = client.cookies
        return twin
      }

      /** A browser that alice trusts. */
      async function trusted(process: AppProcess): Promise<Client> {
        await forward(30)
        const browser = process.client()
        await browser.login()
        const answer = await browser.post(CHALLENGE, { code: alice.phone.code(), trustDevice: true })
        expect(answer.status).toBe(200)
        return browser
      }

      const loginOf = async (client: Client, username = 'alice') => {
        const answer = await client.login(username)
        const { body } = await client.get('/factor')
        return `${answer.status} ${body.state} ${body.method}`
      }
      const WENT_ON = '302 verified trusted-device'
      const CHALLENGED = '403 pending null'
      const stateAt = async (process: AppProcess, client: Client) =>
        (await at(process, client).get('/factor')).body.state
      const refusal = async (answer: Promise<{ status: number; body: { code?: string } }>) => {
        const { status, body } = await answer
        return `${status} ${body.code}`
      }

      test('disabled in one, the sessions of the other are out within revalidateAfter; the acting one goes on', async () => {
        const acting = await signedIn(here)
        const other = await signedIn(there)
        expect(await stateAt(there, other)).toBe('verified')
        await forward(30)
        const off = await acting.post(DISABLE, { code: alice.phone.code() })
        expect(off.body).toEqual({ enabled: false })
        // In the process that did it at once, and there no later than this.
        expect((await at(here, other).get('/vault')).status).toBe(401)
        await forward(REVALIDATE_AFTER)
        expect((await at(there, other).get('/vault')).status).toBe(401)
        expect(await stateAt(there, other)).toBe('anonymous')
        for (const process of [here, there]) expect(await stateAt(process, acting)).toBe('unenrolled')
      })

      test('what is promised is revalidateAfter, and no read of the store before it', async () => {
        const acting = await signedIn(here)
        const other = await signedIn(there)
        await at(there, other).get('/vault')
        await forward(30)
        await acting.post(DISABLE, { code: alice.phone.code() })
        const { reads } = await there.ask('how many')
        await forward(REVALIDATE_AFTER - 31)
        expect((await at(there, other).get('/vault')).status).toBe(200)
        expect((await there.ask('how many')).reads).toBe(reads)
        await forward(31)
        expect((await at(there, other).get('/vault')).status).toBe(401)
        expect((await there.ask('how many')).reads).toBe((reads as number) + 1)
      })

      test('the pages of the other process look at once, whatever it remembers', async () => {
        const acting = await signedIn(here)
        const other = await signedIn(there)
        await forward(30)
        await acting.post(DISABLE, { code: alice.phone.code() })
        expect(await refusal(at(there, other).get('/two-factor'))).toBe('401 not_authenticated')
        expect((await at(there, other).get('/vault')).status).toBe(401)
      })

      test('just enabled here, a session is not thrown out by what is remembered there', async () => {
        await own.store.delete('u-bob')
        const client = here.client()
        await client.login('bob')
        // It is remembered there that there is none.
        expect(await stateAt(there, client)).toBe('unenrolled')
        const begun = await client.post('/two-factor/enable', {}, '/two-factor')
        const phone = new Authenticator(begun.body.secret, clock.now)
        const done = await client.post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor')
        expect(done.status).toBe(200)
        expect((await at(there, client).get('/vault')).body).toEqual({ vault: 'u-bob' })
        expect(await stateAt(there, client)).toBe('verified')
        expect(await stateAt(here, client)).toBe('verified')
      })

      test('nor one that just replaced its phone; the others are asked within revalidateAfter', async () => {
        const acting = await signedIn(here)
        const other = await signedIn(there)
        await at(there, acting).get('/vault')
        const begun = await acting.post('/two-factor/replace', {}, '/two-factor')
        const phone = new Authenticator(begun.body.secret, clock.now)
        const done = await acting.post('/two-factor/replace/confirm', { code: phone.code() }, '/two-factor')
        expect(done.body).toEqual({ replaced: true })
        expect(await stateAt(there, acting)).toBe('verified')
        await forward(REVALIDATE_AFTER)
        expect(await stateAt(there, other)).toBe('pending')
        expect((await at(there, other).challenge(alice.phone.code())).status).toBe(401)
        expect((await at(there, other).challenge(phone.code())).status).toBe(200)
      })

      test('a device that is trusted here is trusted there, and for no other account', async () => {
        const browser = await trusted(here)
        expect(await loginOf(at(there, anotherDay(browser)))).toBe(WENT_ON)
        expect(await loginOf(withCookie(there.client(), tokenOf(browser)), 'bob')).toBe(CHALLENGED)
      })

      test('a stolen device cookie: challenged after revocation in the other process, at once', async () => {
        const browser = await trusted(here)
        const token = tokenOf(browser)
        expect(await loginOf(withCookie(there.client(), token))).toBe(WENT_ON)
        const revoked = await browser.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
        expect(revoked.status).toBe(204)
        for (const process of [there, here]) {
          expect(await loginOf(withCookie(process.client(), token))).toBe(CHALLENGED)
        }
      })

      test('and what it had let in ends there within revalidateAfter, here at once', async () => {
        const browser = await trusted(here)
        const [one, two] = [anotherDay(browser), withCookie(there.client(), tokenOf(browser))]
        await one.login()
        await two.login()
        expect((await two.get('/vault')).status).toBe(200)
        await browser.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
        expect(await refusal(one.get('/vault'))).toBe('403 second_factor_required')
        await forward(REVALIDATE_AFTER)
        expect(await refusal(two.get('/vault'))).toBe('403 second_factor_required')
        expect((await browser.get('/vault')).status).toBe(200)
      })

      test('challenged after its time, and as something else than it was', async () => {
        const browser = await trusted(here)
        const token = tokenOf(browser)
        const other = (character: string) => (character === 'A' ? 'B' : 'A')
        for (const value of [other(token.charAt(0)) + token.slice(1), token.slice(1), `${token}x`, '', 'x']) {
          expect(await loginOf(withCookie(there.client(), value))).toBe(CHALLENGED)
        }
        await forward(MONTH - 1)
        expect(await loginOf(withCookie(there.client(), token))).toBe(WENT_ON)
        await forward(1)
        for (const process of [there, here]) {
          expect(await loginOf(withCookie(process.client(), token))).toBe(CHALLENGED)
        }
      })

      test('a code of a login here is refused at a step-up there, and the other way round', async () => {
        const client = await signedIn(here)
        expect(await refusal(at(there, client).challenge(alice.phone.code()))).toBe('401 invalid_code')
        await forward(30)
        const code = alice.phone.code()
        expect((await at(there, client).challenge(code)).status).toBe(200)
        const login = here.client()
        await login.login()
        expect(await refusal(login.challenge(code))).toBe('401 invalid_code')
        expect(await refusal(at(here, client).post(DISABLE, { code }))).toBe('401 invalid_code')
      })

      test('guessing at step-up and at disabling, in both: one counter', async () => {
        const [one, two] = [await signedIn(here), await signedIn(there)]
        const guesses = [
          (code: string) => one.challenge(code),
          (code: string) => two.post(DISABLE, { code }),
          (code: string) => at(there, one).challenge(code),
          (code: string) => at(here, two).post(DISABLE, { code }),
          (code: string) => two.challenge(code),
        ]
        for (const [n, guess] of guesses.entries()) {
          expect(await refusal(guess(alice.phone.wrongCode(n)))).toBe('401 invalid_code')
        }
        await forward(29)
        const right = alice.phone.code()
        for (const guess of guesses) expect(await refusal(guess(right))).toBe('429 locked')
        const login = there.client()
        await login.login()
        expect(await refusal(login.challenge(right))).toBe('429 locked')
        await forward(1)
        expect((await at(there, one).challenge(alice.phone.code())).status).toBe(200)
      })

      test('a burst of guesses over both is answered no more often than the lock allows', async () => {
        const [one, two] = [await signedIn(here), await signedIn(there)]
        const ways = await Promise.all(
          [one, two, at(there, one), at(here, two)].map(async (client) => {
            const { csrfToken } = (await client.get(CHALLENGE)).body
            return (code: string, path: string) =>
              client.copy().send('POST', path, { code }, { 'x-csrf-token': csrfToken })
          }),
        )
        const answers = await Promise.all(
          Array.from({ length: 40 }, (_, n) =>
            (ways[n % 4] as (typeof ways)[number])(alice.phone.wrongCode(n), n % 8 < 4 ? CHALLENGE : DISABLE),
          ),
        )
        const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length
        expect([count(401), count(429)]).toEqual([5, 35])
      })

      test('each tells what it did itself, and once', async () => {
        await here.ask('events')
        await there.ask('events')
        const client = await signedIn(here)
        await forward(30)
        await at(there, client).challenge(alice.phone.code())
        expect((await here.ask('events')).events).toEqual(['u-alice challenged', 'u-alice verified'])
        expect((await there.ask('events')).events).toEqual(['u-alice verified'])
      })
    },
  )
}
