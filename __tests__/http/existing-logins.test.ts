import type { Express, NextFunction, Request, RequestHandler, Response } from 'express'
import { Strategy as CustomStrategy } from 'passport'
import { expresses, hostPassport, PASSWORD, type TestAppOptions, type User, users } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { read, sessionIdOf } from '../support/sessions'

/** What the handlers of the host saw; a handler that must not run leaves a trace here. */
let ran: string[]
beforeEach(() => {
  ran = []
})

const userOf = (req: Request) => req.user as User

/** Remember-me, magic links and single sign-on: the user is told by what the request carries. */
class BearerStrategy extends CustomStrategy {
  override readonly name = 'bearer-of-a-name'
  override authenticate(req: Request): void {
    const [, name = ''] = /(?:^|; )remember=(\w+)/.exec(req.headers.cookie ?? '') ?? []
    const user = users[name] ?? users[String(req.query.code ?? '')]
    if (user) this.success(user)
    else this.pass()
  }
}
hostPassport.use(new BearerStrategy())

/** Each login route that apps have, by its name; all of them were written before the plugin. */
const logins: Record<string, (app: Express) => void> = {
  "authenticate('local', { successRedirect })": (app) => {
    app.post(
      '/in',
      hostPassport.authenticate('local', { successRedirect: '/home', failureRedirect: '/login' }),
    )
  },
  "authenticate('local') and a handler that uses req.user": (app) => {
    app.post('/in', hostPassport.authenticate('local'), (req, res) => {
      ran.push(userOf(req).id)
      res.redirect('/home')
    })
  },
  'a custom callback that answers with a token': (app) => {
    app.post('/in', (req, res, next) => {
      hostPassport.authenticate('local', (error: unknown, user: User | false) => {
        if (error || !user) return next(error)
        req.login(user, (failed) => {
          if (failed) return next(failed)
          ran.push(user.id)
          res.json({ token: `secret token of ${userOf(req).id}` })
        })
      })(req, res, next)
    })
  },
  'a promisified req.login in an async handler': (app) => {
    app.post('/in', (req, res, next) => {
      const handle = async () => {
        const user = req.body.password === PASSWORD ? users[req.body.username] : undefined
        if (!user) return res.sendStatus(401)
        await new Promise<void>((resolve, reject) =>
          req.login(user, (error) => (error ? reject(error) : resolve())),
        )
        ran.push(userOf(req).id)
        return res.redirect('/home')
      }
      handle().catch(next)
    })
  },
  'req.logIn with options': (app) => {
    app.post('/in', (req, res, next) => {
      req.logIn(users[req.body.username] as User, { session: true, keepSessionInfo: true }, (error) => {
        if (error) return next(error)
        ran.push(userOf(req).id)
        res.redirect('/home')
      })
    })
  },
  successReturnToOrRedirect: (app) => {
    app.post('/in', hostPassport.authenticate('local', { successReturnToOrRedirect: '/home' }))
  },
  keepSessionInfo: (app) => {
    app.post('/in', hostPassport.authenticate('local', { keepSessionInfo: true }), (req, res) => {
      ran.push(userOf(req).id)
      res.redirect('/home')
    })
  },
}

const home: RequestHandler = (req, res) => {
  if (req.isAuthenticated()) res.send(`at home: ${userOf(req).id}`)
  else res.redirect('/login')
}

