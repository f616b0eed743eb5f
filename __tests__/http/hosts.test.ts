import { EventEmitter, once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import express from 'express'
import { createSecondFactor, MemoryStore, type SecondFactor, TotpStrategy } from 'express-second-factor'
import session from 'express-session'
import { Passport } from 'passport'
import {
  createTestApp,
  expresses,
  hostPassport,
  KEY,
  PASSWORD,
  type TestAppOptions,
  type User,
  users,
} from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { createPlainApp } from '../support/sessions'

/** What hosts do around the plugin, rightly and wrongly. */
const expressUser = (name: string) => users[name] as unknown as Express.User

describe("a gate asks whose proof the session's is", () => {
  test.each<[string, (req: express.Request, next: express.NextFunction) => void]>([
    ['a login without session', (req, next) => req.login(expressUser('bob'), { session: false }, next)],
    [
      'a user put there by hand',
      (req, next) => {
        req.user = expressUser('bob')
        next()
      },
    ],
  ])('%s does not pass with it', async (_what, become) => {
    const { app, clock } = createTestApp({
      routes: (app, secondFactor) => {
        const asBob: express.RequestHandler = (req, _res, next) => become(req, next)
        app.get('/api', asBob, secondFactor.requireSecondFactor(), (req, res) => {
          res.json(req.user)
        })
      },
    })
    const client = new Client(app)
    await enrol(client, clock.now)
    expect((await client.get('/vault')).status).toBe(200)
    const other = await client.get('/api')
    expect([other.status, other.body.code]).toEqual([401, 'not_authenticated'])
  })

  test('and nothing that is written to req.secondFactor opens it', async () => {
    const { app } = createTestApp({
      routes: (app, secondFactor) => {
        app.use((req, _res, next) => {
          try {
            Object.assign(req.secondFactor as object, { state: 'verified', verifiedAt: new Date() })
          } catch {
            // frozen
          }
          next()
        })
        app.get('/gated', secondFactor.requireSecondFactor(), (_req, res) => {
          res.send('open')
        })
      },
    })
    const client = new Client(app)
    await client.login()
    expect((await client.get('/gated')).body.code).toBe('enrolment_required')
    expect((await client.get('/account')).body.state).toBe('unenrolled')
  })
})

describe('what cannot be safe is refused', () => {
  const make = (options: object = {}) =>
    createSecondFactor<User>({
      issuer: 'Acme',
      account: ({ id }) => ({ id }),
      keys: [KEY],
      store: new MemoryStore(),
      ...options,
    })

  function answering(mount: (app: express.Express) => void) {
    const app = express()
    mount(app)
    app.get('/', (_req, res) => {
      res.send('reached')
    })
    app.use(((error, _req, res, _next) =>
      res.status(500).json({ code: error.code, message: error.message })) as express.ErrorRequestHandler)
    return new Client(app).get('/')
  }

  const sessions = () => session({ secret: 'test', resave: false, saveUninitialized: false })

  test('the middleware before the session', async () => {
    const { body } = await answering((app) => app.use(make().session(), sessions(), hostPassport.session()))
    expect(body.code).toBe('SF_ORDER')
  })

  test.each<[string, object]>([
    ['no session', { logIn() {} }],
    ['no Passport', { session: {} }],
    [
      'a user in the session whom Passport has not read yet',
      { logIn() {}, session: { passport: { user: 0 } } },
    ],
  ])('a request with %s', async (_what, parts) => {
    const { body } = await answering((app) => {
      app.use((req, _res, next) => {
        Object.assign(req, parts)
        next()
      })
      app.use(make().session())
    })
    expect(body.code).toBe('SF_ORDER')
    expect(body.message).toMatch(
      /^Mount secondFactor\.session\(\) after passport\.session\(\): app\.use\(session.*app\.use\(secondFactor\.session\(\)\)/,
    )
  })

  test('two instances for one request', async () => {
    const { body } = await answering((app) =>
      app.use(
        sessions(),
        hostPassport.session(),
        make().session(),
        make({ policy: () => 'required' }).session(),
      ),
    )
    expect(body.code).toBe('SF_TWO_INSTANCES')
  })

  test('the same instance twice is once', async () => {
    const secondFactor = make()
    const { text } = await answering((app) =>
      app.use(sessions(), hostPassport.session(), secondFactor.session(), secondFactor.session()),
    )
    expect(text).toBe('reached')
  })

  test('a gate without the middleware', async () => {
    const { body } = await answering((app) => app.use(make().requireSecondFactor()))
    expect(body.code).toBe('SF_SESSION_MISSING')
  })

  test('the router at another path than the option says', async () => {
    const secondFactor = make({ path: '/2fa' })
    const { body } = await answering((app) =>
      app.use(sessions(), hostPassport.session(), secondFactor.session()).use('/', secondFactor.router()),
    )
    expect(body.code).toBe('SF_ROUTER_PATH')
  })

  test.each([undefined, null, '', {}, Number.NaN])('an account id of %p in the calls', async (id) => {
    const secondFactor = make()
    for (const call of ['status', 'revokeSessions', 'forget'] as const) {
      await expect((async () => secondFactor[call](id as string))()).rejects.toThrow('SF_ACCOUNT_ID')
    }
  })

  test.each<[string, unknown]>([
    ['false', false],
    ['undefined', undefined],
    ['a promise of false', Promise.resolve(false)],
    ['something truthy', 'yes'],
  ])("a host's check of request forgery that answers %s", async (_what, answer) => {
    const { app } = createTestApp({
      secondFactor: { csrf: { token: () => 'host-token', verify: () => answer as boolean } },
    })
    const client = new Client(app)
    await client.login()
    expect((await client.post('/two-factor/enable', {}, '/two-factor')).body.code).toBe('csrf')
  })
})

test('what the host calls next may fail after the account was asked for: an error, and no crash', async () => {
  const { app, secondFactor } = createTestApp({
    before: (app) =>
      app.get('/called', (req, res, next) =>
        secondFactor.session()(req, res, (error?: unknown) => {
          if (error) return next(error)
          throw new Error('of the host')
        }),
      ),
    routes: (app) =>
      app.use(((error, _req, res, _next) =>
        res.status(500).json({ told: error.message })) as express.ErrorRequestHandler),
  })
  const client = new Client(app)
  await client.login('bob')
  const { status, body } = await client.get('/called')
  expect([status, body]).toEqual([500, { told: 'of the host' }])
})

describe('another Passport than the one that the app logs in with', () => {
  const failures = (host: express.Express, told: unknown[]) =>
    host.use(((error, _req, res, _next) => {
      told.push(error)
      res.sendStatus(500)
    }) as express.ErrorRequestHandler)

  test('as the option: told in words that help, at the first code', async () => {
    const told: unknown[] = []
    const { app, phone, clock } = await createEnrolledApp({
      secondFactor: { passport: new Passport() as unknown as typeof hostPassport, onVerified: () => {} },
      routes: (host) => failures(host, told),
    })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.challenge(phone.code())).status).toBe(500)
    expect(told).toEqual([
      expect.objectContaining({
        code: 'SF_PASSPORT',
        message: expect.stringContaining('Give your own Passport as option passport'),
      }),
    ])
    expect((await client.get('/account')).body).toEqual({ state: 'pending' })
  })

  test('what its own deserializer says is handed on as it is', async () => {
    const told: unknown[] = []
    const passport = new Passport()
    passport.deserializeUser((_id, done) => done(new Error('the user table is away')))
    const { app, phone, clock } = await createEnrolledApp({
      secondFactor: { passport: passport as unknown as typeof hostPassport, onVerified: () => {} },
      routes: (host) => failures(host, told),
    })
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect((await client.challenge(phone.code())).status).toBe(500)
    expect(told).toEqual([new Error('the user table is away')])
  })

  test('for a login that was begun by the one before: nobody is let in', async () => {
    const told: unknown[] = []
    let key: string | null = null
    const { app, phone, clock } = await createEnrolledApp({
      between: (host) => {
        host.use((req, _res, next) => {
          if (key !== null) Object.assign(req, { _sessionManager: { _key: key } })
          next()
        })
      },
      routes: (host) => failures(host, told),
    })
    const client = new Client(app)
    await client.login()
    key = 'another'
    clock.nextStep()
    expect((await client.challenge(phone.code())).status).toBe(500)
    expect(told).toEqual([
      expect.objectContaining({
        code: 'SF_PASSPORT',
        message: expect.stringContaining('begun by another Passport than the one mounted last'),
      }),
    ])
    key = null
    expect((await client.get('/account')).body).toEqual({ state: 'pending' })
  })
})

