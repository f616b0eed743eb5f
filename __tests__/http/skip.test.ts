import type { Request } from 'express'
import session from 'express-session'
import { createTestApp, expresses, hostPassport, PASSWORD, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { all, createPlainApp } from '../support/sessions'

const SSO = { 'x-sso': 'yes' }
const skip = (_user: unknown, req: Request) => req.headers['x-sso'] === 'yes'

/** An app whose logins by single sign-on are skipped: alice has a second factor, bob has none. */
const skipping = (options: TestAppOptions = {}) =>
  createEnrolledApp({
    routes: (app) => {
      app.get('/factor', (req, res) => {
        res.json(req.secondFactor)
      })
      app.post('/login-keep', hostPassport.authenticate('local', { keepSessionInfo: true }), (_req, res) => {
        res.sendStatus(204)
      })
    },
    ...options,
    secondFactor: { skip, ...options.secondFactor },
  })

const login = (client: Client, username: string, headers: Record<string, string> = SSO, path = '/login') =>
  client.send('POST', path, { username, password: PASSWORD }, headers)

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test.each([
    ['alice', 'step_up_required'],
    // There is no code that could be asked for.
    ['bob', 'enrolment_required'],
  ])('a login that is skipped goes on, of %s too; a gate with maxAge says %s', async (username, code) => {
    const { app } = await skipping({ express })
    const client = new Client(app)
    expect((await login(client, username)).headers.location).toBe('/account')
    expect((await client.get('/factor')).body).toMatchObject({
      state: 'verified',
      method: 'single-sign-on',
      verifiedAt: null,
    })
    expect((await client.get('/account')).body.user.id).toBe(`u-${username}`)
    expect((await client.get('/vault')).status).toBe(200)
    const refused = await client.get('/transfer')
    expect([refused.status, refused.body.code]).toEqual([403, code])
  })

  test('one that is not is asked as ever', async () => {
    const { app } = await skipping({ express })
    const alice = new Client(app)
    expect((await login(alice, 'alice', {})).body.code).toBe('second_factor_required')
    const bob = new Client(app)
    await login(bob, 'bob', {})
    expect((await bob.get('/factor')).body.state).toBe('unenrolled')
  })

  test('a session that was skipped steps up with a code where there is one', async () => {
    const { app, phone, clock } = await skipping({ express })
    const alice = new Client(app)
    await login(alice, 'alice')
    clock.nextStep()
    expect((await alice.challenge(phone.code())).body).toMatchObject({ state: 'verified', method: 'totp' })
    expect((await alice.get('/transfer')).status).toBe(200)
  })
})

