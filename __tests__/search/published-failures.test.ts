import { setTimeout as delay } from 'node:timers/promises'
import type { Express } from 'express'
import { BackupCodeStrategy, MemoryStore, TotpStrategy } from 'express-second-factor'
import { createTestApp, hostPassport, PASSWORD, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { DEVICE_COOKIE, opened, trust } from '../support/devices'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { dump, FaultyStore } from '../support/faulty-store'
import { serve, tally } from '../support/server'
import { all, RecordingSessions, sessionIdOf } from '../support/sessions'
import { sharedSessions } from './shared-sessions'

/**
 * What went wrong elsewhere, and was published: one test each, named after it. Most of them are told of in more depth
 * by the tests of their rule; here they are all in one place, so that none comes here unseen.
 */

// Some of these are hundreds of requests.
jest.setTimeout(30_000)

const ALICE = 'u-alice'
const CHALLENGE = '/two-factor/challenge'

/** A pending session, and what its form posts to the challenge with. */
async function atChallenge(app: Express, username = 'alice') {
  const client = new Client(app)
  await client.login(username)
  const { csrfToken } = (await client.get(CHALLENGE)).body
  return { client, headers: { 'x-csrf-token': csrfToken as string } }
}

const failuresOf = async (store: MemoryStore) => (await opened(store, ALICE)).failures

test('GHSA-xg6x-h9c9-2m83: a session cookie issued before the second factor opens nothing', async () => {
  const { app, phone, clock, sessionStore } = await createEnrolledApp()
  const client = new Client(app)
  await client.login()
  const early = client.copy()
  expect((await early.get('/account')).status).toBe(401)
  expect((await early.get('/vault')).status).toBe(403)
  for (const stored of await all(sessionStore)) expect(stored.passport).toBeUndefined()
  clock.nextStep()
  expect((await client.challenge(phone.code())).status).toBe(200)
  // Nor when the factor has been proven: that session has another id.
  expect(sessionIdOf(client)).not.toBe(sessionIdOf(early))
  expect((await early.get('/account')).status).toBe(401)
  expect((await early.get('/vault')).status).toBe(401)
})

test('CVE-2024-0227, devise-two-factor #106: a code is not accepted again while its drift window is open', async () => {
  for (const stepsBack of [0, 1]) {
    const { app, phone, clock } = await createEnrolledApp()
    clock.nextStep()
    const [seen, older] = [phone.code(), phone.code(-stepsBack)]
    const owner = await atChallenge(app)
    const thief = await atChallenge(app)
    const enter = async ({ client, headers }: typeof owner, code: string) =>
      (await client.send('POST', CHALLENGE, { code }, headers)).status
    expect(await enter(owner, seen)).toBe(200)
    // A step's code is good until the next one is over; the fifth failure would lock.
    for (const seconds of [0, 20, 20, 4]) {
      clock.forward(seconds)
      expect(await enter(thief, older)).toBe(401)
    }
    expect(await enter(thief, phone.code())).toBe(200)
  }
})

test('a code consumed by get-then-set: sixty at once at two processes with a slow store, one success', async () => {
  class SlowStore extends MemoryStore {
    override async get(accountId: string) {
      const row = await super.get(accountId)
      await new Promise((resolve) => setImmediate(resolve))
      return row
    }
  }
  const store = new SlowStore()
  const [sessionStore, others] = sharedSessions()
  const one = await createEnrolledApp({ store, sessionStore })
  const other = createTestApp({ store, clock: one.clock, sessionStore: others })
  const servers = [await serve(one.app), await serve(other.app)]
  const sessions = await Promise.all(Array.from({ length: 6 }, () => atChallenge(one.app)))
  one.clock.nextStep()
  const code = one.phone.code()
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, i) => {
      const { client, headers } = sessions[i % 6] as (typeof sessions)[0]
      return (servers[i % 2] as (typeof servers)[0]).post(client, CHALLENGE, { code }, headers)
    }),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
})

