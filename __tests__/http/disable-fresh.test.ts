import session from 'express-session'
import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Client } from '../support/client'
import { anotherDay, opened, trust } from '../support/devices'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'

const DISABLE = '/two-factor/disable'
const CHALLENGE = '/two-factor/challenge'
const MINUTES = 60

async function fresh(options: TestAppOptions = {}, kind: 'program' | 'person' = 'program') {
  const secondFactor = { disable: 'fresh' as const, ...options.secondFactor }
  const made = await createEnrolledApp({ ...options, secondFactor })
  const client = new Client(made.app, kind)
  await signIn(client, made.phone, made.clock)
  return { ...made, client }
}

describe.each(Object.entries(expresses))("disable: 'fresh' on %s", (_name, express) => {
  test('a click is enough where a code was accepted in the last five minutes', async () => {
    const { client, clock, secondFactor } = await fresh({ express })
    clock.forward(5 * MINUTES - 1)
    expect(Object.keys((await client.get(DISABLE)).body)).toEqual(['csrfToken'])
    const answer = await client.post(DISABLE)
    expect([answer.status, answer.body]).toEqual([200, { enabled: false }])
    expect((await secondFactor.status('u-alice')).enabled).toBe(false)
    expect((await client.get('/account')).body.state).toBe('unenrolled')
  })

  test('of a person: the page has no field', async () => {
    const { client } = await fresh({ express }, 'person')
    const page = (await client.get(DISABLE)).text
    expect(page).toContain(`action="${DISABLE}"`)
    expect(page).not.toContain('name="code"')
    const answer = await client.post(DISABLE)
    expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor'])
    expect((await client.as('program').get('/account')).body.state).toBe('unenrolled')
  })

  test('later a code is asked for first, and with it a click is enough', async () => {
    const { client, clock, phone, secondFactor } = await fresh({ express })
    const { csrfToken } = (await client.get(DISABLE)).body
    clock.forward(5 * MINUTES)
    for (const body of [{}, { code: phone.code() }]) {
      const refused = await client.send('POST', DISABLE, body, { 'x-csrf-token': csrfToken })
      expect([refused.status, refused.body.code]).toEqual([403, 'step_up_required'])
    }
    expect((await client.get(DISABLE)).body.code).toBe('step_up_required')
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
    expect((await client.challenge(phone.code())).status).toBe(200)
    expect((await client.post(DISABLE)).body).toEqual({ enabled: false })
  })

  test('people are led there and back', async () => {
    const { client, clock, phone } = await fresh({ express }, 'person')
    clock.forward(5 * MINUTES)
    const led = await client.get(DISABLE)
    expect([led.status, led.headers.location]).toEqual([303, CHALLENGE])
    expect((await client.challenge(phone.code())).headers.location).toBe(DISABLE)
    expect((await client.post(DISABLE)).headers.location).toBe('/two-factor')
  })
})

describe("disable: 'fresh'", () => {
  test('a trusted device is never enough', async () => {
    const { app, clock, phone, secondFactor } = await fresh({
      secondFactor: { trustedDevices: { maxAge: '30d' } },
    })
    const browser = new Client(app)
    await trust(browser, phone, clock)
    const next = anotherDay(browser)
    expect((await next.login()).headers.location).toBe('/account')
    const { csrfToken } = (await next.get('/two-factor')).body
    for (const back of [0, -3600]) {
      clock.forward(back)
      const answer = await next.send('POST', DISABLE, {}, { 'x-csrf-token': csrfToken })
      expect(answer.status).toBe(403)
    }
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
  })

  test('nor is what a provider has proven', async () => {
    const { app, secondFactor } = await fresh({
      secondFactor: { skip: (_user, req) => req.headers['x-sso'] === 'yes' },
    })
    const sso = new Client(app)
    const body = { username: 'alice', password: 'correct horse battery staple' }
    expect((await sso.send('POST', '/login', body, { 'x-sso': 'yes' })).headers.location).toBe('/account')
    const { csrfToken } = (await sso.get('/two-factor')).body
    const answer = await sso.send('POST', DISABLE, {}, { 'x-csrf-token': csrfToken })
    expect([answer.status, answer.body.code]).toEqual([403, 'step_up_required'])
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
  })

  test('other sessions have no second factor at once, also where this one cannot be written', async () => {
    const sessionStore = new session.MemoryStore()
    const { client, app, clock, phone } = await fresh({ sessionStore })
    clock.nextStep()
    const other = new Client(app)
    await signIn(other, phone, clock)
    expect((await other.get('/vault')).status).toBe(200)
    await client.get(DISABLE)
    const away = jest
      .spyOn(sessionStore, 'destroy')
      .mockImplementation((_id, callback) => callback?.(new Error('the session store is away')))
    expect((await client.post(DISABLE)).status).toBe(503)
    away.mockRestore()
    // Its epoch is over.
    expect((await other.get('/vault')).status).toBe(401)
  })

  test('a click needs its token', async () => {
    const { client, secondFactor } = await fresh()
    expect((await client.send('POST', DISABLE, {})).body.code).toBe('csrf')
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
  })

  test('spends and counts no code, also where the method is locked', async () => {
    const { client, phone, store, clock } = await fresh()
    for (let n = 0; n < 5; n++) await client.challenge(phone.wrongCode(n))
    const before = await opened(store, 'u-alice')
    clock.forward(1)
    expect((await client.post(DISABLE, { code: phone.wrongCode(9) })).body).toEqual({ enabled: false })
    const after = await opened(store, 'u-alice')
    expect(after).toEqual({
      ...before,
      totp: null,
      backupCodes: null,
      epoch: before.epoch + 1,
      disabledAt: clock.time,
    })
  })

  test('of a session of another epoch, or an account without one, does nothing', async () => {
    const { client, secondFactor, app } = await fresh()
    const { csrfToken } = (await client.get(DISABLE)).body
    await secondFactor.revokeSessions('u-alice')
    const answer = await client.send('POST', DISABLE, {}, { 'x-csrf-token': csrfToken })
    expect([answer.status, answer.body.code]).toEqual([403, 'second_factor_required'])
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
    const bob = new Client(app)
    await bob.login('bob')
    expect((await bob.post(DISABLE, {}, '/two-factor')).body.code).toBe('not_enabled')
  })

  test('while the store is away: 503, and it is still on', async () => {
    const store = new FaultyStore()
    const { client, secondFactor } = await fresh({ store, secondFactor: { onUnavailable: () => {} } })
    const { csrfToken } = (await client.get(DISABLE)).body
    store.fault = 'compareAndSet rejects'
    expect((await client.send('POST', DISABLE, {}, { 'x-csrf-token': csrfToken })).status).toBe(503)
    store.fault = null
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('by default it takes a code, however fresh the session is', async () => {
    const { app, phone, clock } = await createEnrolledApp()
    const client = new Client(app)
    await signIn(client, phone, clock)
    expect((await client.post(DISABLE)).body.code).toBe('malformed')
    // And with one it may be as old as it likes.
    clock.forward(3600)
    expect((await client.post(DISABLE, { code: phone.code() })).body).toEqual({ enabled: false })
  })

  test.each([
    ['click', 'SF_DISABLE'],
    [true, 'SF_DISABLE'],
    ['', 'SF_DISABLE'],
    [null, 'SF_OPTION_TYPE'],
  ])('there is no disable: %p', (disable, code) => {
    expect(() => createTestApp({ secondFactor: { disable: disable as 'code' } })).toThrow(code)
  })
})