describe('what is skipped', () => {
  test.each(['alice', 'bob'])('ends with revokeSessions, of %s too', async (username) => {
    const { app, secondFactor } = await skipping()
    const client = new Client(app)
    await login(client, username)
    await secondFactor.revokeSessions(`u-${username}`)
    expect((await client.get('/account', SSO)).status).toBe(401)
    expect((await client.get('/vault', SSO)).status).not.toBe(200)
    // Another login at the provider is another one.
    await login(client, username)
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('ends when a second factor is enabled elsewhere, and when it is disabled', async () => {
    const { app, phone, clock } = await skipping()
    const [skipped, own] = [new Client(app), new Client(app)]
    await login(skipped, 'bob')
    await login(own, 'bob', {})
    const { body } = await own.post('/two-factor/enable', {}, '/two-factor')
    const bobs = new Authenticator(body.secret, clock.now)
    await own.post('/two-factor/enable/confirm', { code: bobs.code() }, '/two-factor')
    expect((await skipped.get('/vault')).body.code).toBe('second_factor_required')

    const alices = new Client(app)
    await login(alices, 'alice')
    const acting = new Client(app)
    await signIn(acting, phone, clock)
    clock.nextStep()
    await acting.post('/two-factor/disable', { code: phone.code() })
    expect((await alices.get('/account')).status).toBe(401)
  })

  test('is no code: neither new backup codes nor another phone nor disabling', async () => {
    const { app, secondFactor } = await skipping()
    const alice = new Client(app)
    await login(alice, 'alice')
    const answers = [
      (await alice.post('/two-factor/backup-codes', {})).body.code,
      (await alice.post('/two-factor/replace', {}, '/two-factor')).body.code,
      (await alice.post('/two-factor/disable', {}, '/two-factor')).body.code,
    ]
    expect(answers).toEqual(['step_up_required', 'step_up_required', 'malformed'])
    expect((await secondFactor.status('u-alice')).enabled).toBe(true)
  })

  test('may enable a second factor, and has proven it then', async () => {
    const { app, clock } = await skipping()
    const bob = new Client(app)
    await login(bob, 'bob')
    expect((await bob.get('/two-factor')).body).toMatchObject({ state: 'verified', enabled: false })
    const { body } = await bob.post('/two-factor/enable', {}, '/two-factor')
    const code = new Authenticator(body.secret, clock.now).code()
    expect((await bob.post('/two-factor/enable/confirm', { code }, '/two-factor')).status).toBe(200)
    expect((await bob.get('/factor')).body.method).toBe('totp')
    expect((await bob.get('/transfer')).status).toBe(200)
  })

  test('holds no policy: whoever is asked elsewhere need not enrol here', async () => {
    const { app } = await skipping({ secondFactor: { policy: () => 'required' } })
    const bob = new Client(app)
    expect((await login(bob, 'bob')).headers.location).toBe('/account')
    expect((await bob.get('/account')).status).toBe(200)
    expect((await login(new Client(app), 'bob', {})).body.code).toBe('enrolment_required')
  })

  test('a session that was there before the plugin is looked at as its login would have been', async () => {
    const sessionStore = new session.MemoryStore()
    const { app, secondFactor } = await skipping({ sessionStore })
    const told: unknown[] = []
    secondFactor.events.on('verified', (event) => told.push(event))
    const plain = createPlainApp(sessionStore)
    const oldSession = async (username: string) => {
      const old = new Client(plain)
      await old.login(username)
      const client = new Client(app)
      client.cookies = old.cookies
      return client
    }
    for (const username of ['alice', 'bob']) {
      const skipped = await oldSession(username)
      // What several requests find out at once is told once.
      for (const { body } of await Promise.all([1, 2, 3].map(() => skipped.get('/factor', SSO))))
        expect(body).toMatchObject({ method: 'single-sign-on' })
      expect((await skipped.get('/vault')).status).toBe(200)
    }
    expect(told).toEqual([
      expect.objectContaining({ accountId: 'u-alice', method: 'single-sign-on', purpose: 'login' }),
      expect.objectContaining({ accountId: 'u-bob', method: 'single-sign-on', purpose: 'login' }),
    ])
    expect((await (await oldSession('alice')).get('/vault')).body.code).toBe('second_factor_required')
    expect((await (await oldSession('bob')).get('/factor')).body.state).toBe('unenrolled')
  })
})

describe('what is not true is no skip', () => {
  const values: unknown[] = ['yes', 1, {}, [], 'true', 'false', undefined, null, false, 0, '']
  test.each([...values, Promise.resolve('yes'), Promise.resolve(1)])('%p', async (value) => {
    const { app } = await skipping({ secondFactor: { skip: () => value as boolean } })
    const alice = new Client(app)
    expect((await alice.login()).body.code).toBe('second_factor_required')
    const bob = new Client(app)
    await bob.login('bob')
    expect((await bob.get('/factor')).body.state).toBe('unenrolled')
  })

  test.each<[string, () => never]>([
    [
      'an error',
      () => {
        throw new Error('the provider is away')
      },
    ],
    ['a rejection', () => Promise.reject(new Error('the provider is away')) as never],
  ])('%s: nobody is let in', async (_what, throwing) => {
    const { app } = await skipping({
      secondFactor: { skip: throwing },
      routes: (host) => {
        host.set('env', 'test')
      },
    })
    for (const username of ['alice', 'bob']) {
      const client = new Client(app)
      expect((await client.login(username)).status).toBe(500)
      expect((await client.get('/account')).status).toBe(401)
      expect((await client.get('/vault')).status).not.toBe(200)
    }
  })

  test('true itself, also when it comes late', async () => {
    const { app } = await skipping({ secondFactor: { skip: async () => true } })
    expect((await new Client(app).login()).headers.location).toBe('/account')
  })
})

describe('half a login', () => {
  test.each(['/login', '/login-keep'])(
    'is not made whole by a login of somebody else by %s',
    async (path) => {
      const { app, sessionStore } = await skipping()
      const client = new Client(app)
      await login(client, 'alice', {})
      const stolen = client.copy()
      await login(client, 'bob', SSO, path)
      expect((await client.get('/account')).body.user.id).toBe('u-bob')
      expect(JSON.stringify(await all(sessionStore))).not.toContain('u-alice')
      expect((await stolen.get('/account', SSO)).status).toBe(401)
      expect((await stolen.get('/factor', SSO)).body.state).toBe('anonymous')
    },
  )

  test('is not made whole by a request that would be skipped', async () => {
    const { app } = await skipping()
    const client = new Client(app)
    await login(client, 'alice', {})
    for (const path of ['/account', '/vault', '/two-factor', '/two-factor/devices']) {
      expect((await client.get(path, SSO)).status).not.toBe(200)
    }
    expect((await client.get('/factor', SSO)).body.state).toBe('pending')
  })

  test('that must enrol is none of them either', async () => {
    const { app } = await skipping({ secondFactor: { policy: () => 'required' } })
    const client = new Client(app)
    await login(client, 'bob', {})
    expect((await client.get('/factor', SSO)).body.state).toBe('must-enrol')
    expect((await client.get('/account', SSO)).status).toBe(401)
  })

  test('of a whole session that lost its proof is not skipped by its next request', async () => {
    const { app, phone, clock, secondFactor } = await skipping()
    const client = new Client(app)
    await signIn(client, phone, clock)
    await secondFactor.revokeSessions('u-alice')
    expect((await client.get('/factor', SSO)).body.state).toBe('pending')
    expect((await client.get('/vault', SSO)).body.code).toBe('second_factor_required')
  })
})

test('without the option a method of single sign-on is nothing that a session could ask for', async () => {
  const { app } = createTestApp()
  const client = new Client(app)
  await login(client, 'bob')
  expect((await client.get('/account')).body.state).toBe('unenrolled')
})