function mount(login: (app: Express) => void): (app: Express) => void {
  return (app) => {
    login(app)
    app.get('/home', home)
    app.get('/deep/link', home)
    app.get('/login', (_req, res) => {
      res.send('the login page')
    })
  }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  describe.each(Object.entries(logins))('%s', (name, login) => {
    const redirects = /Redirect/.test(name)
    const body = (username: string) => ({ username, password: PASSWORD })

    test('an enrolled account gets no further than the challenge', async () => {
      const { app, sessionStore } = await createEnrolledApp({ express, routes: mount(login) })
      const person = new Client(app, 'person')
      const answer = await person.send('POST', '/in', body('alice'))
      expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor/challenge'])
      expect((await person.get('/home')).headers.location).toBe('/two-factor/challenge')
      const program = new Client(app)
      const told = await program.send('POST', '/in', body('alice'))
      expect([told.status, told.body.code]).toEqual([403, 'second_factor_required'])
      expect(told.text).not.toContain('token of')
      expect((await program.get('/home')).headers.location).toBe('/login')
      expect(ran).toEqual([])
      for (const one of [person, program]) {
        expect((await read(sessionStore, sessionIdOf(one)))?.passport).toBeUndefined()
      }
    })

    test('and with the code arrives where it was going', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express, routes: mount(login) })
      const person = new Client(app, 'person')
      await person.send('POST', '/in', body('alice'))
      clock.nextStep()
      expect((await person.challenge(phone.wrongCode())).status).toBe(401)
      expect((await person.get('/account')).headers.location).toBe('/two-factor/challenge')
      const verified = await person.challenge(phone.code())
      expect([verified.status, verified.headers.location]).toEqual([303, '/account'])
      expect((await person.get('/home')).text).toBe('at home: u-alice')

      const next = new Client(app, 'person')
      await next.send('POST', '/in', body('alice'))
      clock.nextStep()
      expect((await next.challenge(phone.code())).headers.location).toBe(redirects ? '/home' : '/')
      expect(ran).toEqual([])
    })

    test('an unenrolled account notices nothing', async () => {
      const { app } = await createEnrolledApp({ express, routes: mount(login) })
      const person = new Client(app, 'person')
      const answer = await person.send('POST', '/in', body('bob'))
      if (/token/.test(name)) expect(answer.body).toEqual({ token: 'secret token of u-bob' })
      else expect([answer.status, answer.headers.location]).toEqual([302, '/home'])
      expect((await person.get('/home')).text).toBe('at home: u-bob')
      if (!redirects) expect(ran).toEqual(['u-bob'])
    })
  })

  test('a wrong password is the host’s affair', async () => {
    const { app } = await createEnrolledApp({
      express,
      routes: mount(logins["authenticate('local', { successRedirect })"] as never),
    })
    const person = new Client(app, 'person')
    const answer = await person.send('POST', '/in', { username: 'alice', password: 'wrong' })
    expect([answer.status, answer.headers.location]).toEqual([302, '/login'])
    expect((await person.get('/home')).headers.location).toBe('/login')
  })

  test('who was sent to the login by a gate comes back there', async () => {
    const routes = mount(logins.successReturnToOrRedirect as never)
    const { app, phone, clock } = await createEnrolledApp({ express, routes })
    for (const [username, lands] of [
      ['alice', '/two-factor/challenge'],
      ['bob', '/vault?from=mail'],
    ] as const) {
      const person = new Client(app, 'person')
      expect((await person.get('/vault?from=mail')).headers.location).toBe('/login')
      expect((await person.send('POST', '/in', { username, password: PASSWORD })).headers.location).toBe(
        lands,
      )
      if (username === 'bob') continue
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/vault?from=mail')
      expect((await person.get('/vault')).status).toBe(200)
    }
  })

  test.each([
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    'https://evil.example/',
    '/ok\r\nx: y',
    7,
  ])('a way back of %j in the session is not followed', async (returnTo) => {
    const { app, phone, clock } = await createEnrolledApp({
      express,
      routes: (host) => {
        host.post('/aim', (req, res) => {
          Object.assign(req.session, { returnTo })
          res.sendStatus(204)
        })
        mount(logins.successReturnToOrRedirect as never)(host)
      },
    })
    const person = new Client(app, 'person')
    await person.send('POST', '/aim')
    await person.send('POST', '/in', { username: 'alice', password: PASSWORD })
    clock.nextStep()
    expect((await person.challenge(phone.code())).headers.location).toBe('/home')
  })

  test('req.login without a session lasts for its request and opens nothing', async () => {
    const routes = (app: Express) => {
      app.post('/once', (req, res, next) => {
        req.login(users.alice as User, { session: false }, (error) => {
          if (error) return next(error)
          res.json({ user: userOf(req).id, state: req.secondFactor?.state })
        })
      })
      app.post('/once-vault', (req, _res, next) => req.login(users.alice as User, { session: false }, next))
      app.post('/once-vault', gate)
    }
    let gate: RequestHandler = (_req, _res, next) => next()
    const made = await createEnrolledApp({
      express,
      routes: (app, secondFactor) => {
        gate = secondFactor.requireSecondFactor()
        routes(app)
        app.post('/once-vault', (_req, res) => {
          res.send('open')
        })
      },
    })
    const client = new Client(made.app)
    expect((await client.send('POST', '/once')).body).toEqual({ user: 'u-alice', state: 'anonymous' })
    expect((await client.send('POST', '/once-vault')).status).toBe(401)
    expect((await client.get('/account')).status).toBe(401)
    // Neither does it end half a login, nor complete it.
    await client.login()
    await client.send('POST', '/once')
    expect((await client.get('/account')).body).toEqual({ state: 'pending' })
    made.clock.nextStep()
    expect((await client.challenge(made.phone.code())).status).toBe(200)
  })

  test('while the factor store is away no callback is called, and the answer is ours', async () => {
    const store = new FaultyStore()
    const { app } = await createEnrolledApp({
      express,
      store,
      routes: mount(logins['a custom callback that answers with a token'] as (app: Express) => void),
      secondFactor: { onUnavailable() {} },
    })
    store.fault = 'get rejects'
    for (const username of ['alice', 'bob']) {
      const { status, body } = await new Client(app).send('POST', '/in', { username, password: PASSWORD })
      expect([status, body.code, body.token]).toEqual([503, 'unavailable', undefined])
    }
    expect(ran).toEqual([])
  })

  test('a login says what it is in its own request, and tells of nothing that was proven before', async () => {
    const { app, phone, clock, secondFactor } = await createEnrolledApp({
      express,
      routes: (host) => {
        host.post('/in', (req, res, next) => {
          req.login(users[req.body.username] as User, { session: true, freshLogin: false }, (error) =>
            error ? next(error) : res.json({ state: req.secondFactor?.state }),
          )
        })
      },
    })
    const told: string[] = []
    secondFactor.events.on('verified', ({ accountId }) => told.push(accountId))
    const bob = new Client(app)
    expect((await bob.send('POST', '/in', { username: 'bob' })).body).toEqual({ state: 'unenrolled' })
    const alice = new Client(app)
    await signIn(alice, phone, clock)
    for (let again = 0; again < 2; again++)
      expect((await alice.send('POST', '/in', { username: 'alice' })).body).toEqual({ state: 'verified' })
    expect(told).toEqual(['u-alice'])
  })

  test('req.login without a callback is the mistake that it is for Passport', async () => {
    const { app } = await createEnrolledApp({
      express,
      routes: (host) => {
        host.post('/in', (req, res) => {
          const login = req.login as unknown as (user: User) => void
          expect(() => login.call(req, users.alice as User)).toThrow('req#login requires a callback function')
          res.sendStatus(204)
        })
      },
    })
    expect((await new Client(app).send('POST', '/in')).status).toBe(204)
  })

  test.each<[string, (req: Request, done: NextFunction) => void]>([
    ['a callback', (req, done) => req.logout(done)],
    ['options and a callback', (req, done) => req.logout({ keepSessionInfo: true }, done)],
    ['no options and a callback', (req, done) => req.logout(undefined as unknown as object, done)],
    ['its other name', (req, done) => (req as unknown as { logOut: Request['logout'] }).logOut(done)],
  ])('req.logout by %s: anonymous in this request and in the next', async (_how, out) => {
    const made = await createEnrolledApp({
      express,
      routes: (host) => {
        host.post('/out', (req, res, next) => {
          req.session.returnTo = '/kept'
          out(req, (error?: unknown) => {
            if (error) return next(error)
            const { secondFactor, returnTo } = req.session
            res.json({ state: req.secondFactor?.state, user: req.user ?? null, secondFactor, returnTo })
          })
        })
      },
    })
    const client = new Client(made.app)
    await signIn(client, made.phone, made.clock)
    const { body } = await client.send('POST', '/out')
    expect(body).toEqual({
      state: 'anonymous',
      user: null,
      ...(String(_how).startsWith('options') && { returnTo: '/kept' }),
    })
    expect((await client.get('/account')).body).toEqual({ state: 'anonymous' })
  })

  test.each(['alice', 'bob'])(
    'a Passport that makes no new session at a login, as before 0.6: %s is let in nowhere',
    async (username) => {
      const errors: unknown[] = []
      const { app } = await createEnrolledApp({
        express,
        before: (host) => {
          host.use((req, _res, next) => {
            const logIn = (user: User, _options: object, done: NextFunction) => {
              Object.assign(req, { user })
              Object.assign(req.session, { passport: { user: user.id } })
              done()
            }
            Object.assign(req, { logIn, login: logIn })
            next()
          })
        },
        routes: (host) => {
          host.post('/in', (req, res) => {
            req.logIn(users[username] as User, (error) => {
              errors.push(error)
              res.sendStatus(error ? 500 : 204)
            })
          })
        },
      })
      const client = new Client(app)
      expect((await client.send('POST', '/in')).status).toBe(500)
      expect(errors).toEqual([
        expect.objectContaining({
          code: 'SF_PASSPORT_VERSION',
          message: expect.stringContaining('needs Passport 0.6 or later with express-session'),
        }),
      ])
      if (username === 'alice') expect((await client.get('/account')).body).toEqual({ state: 'pending' })
    },
  )

  test('a callback of another site by GET, as OAuth does', async () => {
    const { app, phone, clock } = await createEnrolledApp({
      express,
      routes: (host) => {
        host.get(
          '/oauth/callback',
          hostPassport.authenticate('bearer-of-a-name', { successRedirect: '/home' }),
        )
        host.get('/home', home)
      },
    })
    const person = new Client(app, 'person')
    const answer = await person.get('/oauth/callback?code=alice&state=x')
    expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor/challenge'])
    clock.nextStep()
    expect((await person.challenge(phone.code())).headers.location).toBe('/home')
    expect((await person.get('/home')).text).toBe('at home: u-alice')
    const bob = new Client(app, 'person')
    expect((await bob.get('/oauth/callback?code=bob')).headers.location).toBe('/home')
    expect((await bob.get('/home')).text).toBe('at home: u-bob')
  })

  describe('a login at every request', () => {
    const always = hostPassport.authenticate('bearer-of-a-name')
    const ifNobody: RequestHandler = (req, res, next) =>
      req.isAuthenticated() ? next() : always(req, res, next)

    function remembered(app: Express, name: string, kind: 'person' | 'program' = 'person'): Client {
      const client = new Client(app, kind)
      client.cookies.set('remember', name)
      return client
    }

    describe.each([
      ['whoever is logged in', always],
      ['unless somebody is', ifNobody],
    ])('after secondFactor.session(), %s', (_when, rememberMe) => {
      const options: TestAppOptions = {
        express,
        routes: (app) => {
          app.use(rememberMe)
          app.get('/home', home)
          app.get('/public', (req, res) => {
            res.json({ user: req.user ?? null })
          })
        },
      }
      // The middleware that every request passes, the plugin's own pages too.
      const everywhere: TestAppOptions = {
        express,
        routes: (app) => {
          app.get('/home', home)
          app.get('/public', (req, res) => {
            res.json({ user: req.user ?? null })
          })
        },
        between: (app) => app.use(rememberMe),
      }

      test.each([
        ['before its pages', everywhere],
        ['after its pages', options],
      ])('%s', async (_where, mounted) => {
        const { app, phone, clock } = await createEnrolledApp(mounted)
        const person = remembered(app, 'alice')
        const first = await person.get('/home')
        expect([first.status, first.headers.location]).toEqual([303, '/two-factor/challenge'])
        const again = await person.get('/home?again')
        expect([again.status, again.headers.location]).toEqual([303, '/two-factor/challenge'])
        expect((await person.as('program').get('/vault')).body.code).toBe('second_factor_required')
        clock.nextStep()
        expect((await person.challenge(phone.wrongCode())).status).toBe(401)
        const verified = await person.challenge(phone.code())
        expect([verified.status, verified.headers.location]).toEqual([303, '/home?again'])
        for (let request = 0; request < 3; request++) {
          expect((await person.get('/home')).text).toBe('at home: u-alice')
          expect((await person.get('/vault')).status).toBe(200)
        }
        // The proof's age is not that of the latest login.
        clock.forward(301)
        expect((await person.get('/home')).text).toBe('at home: u-alice')
        expect((await person.as('program').get('/transfer')).body.code).toBe('step_up_required')
        clock.nextStep()
        expect((await person.challenge(phone.code())).status).toBe(303)
        expect((await person.as('program').get('/transfer')).status).toBe(200)
      })

      test('an unenrolled account notices nothing', async () => {
        const { app } = await createEnrolledApp(everywhere)
        const person = remembered(app, 'bob')
        for (let request = 0; request < 3; request++) {
          expect((await person.get('/home')).text).toBe('at home: u-bob')
        }
        expect((await person.get('/two-factor')).status).toBe(200)
      })

      test('it does not lengthen half a login', async () => {
        const { app, phone, clock } = await createEnrolledApp(everywhere)
        const person = remembered(app, 'alice')
        await person.get('/home')
        const { csrfToken } = (await person.as('program').get('/two-factor/challenge')).body
        clock.forward(590)
        await person.get('/home')
        clock.forward(10)
        const late = await person
          .as('program')
          .send('POST', '/two-factor/challenge', { code: phone.code() }, { 'x-csrf-token': csrfToken })
        expect([late.status, late.body.code]).toEqual([403, 'csrf'])
        expect((await person.as('program').get('/vault')).body.code).toBe('second_factor_required')
      })
    })

    test('before secondFactor.session(): closed, and a login that is not repeated stays verified', async () => {
      let asked = 0
      const rememberOnce = (req: Request, res: Response, next: NextFunction) => {
        asked++
        // As the remember-me strategy does: the cookie is used once.
        if (req.isAuthenticated() || asked > 1) return next()
        return always(req, res, next)
      }
      const { app, phone, clock } = await createEnrolledApp({
        express,
        before: (host) => host.use(rememberOnce),
        routes: (host) => {
          host.get('/home', home)
        },
      })
      const person = remembered(app, 'alice')
      const first = await person.get('/home')
      expect([first.status, first.headers.location]).toEqual([303, '/two-factor/challenge'])
      expect((await person.as('program').get('/account')).body).toEqual({ state: 'pending' })
      clock.nextStep()
      const verified = await person.challenge(phone.code())
      expect([verified.status, verified.headers.location]).toEqual([303, '/home'])
      expect((await person.get('/home')).text).toBe('at home: u-alice')
    })

    test.each([
      ['whoever is logged in', always],
      ['unless somebody is', ifNobody],
    ])('before secondFactor.session(), %s: closed', async (_when, rememberMe) => {
      const { app } = await createEnrolledApp({
        express,
        before: (host) => host.use(rememberMe),
        routes: (host) => {
          host.get('/home', home)
        },
      })
      const person = remembered(app, 'alice')
      for (let request = 0; request < 3; request++) {
        expect((await person.get('/home')).headers.location).toBe('/two-factor/challenge')
        expect((await person.as('program').get('/account')).body).toEqual({ state: 'pending' })
        expect((await person.as('program').get('/vault')).status).toBe(403)
      }
      const bob = remembered(app, 'bob')
      expect((await bob.get('/home')).text).toBe('at home: u-bob')
    })

    test('another account’s login in a verified session', async () => {
      const { app, store, phone, clock } = await createEnrolledApp({
        express,
        routes: (host) => {
          host.use(always)
          host.get('/home', home)
        },
      })
      await putEnrolled(store, clock, 'bob')
      const person = new Client(app)
      await signIn(person, phone, clock)
      expect((await person.get('/vault')).status).toBe(200)
      person.cookies.set('remember', 'bob')
      expect((await person.get('/home')).status).toBe(403)
      expect((await person.get('/vault')).body.code).toBe('second_factor_required')
    })
  })
})
