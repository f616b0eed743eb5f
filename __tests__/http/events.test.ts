import type { Express } from 'express'
import type { SecondFactorEvent } from 'express-second-factor'
import session from 'express-session'
import { Accounts } from '../../lib/account/accounts'
import { AccountRecords } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import { expresses, KEY, PASSWORD, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { anotherDay, trust } from '../support/devices'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import type { Answer } from '../support/quick-request'

const CHALLENGE = '/two-factor/challenge'
const IP = '203.0.113.7'
type Heard = Record<string, unknown> & Pick<SecondFactorEvent, 'name' | 'accountId'>

/** Numbers the requests, as request loggers do. */
function numbered(app: Express): void {
  let count = 0
  app.set('trust proxy', true)
  app.use((req, res, next) => {
    Object.assign(req, { id: `r-${++count}` })
    res.setHeader('x-request-id', `r-${count}`)
    next()
  })
}

/** An app whose events are written down. */
async function listening(options: TestAppOptions = {}) {
  const made = await createEnrolledApp({
    ...options,
    before: numbered,
    secondFactor: { trustedDevices: { maxAge: '30d' }, ...options.secondFactor },
  })
  const { clock, app, secondFactor } = made
  const heard: Heard[] = []
  secondFactor.events.on('*', (event) => {
    heard.push({ ...event })
  })
  /** What the last request was told of, without what all of them have in common. */
  const told = (answer: Answer | null, accountId = 'u-alice') =>
    heard.splice(0).map(({ accountId: about, at, requestId, ip, ...event }) => {
      expect(about).toBe(accountId)
      expect(at).toEqual(new Date(clock.time))
      expect(requestId).toBe(answer?.headers['x-request-id'])
      expect(ip).toBe(answer ? IP : undefined)
      return event
    })
  /** Comes from an address of its own. */
  const from = (client: Client) => {
    const { send } = client
    client.send = (method, path, body, headers) =>
      send.call(client, method, path, body, { 'x-forwarded-for': IP, ...headers })
    return client
  }
  return { ...made, heard, told, client: from(new Client(app)), from }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test('of a login: that it waits, what was refused, what was accepted', async () => {
    const { client, told, phone, clock, backupCodes } = await listening({ express })
    expect(told(await client.login())).toEqual([{ name: 'challenged' }])
    // Seen again it is nothing new; the password given again is.
    expect(told(await client.get('/two-factor/challenge'))).toEqual([])
    expect(told(await client.login())).toEqual([{ name: 'challenged' }])
    expect(told(await client.challenge('no code'))).toEqual([])
    expect(told(await client.send('POST', CHALLENGE, { code: phone.wrongCode() }))).toEqual([])
    expect(told(await client.challenge(phone.wrongCode()))).toEqual([
      { name: 'failed', method: 'totp', purpose: 'login' },
    ])
    clock.nextStep()
    expect(told(await client.challenge(phone.code()))).toEqual([
      { name: 'verified', method: 'totp', purpose: 'login' },
    ])
    clock.forward(1)
    expect(told(await client.challenge(backupCodes[0]))).toEqual([
      { name: 'verified', method: 'backup-code', purpose: 'step-up' },
      { name: 'backup-code-used', remaining: 4 },
    ])
    expect(told(await client.challenge(phone.wrongCode()))).toEqual([
      { name: 'failed', method: 'totp', purpose: 'step-up' },
    ])
    expect(told(await client.get('/vault'))).toEqual([])
  })

  test('of enabling, new codes, a new phone, disabling', async () => {
    const { client, told, heard, phone, clock } = await listening({ express })
    await signIn(client, phone, clock)
    heard.splice(0)
    expect(told(await client.post('/two-factor/backup-codes'))).toEqual([
      { name: 'backup-codes-regenerated' },
    ])
    const { body } = await client.post('/two-factor/replace', {}, '/two-factor')
    const newPhone = new Authenticator(body.secret, clock.now)
    const confirm = (code: string) => client.post('/two-factor/replace/confirm', { code }, '/two-factor')
    // Whoever types sees the secret: nothing is guessed.
    expect(told(await confirm(newPhone.wrongCode()))).toEqual([])
    expect(told(await confirm(newPhone.code()))).toEqual([{ name: 'replaced', method: 'totp' }])
    const disable = (code: string) => client.post('/two-factor/disable', { code })
    expect(told(await disable(newPhone.wrongCode()))).toEqual([
      { name: 'failed', method: 'totp', purpose: 'disable' },
    ])
    clock.nextStep()
    expect(told(await disable(newPhone.code()))).toEqual([{ name: 'disabled' }])
    const begun = await client.post('/two-factor/enable', {}, '/two-factor')
    expect(told(begun)).toEqual([])
    const code = new Authenticator(begun.body.secret, clock.now).code()
    expect(told(await client.post('/two-factor/enable/confirm', { code }, '/two-factor'))).toEqual([
      { name: 'enabled', method: 'totp' },
    ])
  })

  test('of trusted devices', async () => {
    const { client, told, heard, phone, clock, from } = await listening({ express })
    const answer = await trust(client, phone, clock)
    const until = new Date(clock.time + 30 * 86_400_000)
    const id = expect.stringMatching(/^[\w-]{12}$/)
    const [challenged, ...rest] = heard.splice(0)
    expect(challenged?.name).toBe('challenged')
    heard.push(...rest)
    expect(told(answer)).toEqual([
      { name: 'verified', method: 'totp', purpose: 'login' },
      { name: 'device-trusted', device: id, label: '', until },
    ])
    const next = from(anotherDay(client))
    expect(told(await next.login())).toEqual([
      { name: 'verified', method: 'trusted-device', purpose: 'login' },
    ])
    const revoked = await next.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
    expect(told(revoked)).toEqual([{ name: 'device-revoked', device: id, label: '' }])
    // The session that rested on it waits for its code.
    expect(told(await next.get('/account'))).toEqual([{ name: 'challenged' }])
    expect(told(await next.get('/account'))).toEqual([])
    expect(told(await client.post('/two-factor/devices/revoke', {}, '/two-factor/devices'))).toEqual([])
  })
})