describe("the first request of a session from before the plugin, where the host's own check has let a form in", () => {
  const csrf = { token: () => 'host-token', verify: 'before' as const }

  async function firstRequest(body: object, options: TestAppOptions['secondFactor'] = {}) {
    const sessionStore = new session.MemoryStore()
    const old = new Client(createPlainApp(sessionStore))
    await old.login('bob')
    const client = new Client(createTestApp({ sessionStore, secondFactor: { csrf, ...options } }).app)
    client.cookies = old.cookies
    const answer = await client.send('POST', '/two-factor/enable', { ...body })
    return { answer, account: (await client.get('/account')).body }
  }

  test.each<[string, object, number, string | undefined]>([
    ['without the password', {}, 403, 'password_required'],
    ['with it', { password: PASSWORD }, 201, undefined],
  ])('enabling %s: as usual, and not signed out', async (_what, body, status, code) => {
    const { answer, account } = await firstRequest(body)
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(account).toEqual({ user: users.bob, state: 'unenrolled' })
  })

  test('by a provider that has asked for a second factor, too', async () => {
    const { answer, account } = await firstRequest({ password: PASSWORD }, { skip: () => true })
    expect([answer.status, answer.body.code]).toEqual([201, undefined])
    expect(account).toEqual({ user: users.bob, state: 'verified' })
  })

  test('who must enrol may', async () => {
    const { answer, account } = await firstRequest({ password: PASSWORD }, { policy: () => 'required' })
    expect([answer.status, answer.body.code]).toEqual([201, undefined])
    expect(account).toEqual({ state: 'must-enrol' })
  })
})

