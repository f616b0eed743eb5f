import type { ErrorRequestHandler, Express, RequestHandler } from 'express'
import { BackupCodeStrategy, type SecondFactor, TotpStrategy } from 'express-second-factor'
import { Passport } from 'passport'
import { createTestApp, expresses, hostPassport, PASSWORD, type TestAppOptions, users } from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { dump, FaultyStore } from '../support/faulty-store'
import { HeldRequests, signOut, signOutElsewhere } from '../support/held-requests'
import { read, sessionIdOf } from '../support/sessions'

/** The host's own routes: nothing but strategies. */
function strategyRoutes(app: Express, secondFactor: SecondFactor): void {
  hostPassport.use(new TotpStrategy(secondFactor))
  hostPassport.use(new BackupCodeStrategy(secondFactor))
  hostPassport.use('totp-pin', new TotpStrategy(secondFactor, { codeField: 'pin' }))
  const authenticate = hostPassport.authenticate.bind(hostPassport)
  const redirects = { successRedirect: '/inside', failureRedirect: '/my-2fa?failed' }
  const done: RequestHandler = (req, res) => {
    res.json({ user: req.user, info: req.authInfo })
  }

  app.post('/my-2fa', authenticate('totp', redirects))
  app.post('/my-backup', authenticate('backup-code', redirects))
  app.post('/either', authenticate(['totp', 'backup-code']), done)
  app.post('/totp', authenticate('totp'), done)
  app.post('/backup', authenticate('backup-code'), done)
  app.post('/pin', authenticate('totp-pin'), done)
  app.post('/return', authenticate('totp', { successReturnToOrRedirect: '/inside' }))
  app.post('/no-session', authenticate('totp', { session: false }), done)
  // A token in a header, as it were: somebody else for this request.
  app.post('/as-bob', (req, _res, next) => {
    req.user = users.bob as Express.User
    next()
  })
  app.post('/as-bob', authenticate(['totp', 'backup-code']), done)
  app.post('/callback', (req, res, next) => {
    authenticate('totp', (error: unknown, user: Express.User | false, info: unknown, status: unknown) => {
      if (error) return next(error)
      if (!user) return res.status(200).json({ refused: info, status: status ?? null })
      req.logIn(user, (failed) => (failed ? next(failed) : res.json({ user: req.user, info })))
    })(req, res, next)
  })
  app.post('/callback-without-login', (req, res, next) => {
    authenticate('totp', (error: unknown, user: Express.User | false) => {
      if (error) return next(error)
      res.json({ proven: Boolean(user) })
    })(req, res, next)
  })
  app.post('/callback-other-user', (req, res, next) => {
    authenticate('totp', (error: unknown, user: Express.User | false) => {
      if (error || !user) return next(error ?? new Error('refused'))
      const bob = { id: 'u-bob', email: 'bob@example.com' }
      req.logIn(bob as Express.User, (failed) => (failed ? next(failed) : res.sendStatus(204)))
    })(req, res, next)
  })
  app.post('/cart', (req, res) => {
    Object.assign(req.session, { cart: ['book'] })
    res.sendStatus(204)
  })
  app.get('/cart', (req, res) => {
    res.json((req.session as unknown as { cart?: unknown }).cart ?? null)
  })
  app.use(((error, _req, res, _next) => {
    res.status(error.status ?? 500).json({ error: error.name, code: error.code })
  }) as ErrorRequestHandler)
}