describe('what is told', () => {
  test('of failures that lock, and of the one that suspends; what is not looked at is nothing', async () => {
    const { client, told, phone, clock, store } = await listening()
    const accounts = new Accounts(new AccountRecords(store, new Keyring([KEY]), clock.now), clock.now, 5)
    const { epoch } = await accounts.status('u-alice')
    told(await client.login())
    const failed = { name: 'failed', method: 'totp', purpose: 'login' }
    for (let n = 1; n < 5; n++) expect(told(await client.challenge(phone.wrongCode(n)))).toEqual([failed])
    const until = new Date(clock.time + 30_000)
    expect(told(await client.challenge(phone.wrongCode()))).toEqual([
      failed,
      { name: 'locked', method: 'totp', until },
    ])
    expect(told(await client.challenge(phone.code()))).toEqual([])
    // Ninety-four more, each after its lock.
    for (let n = 6; n < 100; n++) {
      clock.forward(3600)
      await accounts.verify('u-alice', epoch, { method: 'totp', code: phone.wrongCode() })
    }
    clock.forward(3600)
    told(await client.login())
    expect(told(await client.challenge(phone.wrongCode()))).toEqual([
      failed,
      { name: 'suspended', method: 'totp' },
    ])
  })

  test('of the password that is asked again', async () => {
    const { client, told, clock } = await listening()
    await client.login('bob')
    clock.forward(601)
    const begin = (password: string) => client.post('/two-factor/enable', { password }, '/two-factor')
    expect(told(await begin('wrong'), 'u-bob')).toEqual([
      { name: 'failed', method: 'password', purpose: 'enable' },
    ])
    expect(told(await begin(''), 'u-bob')).toEqual([])
    for (let n = 0; n < 3; n++) told(await begin('wrong'), 'u-bob')
    const until = new Date(clock.time + 30_000)
    expect(told(await begin('wrong'), 'u-bob')).toEqual([
      { name: 'failed', method: 'password', purpose: 'enable' },
      { name: 'locked', method: 'password', until },
    ])
    expect(told(await begin(PASSWORD), 'u-bob')).toEqual([])
  })

  test('of what the host does, without a request', async () => {
    const { secondFactor, told } = await listening()
    await secondFactor.revokeSessions('u-alice')
    expect(told(null)).toEqual([{ name: 'sessions-revoked' }])
    await secondFactor.reset('u-alice')
    expect(told(null)).toEqual([{ name: 'reset', wasEnabled: true, by: null, reason: null }])
    await secondFactor.reset('u-alice')
    expect(told(null)).toEqual([{ name: 'reset', wasEnabled: false, by: null, reason: null }])
    await secondFactor.forget('u-alice')
    expect(told(null)).toEqual([{ name: 'forgotten' }])
    await secondFactor.status('u-alice')
    expect(told(null)).toEqual([])
  })

  test('of a user who must enrol, at the login and in a session', async () => {
    let policy: 'optional' | 'required' = 'required'
    const { client, told, from, app } = await listening({ secondFactor: { policy: () => policy } })
    expect(told(await client.login('bob'), 'u-bob')).toEqual([{ name: 'policy-held' }])
    policy = 'optional'
    const other = from(new Client(app))
    expect(told(await other.login('bob'), 'u-bob')).toEqual([])
    policy = 'required'
    expect(told(await other.get('/account'), 'u-bob')).toEqual([{ name: 'policy-held' }])
    expect(told(await other.get('/account'), 'u-bob')).toEqual([])
  })

  test('of a login that is skipped', async () => {
    const { client, told } = await listening({ secondFactor: { skip: () => true } })
    expect(told(await client.login())).toEqual([
      { name: 'verified', method: 'single-sign-on', purpose: 'login' },
    ])
  })

  test('of where it comes from is what the host says', async () => {
    const { client, heard } = await listening({
      secondFactor: { eventOrigin: (req) => ({ requestId: 'mine', ip: `from ${req.method}` }) },
    })
    await client.login()
    expect(heard).toEqual([expect.objectContaining({ requestId: 'mine', ip: 'from POST' })])
  })

  test('to listeners of one name, until they have heard enough', async () => {
    const { client, secondFactor, phone } = await listening()
    const failures: unknown[] = []
    const stop = secondFactor.events.on('failed', ({ method, purpose }) => failures.push([method, purpose]))
    await client.login()
    await client.challenge(phone.wrongCode())
    stop()
    await client.challenge(phone.wrongCode(1))
    expect(failures).toEqual([['totp', 'login']])
  })
})