describe('what is no option is said', () => {
  const gate = (argument: unknown) => createTestApp().secondFactor.requireSecondFactor(argument as object)

  test.each(['5m', 300, null, { maxage: '5m' }, { maxAge: '5m', methods: [] }])(
    'a gate made with %p',
    (argument) => {
      expect(() => gate(argument)).toThrow('SF_REQUIREMENT')
    },
  )

  test.each<[string, object]>([
    ['SF_OPTIONS', { returnTO: '/' }],
    ['SF_CSRF', { csrf: true }],
    ['SF_CSRF', { csrf: {} }],
    ['SF_CSRF', { csrf: { token: () => 'x' } }],
    ['SF_CSP', { contentSecurityPolicy: { 'img-src': 'https://cdn.example.com' } }],
    ['SF_CSP', { contentSecurityPolicy: { 'img-src; script-src': ['*'] } }],
    ['SF_CSP', { contentSecurityPolicy: { 'img-src': ["https://a.example; script-src 'unsafe-inline'"] } }],
    ['SF_CSP', { stylesheets: '/a.css' }],
  ])('%s', (code, options) => {
    expect(() => createTestApp({ secondFactor: options })).toThrow(code)
  })

  test('a middleware that was not called', () => {
    const { secondFactor } = createTestApp()
    const asMiddleware = secondFactor.session as unknown as express.RequestHandler
    expect(() => asMiddleware({} as never, {} as never, () => {})).toThrow('SF_NOT_CALLED')
  })

  test("helmet's way to write a directive is understood", async () => {
    const { app } = createTestApp({
      secondFactor: { contentSecurityPolicy: { imgSrc: ['https://cdn.example.com'] } },
    })
    const person = new Client(app, 'person')
    await person.login()
    const { headers } = await person.get('/two-factor')
    expect(headers['content-security-policy']).toContain("img-src 'self' https://cdn.example.com;")
  })
})

describe('while the factor store is away', () => {
  test('the user is nowhere in the session, not even for Passport asked once more, and is back afterwards', async () => {
    const store = new FaultyStore()
    const seen: unknown[] = []
    const arrived = new EventEmitter()
    let answer = () => {}
    const { app } = createTestApp({
      store,
      secondFactor: { revalidateAfter: 0, onUnavailable: ({ code }) => seen.push(code) },
      routes: (app) => {
        app.get('/slow', (_req, res) => {
          answer = () => void res.json({})
          arrived.emit('slow')
        })
        app.get('/again', hostPassport.session(), (req, res) => {
          res.json({ user: req.user ?? null, session: req.session })
        })
      },
    })
    const client = new Client(app)
    await client.login()
    store.fault = 'get rejects'
    const during = await client.get('/again')
    expect(during.body.user).toBeNull()
    expect(during.body.session).not.toHaveProperty('passport')
    expect(seen).toEqual(['unavailable'])
    store.fault = null
    expect((await client.get('/account')).body.user).toEqual(users.alice)
    // A request that is under way while somebody signs out brings nothing back.
    store.fault = 'get rejects'
    const here = once(arrived, 'slow')
    const slow = client.copy().get('/slow')
    await here
    const other = client.copy()
    await other.send('POST', '/logout', {})
    answer()
    await slow
    store.fault = null
    expect((await client.get('/account')).status).toBe(401)
    await client.login()
    // Signing out while it is away is signing out.
    store.fault = 'get rejects'
    await client.send('POST', '/logout', {})
    store.fault = null
    expect((await client.get('/account')).status).toBe(401)
  })
})