describe('a counter that is reset', () => {
  const wrong = async (thief: Awaited<ReturnType<typeof atChallenge>>, code: string, times = 1) => {
    let status = 0
    for (let guess = 0; guess < times; guess++)
      status = (await thief.client.send('POST', CHALLENGE, { code }, thief.headers)).status
    return status
  }

  test('when its lock expires', async () => {
    const { app, store, phone, clock } = await createEnrolledApp()
    const thief = await atChallenge(app)
    await wrong(thief, phone.wrongCode(), 5)
    clock.forward(31)
    expect(await wrong(thief, phone.wrongCode())).toBe(401)
    expect(await wrong(thief, phone.wrongCode())).toBe(429)
    expect((await failuresOf(store as MemoryStore)).totp.count).toBe(6)
  })

  test('by the success of another factor', async () => {
    const { app, store, phone, backupCodes } = await createEnrolledApp()
    const thief = await atChallenge(app)
    await wrong(thief, phone.wrongCode(), 4)
    const owner = await atChallenge(app)
    const { status } = await owner.client.send('POST', CHALLENGE, { code: backupCodes[0] }, owner.headers)
    expect(status).toBe(200)
    expect((await failuresOf(store as MemoryStore)).totp.count).toBe(4)
    expect(await wrong(thief, phone.wrongCode())).toBe(401)
    expect(await wrong(thief, phone.wrongCode())).toBe(429)
  })

  test('by the login of the one who guesses: with the same password, or into an account of their own', async () => {
    const { app, store, phone, clock } = await createEnrolledApp()
    const bobs = await putEnrolled(store, clock, 'bob')
    const client = new Client(app)
    for (let guess = 0; guess < 4; guess++) {
      await client.login()
      expect((await client.challenge(phone.wrongCode())).status).toBe(401)
      await client.send('POST', '/logout')
    }
    await signIn(client, bobs.phone, clock, 'bob')
    await client.login()
    expect((await client.challenge(phone.wrongCode())).status).toBe(401)
    expect((await client.challenge(phone.code())).status).toBe(429)
  })
})

test('passport-totp #2: a flag that survives logout is not the next user’s', async () => {
  const { app, store, phone, clock } = await createEnrolledApp({
    routes(host) {
      host.post('/logout-keep', (req, res, next) =>
        req.logout({ keepSessionInfo: true }, (error) => (error ? next(error) : res.sendStatus(204))),
      )
      host.post('/login-keep', hostPassport.authenticate('local', { keepSessionInfo: true }), (_req, res) => {
        res.sendStatus(204)
      })
    },
  })
  await putEnrolled(store, clock, 'bob')
  for (const logout of ['/logout', '/logout-keep', null]) {
    for (const login of ['/login', '/login-keep']) {
      const client = new Client(app)
      await signIn(client, phone, clock)
      if (logout) await client.send('POST', logout)
      const answer = await client.send('POST', login, { username: 'bob', password: PASSWORD })
      expect([logout, login, answer.status, answer.body.code]).toEqual([
        logout,
        login,
        403,
        'second_factor_required',
      ])
      expect((await client.get('/vault')).status).toBe(403)
    }
  }
})

/** A host's own challenge page with the two strategies. */
function strategies(options: TestAppOptions = {}) {
  return createEnrolledApp({
    ...options,
    routes(app, secondFactor) {
      hostPassport.use(new TotpStrategy(secondFactor))
      hostPassport.use(new BackupCodeStrategy(secondFactor))
      app.all('/my-code', hostPassport.authenticate(['totp', 'backup-code']), (_req, res) => {
        res.sendStatus(204)
      })
    },
  })
}

test('a code read from the query, where logs and histories keep it', async () => {
  const { app, store, phone, clock, backupCodes } = await strategies()
  const { client, headers } = await atChallenge(app)
  clock.nextStep()
  const before = await dump(store as MemoryStore)
  for (const code of [phone.code(), backupCodes[0] as string]) {
    for (const path of [CHALLENGE, '/my-code']) {
      for (const method of ['GET', 'POST']) {
        await client.send(method, `${path}?code=${code}`, method === 'POST' ? {} : undefined, headers)
        expect((await client.get('/vault')).status).toBe(403)
      }
    }
  }
  expect(await dump(store as MemoryStore)).toBe(before)
  expect((await client.send('POST', '/my-code', { code: phone.code() })).status).toBe(204)
})

test('CVE-2025-64175: the recovery code of another user', async () => {
  const { app, store, clock } = await createEnrolledApp()
  const bobs = await putEnrolled(store, clock, 'bob')
  const thief = await atChallenge(app)
  for (const code of bobs.backupCodes.slice(0, 4)) {
    expect((await thief.client.send('POST', CHALLENGE, { code }, thief.headers)).status).toBe(401)
  }
  // And they are still his.
  const bob = await atChallenge(app, 'bob')
  const { status } = await bob.client.send('POST', CHALLENGE, { code: bobs.backupCodes[0] }, bob.headers)
  expect(status).toBe(200)
})