const enrolled = (options: TestAppOptions = {}) => createEnrolledApp({ routes: strategyRoutes, ...options })

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test('totp: verified afterwards, the session’s contents are kept', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    await client.send('POST', '/cart')
    const before = sessionIdOf(client)
    clock.nextStep()
    const answer = await client.send('POST', '/my-2fa', { code: phone.code() })
    expect([answer.status, answer.headers.location]).toEqual([302, '/inside'])
    expect(sessionIdOf(client)).not.toBe(before)
    expect((await client.get('/vault')).body).toEqual({ vault: 'u-alice' })
    expect((await client.get('/transfer')).status).toBe(200)
    expect((await client.get('/cart')).body).toEqual(['book'])
    expect((await client.get('/account')).body).toEqual({
      user: { id: 'u-alice', email: 'alice@example.com' },
      state: 'verified',
    })
  })

  test('backup-code: verified afterwards, and the code is used up', async () => {
    const { app, backupCodes, secondFactor } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    const answer = await client.send('POST', '/my-backup', { code: backupCodes[0]?.toLowerCase() })
    expect([answer.status, answer.headers.location]).toEqual([302, '/inside'])
    expect((await client.get('/vault')).status).toBe(200)
    expect((await secondFactor.status('u-alice')).backupCodes.remaining).toBe(4)
    const other = new Client(app)
    await other.login()
    expect((await other.send('POST', '/my-backup', { code: backupCodes[0] })).headers.location).toBe(
      '/my-2fa?failed',
    )
    expect((await other.get('/vault')).status).toBe(403)
  })

  test('by a form', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const person = new Client(app, 'person')
    await person.login()
    clock.nextStep()
    const code = phone.code()
    await person.send('POST', '/my-2fa', { code: `${code.slice(0, 3)} ${code.slice(3)}` })
    expect((await person.get('/vault')).status).toBe(200)
  })

  test('either of them on one route', async () => {
    const { app, phone, clock, backupCodes } = await enrolled({ express })
    for (const code of [() => phone.code(), () => backupCodes[0]]) {
      const client = new Client(app)
      await client.login()
      clock.nextStep()
      const answer = await client.send('POST', '/either', { code: code() })
      expect(answer.body.user).toEqual({ id: 'u-alice', email: 'alice@example.com' })
      expect((await client.get('/vault')).status).toBe(200)
    }
  })

  test('either of them refused: the status is that of the code’s own kind', async () => {
    const { app, phone, backupCodes, clock } = await enrolled({ express })
    const used = backupCodes[0]
    await signIn(new Client(app), phone, clock)
    const first = new Client(app)
    await first.login()
    expect((await first.challenge(used)).status).toBe(200)
    const client = new Client(app)
    await client.login()
    expect((await client.send('POST', '/either', { code: 'nonsense' })).status).toBe(400)
    for (let failure = 0; failure < 5; failure++) {
      expect((await client.send('POST', '/either', { code: phone.wrongCode() })).status).toBe(401)
      expect((await client.send('POST', '/either', { code: used })).status).toBe(401)
    }
    expect((await client.send('POST', '/either', { code: phone.code() })).status).toBe(429)
    expect((await client.send('POST', '/either', { code: backupCodes[1] })).status).toBe(429)
    expect((await client.get('/vault')).status).toBe(403)
  })

  test('a code of the other kind is not accepted, and not counted', async () => {
    const store = new FaultyStore()
    const { app, phone, clock, backupCodes } = await enrolled({ express, store })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    const before = await dump(store)
    expect((await client.send('POST', '/totp', { code: backupCodes[0] })).status).toBe(401)
    expect((await client.send('POST', '/backup', { code: phone.code() })).status).toBe(401)
    expect((await client.send('POST', '/callback', { code: backupCodes[0] })).body.refused.code).toBe(
      'invalid_code',
    )
    expect(await dump(store)).toBe(before)
    expect((await client.send('POST', '/backup', { code: backupCodes[0] })).status).toBe(200)
  })

  test('info says how it was proven', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.send('POST', '/totp', { code: phone.code() })).body.info).toEqual({
      method: 'totp',
      backupCodesRemaining: 5,
    })
  })

  test('the field has the name that the option says', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.send('POST', '/pin', { code: phone.code() })).status).toBe(400)
    expect((await client.send('POST', '/pin', { pin: phone.code() })).status).toBe(200)
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('a custom callback: proven, and refused with the reason', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    const wrong = await client.send('POST', '/callback', { code: phone.wrongCode() })
    expect(wrong.body).toEqual({
      refused: { code: 'invalid_code', message: 'The code was not accepted' },
      status: 401,
    })
    const right = await client.send('POST', '/callback', { code: phone.code() })
    expect(right.body).toMatchObject({ user: { id: 'u-alice' }, info: { method: 'totp' } })
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('a callback that logs nobody in leaves the session as it was', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.send('POST', '/callback-without-login', { code: phone.code() })).body).toEqual({
      proven: true,
    })
    expect((await client.get('/account')).body).toEqual({ state: 'pending' })
    // The proof was that request's: a later login does not find it.
    expect((await client.login()).status).toBe(403)
    expect((await client.send('POST', '/callback', { code: phone.code() })).body.status).toBe(401)
  })

  test('a callback that logs another user in proves nothing for that one', async () => {
    const { app, store, phone, clock } = await enrolled({ express })
    await putEnrolled(store, clock, 'bob')
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.send('POST', '/callback-other-user', { code: phone.code() })).status).toBe(403)
    expect((await client.get('/account')).body).toEqual({ state: 'pending' })
    expect((await client.get('/vault')).status).toBe(403)
  })

  test('without a session the session stays pending', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.send('POST', '/no-session', { code: phone.code() })).status).toBe(200)
    expect((await client.get('/account')).body).toEqual({ state: 'pending' })
  })

  test('who was on the way somewhere arrives there', async () => {
    const { app, sessionStore, phone, clock } = await enrolled({ express })
    const person = new Client(app, 'person')
    await person.login()
    await person.get('/vault?x=1')
    clock.nextStep()
    const answer = await person.send('POST', '/return', { code: phone.code() })
    expect(answer.headers.location).toBe('/vault?x=1')
    clock.nextStep()
    // A login that leads elsewhere leaves nothing behind for a later one.
    const other = new Client(app, 'person')
    await other.login()
    await other.get('/vault?y=2')
    clock.nextStep()
    expect((await other.send('POST', '/my-2fa', { code: phone.code() })).headers.location).toBe('/inside')
    expect(await read(sessionStore, sessionIdOf(other))).not.toHaveProperty('returnTo')
    clock.nextStep()
    // And once only.
    const again = await person.send('POST', '/return', { code: phone.code() })
    expect(again.headers.location).toBe('/inside')
  })

  test('wrong, used and expired codes are one answer', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    await signIn(new Client(app), phone, clock)
    const answers = []
    for (const code of [phone.wrongCode(), phone.code(), phone.code(-3)]) {
      const answer = await client.send('POST', '/totp', { code })
      answers.push([answer.status, answer.text])
      expect((await client.send('POST', '/my-2fa', { code })).headers.location).toBe('/my-2fa?failed')
      await client.challenge(phone.wrongCode())
      clock.forward(3600)
      client.cookies.clear()
      await signIn(new Client(app), phone, clock)
      await client.login()
    }
    expect(answers).toEqual([
      [401, 'Unauthorized'],
      [401, 'Unauthorized'],
      [401, 'Unauthorized'],
    ])
  })

  test.each([
    ['nothing', {}],
    ['a number', { code: 123456 }],
    ['null', { code: null }],
    ['a list', { code: ['123456'] }],
    ['an object', { code: { $gt: '' } }],
    ['five digits', { code: '12345' }],
    ['seven digits', { code: '1234567' }],
    ['a fullwidth digit', { code: '12345６' }],
    ['a very long text', { code: '1'.repeat(10_000) }],
    ['a code of the prototype', JSON.parse('{"__proto__": {"code": "123456"}}')],
  ])('%s is malformed and not counted', async (_what, body) => {
    const store = new FaultyStore()
    const { app, phone, clock } = await enrolled({ express, store })
    const client = new Client(app)
    await client.login()
    const before = await dump(store)
    for (const path of ['/totp', '/backup', '/either']) {
      expect([path, (await client.send('POST', path, body)).status]).toEqual([path, 400])
    }
    expect((await client.send('POST', '/callback', body)).body).toMatchObject({
      refused: { code: 'malformed' },
      status: 400,
    })
    expect(await dump(store)).toBe(before)
    clock.nextStep()
    expect((await client.send('POST', '/totp', { code: phone.code() })).status).toBe(200)
  })

  test('a code in the query is ignored', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.send('POST', `/totp?code=${phone.code()}`, {})).status).toBe(400)
    expect((await client.send('POST', `/totp?code=${phone.code()}`)).status).toBe(400)
    expect((await client.get('/vault')).status).toBe(403)
    expect((await client.send('POST', '/totp', { code: phone.code() })).status).toBe(200)
  })

  test('locked: the right code too, with the moment; the other kind still works', async () => {
    const { app, phone, clock, backupCodes } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    for (let failure = 0; failure < 5; failure++) {
      expect((await client.send('POST', '/totp', { code: phone.wrongCode() })).status).toBe(401)
    }
    const until = new Date(clock.time + 30_000).toISOString()
    for (const code of [phone.code(), phone.wrongCode()]) {
      expect((await client.send('POST', '/totp', { code })).status).toBe(429)
      expect((await client.send('POST', '/callback', { code })).body).toEqual({
        refused: { code: 'locked', message: expect.any(String), lockedUntil: until },
        status: 429,
      })
    }
    // The pages share the count.
    expect((await client.challenge(phone.code())).status).toBe(429)
    expect((await client.send('POST', '/backup', { code: backupCodes[0] })).status).toBe(200)
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('nobody is logged in: 401, and nothing is counted', async () => {
    const store = new FaultyStore()
    const { app, phone, clock } = await enrolled({ express, store })
    clock.nextStep()
    const before = await dump(store)
    const client = new Client(app)
    expect((await client.send('POST', '/totp', { code: phone.code() })).status).toBe(401)
    expect((await client.send('POST', '/callback', { code: phone.code() })).body).toMatchObject({
      refused: { code: 'not_authenticated' },
      status: 401,
    })
    expect((await client.send('POST', '/my-2fa', { code: phone.code() })).headers.location).toBe(
      '/my-2fa?failed',
    )
    expect((await client.get('/account')).status).toBe(401)
    expect(await dump(store)).toBe(before)
  })

  test('an expired half of a login is nobody', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    clock.forward(600)
    expect((await client.send('POST', '/callback', { code: phone.code() })).body.refused.code).toBe(
      'not_authenticated',
    )
    expect((await client.get('/account')).body).toEqual({ state: 'anonymous' })
  })

  test('no second factor: 409', async () => {
    const { app } = await enrolled({ express })
    const client = new Client(app)
    await client.login('bob')
    expect((await client.send('POST', '/totp', { code: '123456' })).status).toBe(409)
    expect((await client.send('POST', '/callback', { code: '123456' })).body.refused.code).toBe('not_enabled')
    expect((await client.get('/account')).body.state).toBe('unenrolled')
  })

  test('must enrol first: 403', async () => {
    const { app } = await enrolled({ express, secondFactor: { policy: () => 'required' } })
    const client = new Client(app)
    await client.login('bob')
    expect((await client.send('POST', '/totp', { code: '123456' })).status).toBe(403)
    expect((await client.send('POST', '/callback', { code: '123456' })).body.refused.code).toBe(
      'enrolment_required',
    )
    expect((await client.get('/account')).body).toEqual({ state: 'must-enrol' })
  })

  test.each(['get rejects', 'compareAndSet rejects', 'the record was altered'] as const)(
    '%s: an error with status 503, never a refusal',
    async (fault) => {
      const store = new FaultyStore()
      const { app, phone, clock } = await enrolled({ express, store, secondFactor: { revalidateAfter: 0 } })
      const pending = new Client(app)
      const verified = new Client(app)
      await signIn(verified, phone, clock)
      await pending.login()
      clock.nextStep()
      store.fault = fault
      for (const client of [pending, verified]) {
        for (const path of ['/my-2fa', '/totp', '/either', '/callback']) {
          const answer = await client.send('POST', path, { code: phone.code() })
          expect([path, answer.status, answer.body]).toEqual([
            path,
            503,
            { error: 'UnavailableError', code: 'unavailable' },
          ])
        }
      }
      store.fault = null
      expect((await pending.send('POST', '/totp', { code: phone.code() })).status).toBe(200)
    },
  )

  test('step-up: the proof is fresh again', async () => {
    const { app, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await signIn(client, phone, clock)
    await client.send('POST', '/cart')
    clock.forward(301)
    expect((await client.get('/transfer')).body.code).toBe('step_up_required')
    const before = sessionIdOf(client)
    expect((await client.send('POST', '/totp', { code: phone.wrongCode() })).status).toBe(401)
    expect((await client.get('/transfer')).body.code).toBe('step_up_required')
    expect((await client.send('POST', '/totp', { code: phone.code() })).status).toBe(200)
    expect((await client.get('/transfer')).status).toBe(200)
    expect((await client.get('/cart')).body).toEqual(['book'])
    expect(sessionIdOf(client)).not.toBe(before)
  })

  test('a code proves the session’s own user and nobody else', async () => {
    const { app, store, phone, clock } = await enrolled({ express })
    const bobs = await putEnrolled(store, clock, 'bob')
    const client = new Client(app)
    await client.login('bob')
    clock.nextStep()
    expect(
      (await client.send('POST', '/totp', { code: phone.code(), username: 'alice', id: 'u-alice' })).status,
    ).toBe(401)
    expect((await client.get('/vault')).status).toBe(403)
    expect((await client.send('POST', '/totp', { code: bobs.phone.code() })).body.user.id).toBe('u-bob')
    expect((await client.get('/vault')).body).toEqual({ vault: 'u-bob' })
  })

  test('a user of this request alone is not logged in by the code of the session’s', async () => {
    const store = new FaultyStore()
    const { app, phone, backupCodes, clock } = await enrolled({ express, store })
    const client = new Client(app)
    await signIn(client, phone, clock)
    clock.nextStep()
    const before = await dump(store)
    for (const code of [phone.code(), backupCodes[0]]) {
      expect((await client.send('POST', '/as-bob', { code })).status).toBe(401)
      expect((await client.get('/account')).body).toEqual({ user: users.alice, state: 'verified' })
    }
    expect(await dump(store)).toBe(before)
    expect((await client.send('POST', '/totp', { code: phone.code() })).body.user).toEqual(users.alice)
  })

  describe('a code whose request was held back is not spent on a login that ended meanwhile', () => {
    async function holding() {
      const requests = new HeldRequests()
      const store = new FaultyStore()
      const between: TestAppOptions['between'] = (app) => app.use(requests.middleware)
      const made = await enrolled({ express, store, between })
      const client = new Client(made.app)
      await client.login()
      made.clock.nextStep()
      /** Ends the half login while a code is on its way, by itself; and tries the code in a new one. */
      const held = async (meanwhile: () => Promise<unknown> | unknown, code = made.phone.code()) => {
        const before = await dump(store)
        const answer = await requests.during(meanwhile, client.copy(), 'POST', '/callback', { code })
        expect(answer.body).toMatchObject({ refused: { code: 'not_authenticated' }, status: 401 })
        expect(await dump(store)).toBe(before)
        expect((await client.get('/vault')).status).toBe(401)
        return async () => {
          await client.login()
          return (await client.send('POST', '/totp', { code })).status
        }
      }
      return { ...made, client, held }
    }

    test('signed out here', async () => {
      const { client, held } = await holding()
      const again = await held(() => signOut(client))
      expect(await again()).toBe(200)
    })

    test('signed out by another process, more than a second after the request began', async () => {
      const { client, sessionStore, held } = await holding()
      const { now } = performance
      try {
        const again = await held(async () => {
          await signOutElsewhere(sessionStore, client)
          jest.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 1001)
        })
        expect(await again()).toBe(200)
      } finally {
        jest.restoreAllMocks()
      }
    })

    test('held until its ten minutes are over', async () => {
      const { clock, phone, held } = await holding()
      const again = await held(() => clock.forward(600), phone.code(600 / 30))
      expect(await again()).toBe(200)
    })
  })

  test('a session that was revoked meanwhile is nobody, and the code is not spent', async () => {
    const { app, secondFactor, phone, clock } = await enrolled({ express })
    const client = new Client(app)
    await client.login()
    await secondFactor.revokeSessions('u-alice')
    clock.nextStep()
    expect((await client.send('POST', '/callback', { code: phone.code() })).body.refused.code).toBe(
      'not_authenticated',
    )
    const other = new Client(app)
    await other.login()
    expect((await other.send('POST', '/totp', { code: phone.code() })).status).toBe(200)
  })
})