describe.each(Object.entries(expresses))(
  'after a login that was completed on our pages, on %s',
  (_name, express) => {
    test('the host is told once, with user and session', async () => {
      const told: unknown[] = []
      const { app, clock } = createTestApp({
        express,
        secondFactor: {
          onVerified: async (user, req) => {
            told.push([user.id, req.isAuthenticated(), req.secondFactor?.state])
          },
        },
      })
      const { authenticator } = await enrol(new Client(app), clock.now)
      // Enabling inside a login is no login.
      expect(told).toEqual([])
      clock.nextStep()
      const client = new Client(app)
      await client.login()
      await client.challenge(authenticator.code())
      expect(told).toEqual([['u-alice', true, 'verified']])
      clock.nextStep()
      await client.challenge(authenticator.code())
      expect(told).toHaveLength(1)
    })
  },
)

test('what the host answers when a login was completed goes in the place of our answer', async () => {
  const { app, clock } = createTestApp({
    secondFactor: { onVerified: (user, _req, res) => void res.json({ token: `for ${user.id}` }) },
  })
  const { authenticator } = await enrol(new Client(app), clock.now)
  clock.nextStep()
  const client = new Client(app)
  await client.login()
  expect((await client.challenge(authenticator.code())).body).toEqual({ token: 'for u-alice' })
  expect((await client.get('/vault')).status).toBe(200)
})

test('a login that was given up: the host can clear what would log in again', async () => {
  const { app, clock } = createTestApp({
    secondFactor: { onCancelled: (_req, res) => void res.clearCookie('remember') },
  })
  await enrol(new Client(app), clock.now)
  const client = new Client(app)
  await client.login()
  const { status, headers } = await client.post('/two-factor/challenge/cancel', {}, '/two-factor/challenge')
  expect(status).toBe(204)
  expect(String(headers['set-cookie'])).toContain('remember=;')
})

test('the password given once more gives half a login its whole time again, and keeps where it was going', async () => {
  const { app, clock } = createTestApp()
  const { authenticator } = await enrol(new Client(app), clock.now)
  const person = new Client(app, 'person')
  await person.login()
  await person.get('/vault')
  clock.forward(595)
  await person.login()
  clock.forward(300)
  expect((await person.challenge(authenticator.code())).headers.location).toBe('/vault')
})

test('what another request writes meanwhile does not undo disabling in the acting session', async () => {
  let write = () => {}
  const { app, clock } = createTestApp({
    routes: (app) =>
      app.get('/slow', (req, res) => {
        write = () => {
          Object.assign(req.session, { flash: 'hello' })
          res.json({})
        }
        arrived.emit('slow')
      }),
  })
  const arrived = new EventEmitter()
  const client = new Client(app)
  const { backupCodes } = await enrol(client, clock.now)
  const here = once(arrived, 'slow')
  const slow = client.copy().get('/slow')
  await here
  expect((await client.post('/two-factor/disable', { code: backupCodes[0] })).status).toBe(200)
  write()
  await slow
  expect((await client.get('/account')).body.state).toBe('unenrolled')
})

test("a host's own login beside our pages is no page of ours", async () => {
  const { app, clock } = createTestApp({
    routes: (app) =>
      app.post(['/two-factor', '/two-factor/assets/login'], (req, res, next) => {
        req.login(expressUser('alice'), (error) => (error ? next(error) : res.json({ token: 'for alice' })))
      }),
  })
  await enrol(new Client(app), clock.now)
  for (const path of ['/two-factor', '/two-factor/assets/login']) {
    const { status, body } = await new Client(app).send('POST', path, {})
    expect([status, body.code]).toEqual([403, 'second_factor_required'])
  }
})

describe('a body that is held back', () => {
  /** Sends the head now and the body when told. */
  async function holding(port: number, path: string, cookies: string, token: string) {
    const body = '{}'
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk))
    const ended = once(socket, 'close')
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/json\r\nCookie: ${cookies}\r\n` +
        `x-csrf-token: ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    return async () => {
      socket.write(body)
      await ended
      return Number(answer.slice(9, 12))
    }
  }

  test('is not judged by what was true when its request began: signed out is signed out', async () => {
    const reached = new EventEmitter()
    const { app, clock, sessionStore } = createTestApp({
      between: (app) =>
        app.use('/two-factor', (req, _res, next) => {
          next()
          if (req.method === 'POST') reached.emit('post')
        }),
    })
    const client = new Client(app)
    await enrol(client, clock.now)
    const stolen = [...client.cookies].map((pair) => pair.join('=')).join('; ')
    const { csrfToken } = (await client.get('/two-factor')).body
    const server = app.listen(0)
    try {
      const waiting = once(reached, 'post')
      const release = await holding(
        (server.address() as AddressInfo).port,
        '/two-factor/backup-codes',
        stolen,
        csrfToken,
      )
      await waiting
      await client.send('POST', '/logout', {})
      expect(await release()).toBe(401)
    } finally {
      server.close()
    }
    // And the old session did not come back to life.
    expect(JSON.stringify((sessionStore as unknown as { sessions: object }).sessions)).not.toContain(
      'u-alice',
    )
    expect((await client.get('/vault')).status).toBe(401)
  })
})

