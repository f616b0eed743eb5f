import { BackupCodeStrategy, createSecondFactor, MemoryStore, TotpStrategy } from 'express-second-factor'
import { hostPassport, KEY, type TestApp, users } from '../support/app'
import { Client } from '../support/client'
import { anotherDay, trust } from '../support/devices'
import { createEnrolledApp, type Factor, putEnrolled, signIn } from '../support/enrolled'

/** The gate, condition by condition: each row is one that nothing else would miss. */

// The machine may be busy with other tests.
jest.setTimeout(30_000)

let world: TestApp & Factor
let bobs: Factor

beforeAll(async () => {
  world = await createEnrolledApp({
    secondFactor: { trustedDevices: { maxAge: '30d' } },
    between(app) {
      // A user of this request alone, as from a token.
      app.use((req, _res, next) => {
        const name = req.headers['x-token-of']
        if (typeof name === 'string') req.user = users[name] as unknown as Express.User
        if (name === 'nobody') req.user = undefined
        next()
      })
    },
    routes(app, secondFactor) {
      hostPassport.use(new TotpStrategy(secondFactor))
      hostPassport.use(new BackupCodeStrategy(secondFactor))
      const { requireSecondFactor } = secondFactor
      const pass = (_req: unknown, res: { json(body: object): void }) => res.json({ passed: true })
      app.all('/any', requireSecondFactor(), pass)
      app.all('/by-app', requireSecondFactor({ methods: ['totp'] }), pass)
      app.all('/by-code', requireSecondFactor({ methods: ['backup-code'] }), pass)
      app.all('/by-either', requireSecondFactor({ methods: ['totp', 'backup-code'] }), pass)
      app.all('/lately', requireSecondFactor({ maxAge: 1000 }), pass)
      app.all('/lately-by-app', requireSecondFactor({ maxAge: '1s', methods: ['totp'] }), pass)
      app.all('/form', requireSecondFactor({ maxAge: 1000, returnTo: '/the-form' }), pass)
    },
  })
  bobs = await putEnrolled(world.store, world.clock, 'bob')
})

async function passes(client: Client, path: string, headers = {}): Promise<boolean | string> {
  const { status, body } = await client.get(path, headers)
  return status === 200 ? body.passed : body.code
}

test('nobody, and half a login', async () => {
  const client = new Client(world.app)
  expect(await passes(client, '/any')).toBe('not_authenticated')
  await client.login()
  expect(await passes(client, '/any')).toBe('second_factor_required')
})

test('by the app: every gate that it will do for, while it is fresh', async () => {
  const client = new Client(world.app)
  await signIn(client, world.phone, world.clock)
  expect(await passes(client, '/any')).toBe(true)
  expect(await passes(client, '/by-app')).toBe(true)
  expect(await passes(client, '/by-either')).toBe(true)
  expect(await passes(client, '/by-code')).toBe('step_up_required')
  world.clock.time += 999
  expect(await passes(client, '/lately')).toBe(true)
  expect(await passes(client, '/lately-by-app')).toBe(true)
  world.clock.time += 1
  expect(await passes(client, '/lately')).toBe('step_up_required')
  expect(await passes(client, '/lately-by-app')).toBe('step_up_required')
  expect(await passes(client, '/any')).toBe(true)
})

test('by a backup code: not where the app is asked for', async () => {
  const client = new Client(world.app)
  await client.login()
  expect((await client.challenge(world.backupCodes[0])).status).toBe(200)
  expect(await passes(client, '/any')).toBe(true)
  expect(await passes(client, '/by-code')).toBe(true)
  expect(await passes(client, '/by-either')).toBe(true)
  expect(await passes(client, '/by-app')).toBe('step_up_required')
  const { body } = await client.get('/by-app')
  expect(body.methods).toEqual(['totp'])
  // A code of the wrong kind is not even looked at there.
  expect((await client.challenge(world.backupCodes[1])).body.code).toBe('step_up_required')
})

test('by a trusted device: where any proof will do, and never where it must be fresh', async () => {
  const browser = new Client(world.app)
  await trust(browser, world.phone, world.clock)
  const client = anotherDay(browser)
  expect((await client.login()).status).toBe(302)
  expect(await passes(client, '/any')).toBe(true)
  for (const path of ['/lately', '/lately-by-app', '/by-app', '/by-code', '/by-either']) {
    expect([path, await passes(client, path)]).toEqual([path, 'step_up_required'])
  }
})