test('the user that the host has deleted meanwhile does not come back', async () => {
  const { app, phone, clock } = await enrolled({
    secondFactor: {
      passport: {
        deserializeUser: (_id: unknown, _req: unknown, done: (error: unknown, user: unknown) => void) =>
          done(null, false),
      } as never,
    },
  })
  const client = new Client(app)
  await client.login()
  clock.nextStep()
  expect((await client.send('POST', '/totp', { code: phone.code() })).status).toBe(401)
  expect((await client.get('/account')).body).toEqual({ state: 'pending' })
})

test('where the middleware is missing it is an error, not a refusal', async () => {
  const { secondFactor } = await enrolled()
  const app = expresses['Express 5']()
  const strategies = new Passport()
  strategies.use(new TotpStrategy(secondFactor))
  app.post('/totp', strategies.authenticate('totp'))
  app.use(((error, _req, res, _next) => {
    res.status(500).json({ code: error.code })
  }) as ErrorRequestHandler)
  expect((await new Client(app).send('POST', '/totp', { code: '123456' })).body).toEqual({
    code: 'SF_SESSION_MISSING',
  })
})

test('a strategy takes what createSecondFactor returned, and nothing else', () => {
  expect(() => new TotpStrategy({} as never)).toThrow(/SF_STRATEGY/)
  expect(() => new BackupCodeStrategy(undefined as never)).toThrow(/SF_STRATEGY/)
})

test('an account enrolled by the pages uses the strategies, and the other way round', async () => {
  const { app, clock } = createTestApp({ routes: strategyRoutes })
  const { authenticator } = await enrol(new Client(app), clock.now)
  const client = new Client(app)
  await client.send('POST', '/login', { username: 'alice', password: PASSWORD })
  clock.nextStep()
  expect((await client.send('POST', '/totp', { code: authenticator.code() })).status).toBe(200)
  clock.nextStep()
  expect((await client.post('/two-factor/disable', { code: authenticator.code() })).status).toBe(200)
})