describe('a challenge page of the host', () => {
  function withOwnPage(app: express.Express, secondFactor: SecondFactor) {
    hostPassport.use(new TotpStrategy(secondFactor))
    app.get('/my-code', (req, res) => {
      res.send(`enter the code: ${req.secondFactor?.state}`)
    })
    app.post('/my-code', hostPassport.authenticate('totp', { successReturnToOrRedirect: '/' }))
  }

  test('is where people are led, and they come back to where they were going', async () => {
    const { app, clock } = createTestApp({ secondFactor: { challengeUrl: '/my-code' }, routes: withOwnPage })
    const { authenticator } = await enrol(new Client(app), clock.now)
    clock.nextStep()
    const person = new Client(app, 'person')
    expect((await person.login()).headers.location).toBe('/my-code')
    expect((await person.get('/vault?x')).headers.location).toBe('/my-code')
    expect((await person.get('/my-code')).text).toBe('enter the code: pending')
    const done = await person.send('POST', '/my-code', { code: authenticator.code() })
    expect([done.status, done.headers.location]).toEqual([302, '/vault?x'])
    expect((await person.get('/vault')).status).toBe(200)
  })
})

describe('signing out of half a login', () => {
  /** Logs alice in at every request that shows no user. */
  const rememberMe = (app: express.Express) =>
    app.use((req, _res, next) => {
      if (req.headers['x-remember'] && !req.isAuthenticated()) req.login(expressUser('alice'), next)
      else next()
    })

  async function pending(options: { logoutUrl?: string } = {}) {
    const { app, clock } = createTestApp({ secondFactor: options, routes: rememberMe })
    const { authenticator } = await enrol(new Client(app), clock.now)
    clock.nextStep()
    const person = new Client(app, 'person')
    await person.login()
    return { person, authenticator }
  }

  test('works where something logs in at every request', async () => {
    const { person } = await pending()
    const out = await person.send('POST', '/logout', {}, { 'X-Remember': 'me' })
    expect(out.status).toBe(204)
    expect((await person.get('/two-factor/challenge')).headers.location).toBe('/login')
  })

  test('is nothing to come back to', async () => {
    const { person, authenticator } = await pending()
    await person.get('/vault')
    expect((await person.get('/logout')).headers.location).toBe('/two-factor/challenge')
    expect((await person.challenge(authenticator.code())).headers.location).toBe('/vault')
  })

  test('goes by a link where the host says so', async () => {
    const { person } = await pending({ logoutUrl: '/logout' })
    // The test app has no such page, but nobody is led away from it.
    expect((await person.get('/logout')).status).toBe(404)
  })
})

test('enabling long after the login, where no password can be checked: out, in again, and back to it', async () => {
  const { app, clock } = createTestApp({ secondFactor: { verifyPassword: undefined as never } })
  const person = new Client(app, 'person')
  await person.login()
  clock.forward(11 * 60)
  expect((await person.get('/two-factor')).text).toContain('href="/two-factor/enable"')
  const out = await person.post('/two-factor/enable')
  expect([out.status, out.headers.location]).toEqual([303, '/login'])
  expect((await person.get('/account')).status).toBe(401)
  await person.login()
  // What Passport's successReturnToOrRedirect reads, for hosts that use it.
  expect((await person.post('/two-factor/enable')).headers.location).toBe('/two-factor/enable')
})

test("a host's check that needs no token, as of Sec-Fetch-Site, guards our forms", async () => {
  const { app, clock, phone } = await createEnrolledApp({
    secondFactor: { csrf: { verify: (req) => req.headers['sec-fetch-site'] === 'same-origin' } },
  })
  const person = new Client(app, 'person')
  await person.login()
  clock.nextStep()
  const code = phone.code()
  const send = (site: string) =>
    person.send('POST', '/two-factor/challenge', { code }, { 'sec-fetch-site': site })
  expect((await person.get('/two-factor/challenge')).status).toBe(200)
  expect((await send('cross-site')).status).toBe(403)
  expect((await send('same-origin')).status).toBe(303)
})