describe('nothing is told before it is on record', () => {
  type Step = (made: Awaited<ReturnType<typeof verified>>) => Promise<unknown>

  /** Sessions in every state, and forms whose token they have already. */
  async function verified() {
    const store = new FaultyStore()
    const made = await listening({
      store,
      secondFactor: { onUnavailable: () => {} },
    })
    const { app, clock, phone, heard, from } = made
    const alice = from(new Client(app))
    await trust(alice, phone, clock)
    const pending = from(new Client(app))
    await pending.login()
    const bob = from(new Client(app))
    await bob.login('bob')
    const replacing = await alice.post('/two-factor/replace', {}, '/two-factor')
    const enabling = await bob.post('/two-factor/enable', {}, '/two-factor')
    const tokens = new Map<Client, string>()
    for (const one of [alice, pending, bob]) {
      const path = one === pending ? CHALLENGE : '/two-factor'
      tokens.set(one, (await one.get(path)).body.csrfToken)
    }
    clock.nextStep()
    heard.splice(0)
    const post = (one: Client, path: string, body: object = {}) =>
      one.send('POST', `/two-factor${path}`, body as never, { 'x-csrf-token': tokens.get(one) as string })
    const phones = {
      replacing: new Authenticator(replacing.body.secret, clock.now),
      enabling: new Authenticator(enabling.body.secret, clock.now),
    }
    return { ...made, store, alice, pending, bob, post, phones }
  }

  test.each<[string, Step]>([
    ['a code', ({ post, pending, phone }) => post(pending, '/challenge', { code: phone.code() })],
    ['a wrong code', ({ post, pending, phone }) => post(pending, '/challenge', { code: phone.wrongCode() })],
    ['a step-up', ({ post, alice, phone }) => post(alice, '/challenge', { code: phone.code() })],
    [
      'a backup code',
      ({ post, pending, backupCodes }) => post(pending, '/challenge', { code: backupCodes[0] }),
    ],
    [
      'a device to be trusted',
      ({ post, pending, phone }) => post(pending, '/challenge', { code: phone.code(), trustDevice: true }),
    ],
    ['a device that is trusted', ({ alice, from }) => from(anotherDay(alice)).login()],
    ['devices to be revoked', ({ post, alice }) => post(alice, '/devices/revoke')],
    ['disabling', ({ post, alice, phone }) => post(alice, '/disable', { code: phone.code() })],
    [
      'a wrong code at disabling',
      ({ post, alice, phone }) => post(alice, '/disable', { code: phone.wrongCode() }),
    ],
    ['new backup codes', ({ post, alice }) => post(alice, '/backup-codes')],
    [
      'a new phone',
      ({ post, alice, phones }) => post(alice, '/replace/confirm', { code: phones.replacing.code() }),
    ],
    ['enabling', ({ post, bob, phones }) => post(bob, '/enable/confirm', { code: phones.enabling.code() })],
    ['revokeSessions', ({ secondFactor }) => secondFactor.revokeSessions('u-alice')],
    ['reset', ({ secondFactor }) => secondFactor.reset('u-alice')],
  ])('%s: a store that does not take it tells nothing; one that does, does', async (_what, step) => {
    const made = await verified()
    made.store.fault = 'compareAndSet rejects'
    const answer = (await step(made).catch((error: { status: number }) => error)) as { status: number }
    expect(answer.status).toBe(503)
    expect(made.heard).toEqual([])
    made.store.fault = null
    await step(made)
    expect(made.heard.length).toBeGreaterThan(0)
  })

  test('and what others wrote first is told once, by the one who did it', async () => {
    const made = await verified()
    const { store, heard, post, pending, phone } = made
    const { compareAndSet } = store
    let lost = 2
    store.compareAndSet = async (...args) => (lost-- > 0 ? false : compareAndSet.apply(store, args))
    expect((await post(pending, '/challenge', { code: phone.code() })).status).toBe(200)
    expect(heard.map(({ name }) => name)).toEqual(['verified'])
  })

  test('a listener finds it there', async () => {
    const { client, secondFactor, phone, clock } = await listening()
    const found: unknown[] = []
    secondFactor.events.on('verified', async ({ accountId }) => {
      found.push((await secondFactor.status(accountId)).lastUsedAt)
    })
    await signIn(client, phone, clock)
    await secondFactor.status('u-alice')
    expect(found).toEqual([clock.time])
  })

  test('that a login waits is told once its session is stored', async () => {
    class Sessions extends session.MemoryStore {
      away = false
      override set(id: string, data: session.SessionData, callback?: (error?: unknown) => void): void {
        if (this.away) callback?.(new Error('the session store is away'))
        else super.set(id, data, callback)
      }
    }
    const sessionStore = new Sessions()
    const { client, heard, app } = await listening({ sessionStore })
    app.set('env', 'test')
    sessionStore.away = true
    expect((await client.login()).status).toBeGreaterThanOrEqual(500)
    expect(heard).toEqual([])
    sessionStore.away = false
    await client.login()
    expect(heard.map(({ name }) => name)).toEqual(['challenged'])
  })
})