test('CVE-2026-3429: a factor deleted with the password only', async () => {
  const { app, store, phone, clock } = await createEnrolledApp()
  const { client, headers } = await atChallenge(app)
  const password = PASSWORD
  const posts = [
    ['/two-factor/disable', { password }],
    ['/two-factor/disable', { password, code: '' }],
    ['/two-factor/disable', { password, code: password }],
    ['/two-factor/replace', { password }],
    ['/two-factor/enable', { password }],
    ['/two-factor/backup-codes', { password }],
  ] as const
  const before = await dump(store as MemoryStore)
  for (const [path, body] of posts) {
    expect((await client.send('POST', path, body, headers)).status).toBe(403)
  }
  expect(await dump(store as MemoryStore)).toBe(before)
  // Nor in a session that was left open.
  clock.nextStep()
  await client.challenge(phone.code())
  clock.forward(600)
  const token = { 'x-csrf-token': (await client.get('/two-factor')).body.csrfToken as string }
  const there = await dump(store as MemoryStore)
  for (const [path, body] of posts) {
    expect([400, 403, 409]).toContain((await client.send('POST', path, body, token)).status)
  }
  expect(await dump(store as MemoryStore)).toBe(there)
})

test.each(['get rejects', 'get throws', 'compareAndSet rejects', 'the store answers undefined'] as const)(
  'CVE-2021-41177: the limiter is off when its store is missing (%s)',
  async (fault) => {
    const store = new FaultyStore()
    const { app, phone, clock } = await createEnrolledApp({ store, secondFactor: { onUnavailable() {} } })
    const { client, headers } = await atChallenge(app)
    clock.nextStep()
    store.fault = fault
    const guess = (code: string) => client.send('POST', CHALLENGE, { code }, headers)
    for (let number = 0; number < 20; number++) {
      expect((await guess(phone.wrongCode(number))).status).toBe(503)
    }
    // What cannot be counted is not evaluated: the right code is answered like the wrong ones.
    expect((await guess(phone.code())).status).toBe(503)
    expect((await client.get('/vault')).status).not.toBe(200)
  },
)

test('CVE-2026-35597: the write of a lock rolled back with the failed login', async () => {
  const [sessionStore, others] = sharedSessions()
  const { app, store, phone, clock } = await createEnrolledApp({ sessionStore })
  const thief = await atChallenge(app)
  for (let guess = 1; guess <= 5; guess++) {
    const answer = await thief.client.send('POST', CHALLENGE, { code: phone.wrongCode() }, thief.headers)
    expect(answer.status).toBe(401)
    expect((await failuresOf(store as MemoryStore)).totp.count).toBe(guess)
  }
  // A process that has heard nothing of it but what is on record.
  const elsewhere = await atChallenge(createTestApp({ store, clock, sessionStore: others }).app)
  const answer = await elsewhere.client.send('POST', CHALLENGE, { code: phone.code() }, elsewhere.headers)
  expect(answer.status).toBe(429)
})

test('CVE-2020-15105: the plaintext password in the session that waits for its code', async () => {
  const sessionStore = new RecordingSessions()
  const { app, phone, clock } = await createEnrolledApp({ sessionStore })
  const client = new Client(app)
  await client.login()
  await client.challenge(phone.wrongCode())
  clock.nextStep()
  await client.challenge(phone.code())
  expect(sessionStore.writes.length).toBeGreaterThanOrEqual(2)
  expect(JSON.stringify(sessionStore.writes)).not.toContain(PASSWORD)
})

test('"123 456" replaying "123456", and a backup code in another spelling', async () => {
  const { app, phone, clock, backupCodes } = await createEnrolledApp()
  clock.nextStep()
  const code = phone.code()
  const owner = await atChallenge(app)
  expect((await owner.client.send('POST', CHALLENGE, { code }, owner.headers)).status).toBe(200)
  const spaced = [`${code.slice(0, 3)} ${code.slice(3)}`, ` ${code}`, `${code.slice(0, 3)}-${code.slice(3)}`]
  const thief = await atChallenge(app)
  for (const again of spaced) {
    expect((await thief.client.send('POST', CHALLENGE, { code: again }, thief.headers)).status).toBe(401)
  }
  const [backup] = backupCodes as [string]
  const second = await atChallenge(app)
  expect((await second.client.send('POST', CHALLENGE, { code: backup }, second.headers)).status).toBe(200)
  for (const again of [backup.toLowerCase(), backup.replace('-', ''), backup.split('').join(' ')]) {
    expect((await thief.client.send('POST', CHALLENGE, { code: again }, thief.headers)).status).toBe(401)
  }
})