test('a user of this request alone has not proven what the session has', async () => {
  const client = new Client(world.app)
  await signIn(client, bobs.phone, world.clock, 'bob')
  expect(await passes(client, '/any')).toBe(true)
  expect(await passes(client, '/any', { 'x-token-of': 'bob' })).toBe(true)
  expect(await passes(client, '/any', { 'x-token-of': 'alice' })).toBe('not_authenticated')
  expect(await passes(client, '/any', { 'x-token-of': 'nobody' })).toBe('not_authenticated')
  const stranger = new Client(world.app)
  expect(await passes(stranger, '/any', { 'x-token-of': 'alice' })).toBe('not_authenticated')
})

test('people come back to the page, from a form to where the gate says, or to where they were', async () => {
  const person = new Client(world.app, 'person')
  await signIn(person, world.phone, world.clock)
  world.clock.time += 2000
  const after = async (send: () => Promise<unknown>) => {
    world.clock.nextStep()
    await send()
    return (await person.challenge(world.phone.code())).headers.location
  }
  expect(await after(() => person.get('/lately?a=1'))).toBe('/lately?a=1')
  expect(await after(() => person.send('POST', '/form', {}))).toBe('/the-form')
  expect(await after(() => person.send('POST', '/lately', {}))).toBe('/')
})

describe('at the start', () => {
  const { requireSecondFactor } = createSecondFactor({
    issuer: 'Acme',
    account: () => ({ id: 'a', name: 'a' }),
    keys: [KEY],
    store: new MemoryStore(),
    passport: hostPassport,
  })
  const gate = requireSecondFactor as (options?: unknown) => unknown

  test.each([
    [undefined],
    [{}],
    [{ maxAge: '5m' }],
    [{ methods: ['totp'] }],
    [{ methods: ['backup-code'] }],
    [{ methods: ['totp', 'backup-code'] }],
    [{ returnTo: '/here?and=there' }],
    [{ maxAge: 1000, methods: ['totp'], returnTo: '/' }],
  ])('%j is a requirement', (options) => {
    expect(gate(options)).toHaveLength(3)
  })

  test.each([
    [null],
    [true],
    ['5m'],
    [{ maxage: '5m' }],
    [{ maxAge: '5m', method: 'totp' }],
    [{ methods: 'totp' }],
    [{ methods: 'backup-code' }],
    [{ methods: [] }],
    [{ methods: ['sms'] }],
    [{ methods: ['totp', 'sms'] }],
    [{ methods: { length: 1, 0: 'totp' } }],
    [{ methods: null }],
    [{ returnTo: 'https://evil.example/' }],
    [{ returnTo: '//evil.example' }],
    [{ returnTo: null }],
    [{ returnTo: 7 }],
  ])('%j is none', (options) => {
    expect(() => gate(options)).toThrow('SF_REQUIREMENT')
    expect(() => gate(options)).toThrow("requireSecondFactor() takes nothing, or { maxAge: '5m'")
  })

  test.each<[unknown, string]>([
    [['totp'], 'A gate is not made with an array: '],
    ['5m', 'A gate is not made with '],
    [{ maxage: '5m' }, 'A gate has no option maxage. Did you mean maxAge? In full: '],
    [{ methods: ['sms'] }, "A gate's methods are an array with 'totp', 'backup-code' or both: "],
    [{ returnTo: '//evil.example' }, "A gate's returnTo is a path of your app, such as '/transfer': "],
  ])('%j is told by name', (options, words) => {
    expect(() => gate(options)).toThrow(words)
  })

  test('an age that is none is named', () => {
    expect(() => gate({ maxAge: 'soon' })).toThrow(/maxAge.*SF_DURATION/)
    // Meant in seconds: nobody would ever pass.
    expect(() => gate({ maxAge: 300 })).toThrow(/'5m'.*SF_DURATION/)
  })

  test('a gate without secondFactor.session() before it lets nobody pass', () => {
    const next = jest.fn()
    const handler = gate() as (req: object, res: object, next: () => void) => void
    handler({ user: users.alice, session: {} }, {}, next)
    expect(next).toHaveBeenCalledTimes(1)
    expect(String(next.mock.calls[0]?.[0])).toContain('SF_')
  })
})