describe('a listener that fails', () => {
  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the log is full')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the log is full'))],
    ['throws no error', () => Promise.reject(null)],
    ['never ends', () => new Promise(() => {})],
  ])('and %s changes no answer, and keeps nothing from the others', async (what, listener) => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const made = await createEnrolledApp()
    const { app, secondFactor, phone, clock } = made
    const before: string[] = []
    secondFactor.events.on('verified', listener)
    secondFactor.events.on('*', listener)
    secondFactor.events.on('*', ({ name }) => before.push(name))
    const client = new Client(app)
    const answer = await signIn(client, phone, clock)
    expect(answer.body).toMatchObject({ state: 'verified' })
    expect((await client.get('/vault')).status).toBe(200)
    expect(before).toEqual(['challenged', 'verified'])
    const codes = warned.mock.calls.map(([, options]) => (options as { code: string }).code)
    expect(codes.filter((code) => code === 'SF_LISTENER')).toHaveLength(what === 'never ends' ? 0 : 3)
    warned.mockRestore()
  })

  test('and changes its event changes nobody else’s', async () => {
    const { app, secondFactor } = await createEnrolledApp()
    const heard: unknown[] = []
    secondFactor.events.on('challenged', (event) => {
      Object.assign(event, { accountId: 'u-bob', name: 'disabled' })
      event.at.setTime(0)
    })
    secondFactor.events.on('*', (event) => heard.push([event.name, event.accountId, event.at.getTime() > 0]))
    await new Client(app).login()
    expect(heard).toEqual([['challenged', 'u-alice', true]])
  })

  test('an audit log that fails does not, either', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const written: string[] = []
    const audit = {
      write(event: SecondFactorEvent) {
        written.push(event.name)
        return Promise.reject(new Error('the log is full'))
      },
    }
    const { app, phone, clock } = await createEnrolledApp({ secondFactor: { audit } })
    await signIn(new Client(app), phone, clock)
    expect(written).toEqual(['challenged', 'verified'])
    warned.mockRestore()
  })
})