test('a trust cookie that is not bound to its account', async () => {
  const { app, store, phone, clock } = await createEnrolledApp({
    secondFactor: { trustedDevices: { maxAge: '30d' } },
  })
  const bobs = await putEnrolled(store, clock, 'bob')
  const browser = new Client(app)
  await trust(browser, phone, clock)
  const cookie = browser.cookies.get(DEVICE_COOKIE) as string
  const thief = new Client(app)
  thief.cookies.set(DEVICE_COOKIE, cookie)
  expect((await thief.login('bob')).status).toBe(403)
  expect((await thief.get('/vault')).status).toBe(403)
  expect((await thief.challenge(bobs.phone.wrongCode())).status).toBe(401)
  // To its own account it is the trust.
  const again = new Client(app)
  again.cookies.set(DEVICE_COOKIE, cookie)
  expect((await again.login()).status).toBe(302)
})

test('passport-totp: a code of the empty key, for an account that has none', async () => {
  const { app, clock } = await strategies()
  const client = new Client(app)
  await client.login('bob')
  const { csrfToken } = (await client.get('/two-factor')).body
  for (const key of ['', 'AAAAAAAA', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']) {
    for (const step of [-1, 0, 1]) {
      const code = new Authenticator(key, clock.now).code(step)
      const headers = { 'x-csrf-token': csrfToken as string }
      expect((await client.send('POST', CHALLENGE, { code }, headers)).status).toBe(409)
      expect((await client.send('POST', '/my-code', { code })).status).toBe(409)
    }
  }
  expect((await client.get('/vault')).body.code).toBe('enrolment_required')
})

test('passport-totp: `window: 0` that means fifty: no code but of the steps next to now, from -50 to 50', async () => {
  const { app, phone, clock } = await createEnrolledApp()
  const accepted: number[] = []
  let { client, headers } = await atChallenge(app)
  let clean = 0
  clock.forward(3600)
  for (let offset = -50; offset <= 50; offset++) {
    // The code of a far step may by chance be that of a near one.
    const isNear = Math.abs(offset) <= 1
    if (!isNear && [-1, 0, 1].some((near) => phone.code(near) === phone.code(offset))) continue
    // The count falls by a right code only.
    if (clean === 0) {
      ;({ client, headers } = await atChallenge(app))
      await client.send('POST', CHALLENGE, { code: phone.code() }, headers)
      ;({ client, headers } = await atChallenge(app))
      clock.forward(90)
      clean = 4
    }
    const answer = await client.send('POST', CHALLENGE, { code: phone.code(offset) }, headers)
    if (answer.status === 200) {
      accepted.push(offset)
      ;({ client, headers } = await atChallenge(app))
      clock.forward(90)
    } else {
      expect([offset, answer.status]).toEqual([offset, 401])
      clean--
    }
  }
  expect(accepted).toEqual([-1, 0, 1])
})

test('Better Auth 1.7: a lock overshot by a parallel burst, the right code sent last', async () => {
  const { app, store, phone, clock } = await createEnrolledApp()
  const server = await serve(app)
  const sessions = await Promise.all(Array.from({ length: 10 }, () => atChallenge(app)))
  clock.nextStep()
  const post = (code: string, index: number) => {
    const { client, headers } = sessions[index % 10] as (typeof sessions)[0]
    return server.post(client, CHALLENGE, { code }, headers)
  }
  const burst = Promise.all(Array.from({ length: 199 }, (_, index) => post(phone.wrongCode(index), index)))
  while ((await failuresOf(store as MemoryStore)).totp.count < 5) await delay(5)
  const last = await post(phone.code(), 199)
  expect(tally([...(await burst), last])).toEqual({ 401: 5, 429: 195 })
  expect(last.status).toBe(429)
  expect((await failuresOf(store as MemoryStore)).totp.count).toBe(5)
})

test('a step-up without any counter: five hundred wrong codes, then the right one', async () => {
  const { app, store, phone, clock } = await createEnrolledApp()
  const client = new Client(app)
  await signIn(client, phone, clock)
  clock.forward(3600)
  const headers = { 'x-csrf-token': (await client.get(CHALLENGE)).body.csrfToken as string }
  const server = await serve(app)
  const statuses = []
  for (let guess = 0; guess < 500; guess++) {
    statuses.push(await server.post(client, CHALLENGE, { code: phone.wrongCode(guess) }, headers))
  }
  expect(tally(statuses)).toEqual({ 401: 5, 429: 495 })
  expect((await server.post(client, CHALLENGE, { code: phone.code() }, headers)).status).toBe(429)
  expect((await failuresOf(store as MemoryStore)).totp.count).toBe(5)
  expect((await client.get('/transfer')).body.code).toBe('step_up_required')
})