test('what several requests of a session find out together is told once', async () => {
  let together = 0
  const waiting: (() => void)[] = []
  const { app, secondFactor, phone, clock } = await createEnrolledApp({
    // All of them have read the session before the first one changes it.
    before: (app) =>
      void app.use('/together', (_req, _res, next) => {
        waiting.push(next)
        if (waiting.length === together) for (const goOn of waiting.splice(0)) goOn()
      }),
    routes: (app) => void app.get('/together', (_req, res) => void res.sendStatus(204)),
  })
  const client = new Client(app)
  await signIn(client, phone, clock)
  await client.get('/two-factor')
  const heard: string[] = []
  secondFactor.events.on('*', ({ name }) => heard.push(name))
  for (const round of [1, 2]) {
    await secondFactor.revokeSessions('u-alice')
    together = 5
    await Promise.all(Array.from({ length: together }, () => client.copy().get('/together')))
    expect(heard.splice(0)).toEqual(['sessions-revoked', 'challenged'])
    if (round === 1) {
      clock.nextStep()
      await client.challenge(phone.code())
      expect(heard.splice(0)).toEqual(['verified'])
    }
  }
})

test('each account has its own', async () => {
  const { app, store, clock, phone, heard } = await listening()
  const bobs = await putEnrolled(store, clock, 'bob')
  await signIn(new Client(app), phone, clock)
  await signIn(new Client(app), bobs.phone, clock, 'bob')
  expect(heard.map(({ name, accountId }) => `${accountId} ${name}`)).toEqual([
    'u-alice challenged',
    'u-alice verified',
    'u-bob challenged',
    'u-bob verified',
  ])
  expect(JSON.stringify(heard)).not.toContain(PASSWORD)
})
