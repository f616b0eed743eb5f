import type express from 'express'
import session from 'express-session'
import { wasEnded } from '../../lib/session/no-revival'
import { createTestApp, expresses, PASSWORD, type TestAppOptions } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { HeldRequests, signOut, signOutElsewhere } from '../support/held-requests'

/** A session store that counts what it writes, and can be away. */
class CountingStore extends session.MemoryStore {
  writes = 0
  away = false
  /** When what was read is handed out. */
  answers: (done: () => void) => void = (done) => done()

  override get(...[id, done]: Parameters<session.MemoryStore['get']>) {
    if (this.away) done(new Error('away'))
    else super.get(id, (...found) => this.answers(() => done(...found)))
  }

  override set(...args: Parameters<session.MemoryStore['set']>) {
    this.writes++
    super.set(...args)
  }
}

// What a session was when a request began, a slow request would write again.
describe.each(Object.entries(expresses))('%s: a request that is held back', (_name, express) => {
  /** An app whose requests wait where they are told to, between `session()` and the routes. */
  async function holdingApp(options: TestAppOptions = {}) {
    const sessionStore = new CountingStore()
    const requests = new HeldRequests()
    const made = await createEnrolledApp({
      express,
      sessionStore,
      ...options,
      between: (app) => app.use(requests.middleware),
      routes: (app: express.Express) => {
        const put: express.RequestHandler = (req, res) => {
          Object.assign(req.session, { cart: 'a book' })
          res.json({})
        }
        app.post('/cart', put)
        app.get('/cart', put)
        // As apps do once a name was changed.
        app.post('/profile', (req, res, next) => {
          if (!req.user) return res.sendStatus(401)
          req.login(req.user, (error) => (error ? next(error) : res.json({ saved: true })))
        })
      },
    })
    const client = new Client(made.app)
    /** Sends it, signs the session out meanwhile, or does something else, and lets the request go on. */
    const held = (
      caller: Client,
      method: string,
      path: string,
      body?: object,
      meanwhile: () => Promise<unknown> = () => signOut(caller),
    ) => requests.during(meanwhile, caller, method, path, body)
    /** What somebody sees who has the cookies of before. */
    const revived = async (thief: Client) => (await thief.get('/two-factor')).body.code
    const kept = () => JSON.stringify((sessionStore as unknown as { sessions: object }).sessions)
    return { ...made, sessionStore, client, held, revived, kept }
  }

  test('by a form that is turned away does not bring a session back that was signed out', async () => {
    const { client, phone, clock, held, revived, kept } = await holdingApp()
    await signIn(client, phone, clock)
    clock.forward(6 * 60)
    const thief = client.copy()
    const answer = await held(client.copy().as('person'), 'POST', '/transfer', { amount: '1' })
    expect(answer.headers.location).toBe('/two-factor/challenge')
    expect(await revived(thief)).toBe('not_authenticated')
    expect((await thief.get('/vault')).status).toBe(401)
    expect(kept()).not.toContain('u-alice')
  })

  test('by a form of the app that writes the session does not, either', async () => {
    const { client, phone, clock, held, revived } = await holdingApp()
    await signIn(client, phone, clock)
    const thief = client.copy()
    expect((await held(client.copy(), 'POST', '/cart', {})).status).toBe(200)
    expect(await revived(thief)).toBe('not_authenticated')
  })

  test('nor of an account without a second factor', async () => {
    const { client, held, revived } = await holdingApp()
    await client.login('bob')
    const thief = client.copy()
    await held(client.copy(), 'POST', '/cart', {})
    expect(await revived(thief)).toBe('not_authenticated')
  })

  test('nor half a login', async () => {
    const { client, held, kept } = await holdingApp()
    await client.login()
    await held(client.copy(), 'POST', '/cart', {})
    expect(kept()).not.toContain('u-alice')
  })

  test('nor without a body', async () => {
    const { client, phone, clock, held, revived } = await holdingApp()
    await signIn(client, phone, clock)
    const thief = client.copy()
    await held(client.copy(), 'GET', '/cart')
    expect(await revived(thief)).toBe('not_authenticated')
  })

  test('nor the session of before a code was entered once more', async () => {
    const { client, phone, clock, held, revived } = await holdingApp()
    await signIn(client, phone, clock)
    const thief = client.copy()
    clock.nextStep()
    await held(client.copy(), 'GET', '/cart', undefined, () => client.challenge(phone.code()))
    expect(await revived(thief)).toBe('not_authenticated')
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('nor between the look and the write', async () => {
    const { client, phone, clock, sessionStore, held, revived } = await holdingApp()
    await signIn(client, phone, clock)
    const thief = client.copy()
    let answer: Promise<unknown> | undefined
    const goOn = await new Promise<() => void>((looked) => {
      const fromNowOn = async () => {
        sessionStore.answers = looked
      }
      answer = held(client.copy(), 'GET', '/cart', undefined, fromNowOn)
    })
    sessionStore.answers = (done) => done()
    await client.send('POST', '/logout', {})
    goOn()
    await answer
    expect(await revived(thief)).toBe('not_authenticated')
  })

  describe.each<[string, (store: CountingStore, client: Client) => Promise<unknown>]>([
    ['here', (_store, client) => signOut(client)],
    ['by another process', signOutElsewhere],
  ])('its proof goes into no new login where the session was signed out %s', (_where, out) => {
    test.each<[string, string, object]>([
      ['a password', '/login', { username: 'alice', password: PASSWORD }],
      ['a route that logs its user in again', '/profile', {}],
    ])('%s', async (_what, path, body) => {
      const { client, phone, clock, sessionStore, held, revived } = await holdingApp()
      await signIn(client, phone, clock)
      const caller = client.copy()
      const answer = await held(caller, 'POST', path, body, () => out(sessionStore, client.copy()))
      expect([answer.status, answer.body.code]).toEqual([403, 'second_factor_required'])
      expect(await revived(client)).toBe('not_authenticated')
      for (const gate of ['/vault', '/transfer']) {
        expect([gate, (await caller.get(gate)).body.code]).toEqual([gate, 'second_factor_required'])
      }
      clock.nextStep()
      expect((await caller.challenge(phone.code())).status).toBe(200)
      expect((await caller.get('/transfer')).status).toBe(200)
    })
  })

  test('its proof goes into no new login where the session is signed out while it is looked up', async () => {
    const { client, phone, clock, sessionStore, held } = await holdingApp()
    await signIn(client, phone, clock)
    const caller = client.copy()
    let answer: Promise<{ status: number }> | undefined
    const goOn = await new Promise<() => void>((looked) => {
      const fromNowOn = async () => {
        sessionStore.answers = looked
      }
      answer = held(caller, 'POST', '/login', { username: 'alice', password: PASSWORD }, fromNowOn)
    })
    sessionStore.answers = (done) => done()
    await signOut(client)
    goOn()
    expect((await answer)?.status).toBe(403)
    expect((await caller.get('/vault')).body.code).toBe('second_factor_required')
  })

  test('a login in a session that is still there keeps its proof', async () => {
    const { client, phone, clock, held } = await holdingApp()
    await signIn(client, phone, clock)
    const answer = await held(client, 'POST', '/profile', {}, async () => {})
    expect(answer.body).toEqual({ saved: true })
    expect((await client.get('/transfer')).status).toBe(200)
  })

  test('writes as ever where nobody has signed out', async () => {
    const { client, phone, clock, held, kept } = await holdingApp()
    await signIn(client, phone, clock)
    await held(client.copy(), 'POST', '/cart', {}, async () => {})
    expect(kept()).toContain('a book')
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('writes nothing where the session store does not answer', async () => {
    const { client, phone, clock, held, sessionStore, kept } = await holdingApp()
    await signIn(client, phone, clock)
    await held(client.copy(), 'POST', '/cart', {}, async () => {
      sessionStore.away = true
    })
    expect(kept()).not.toContain('a book')
  })

  test('being turned away again to the same page writes nothing', async () => {
    const { client, phone, clock, sessionStore } = await holdingApp()
    await signIn(client, phone, clock)
    clock.forward(6 * 60)
    const person = client.as('person')
    await person.get('/transfer')
    sessionStore.writes = 0
    expect((await person.get('/transfer')).headers.location).toBe('/two-factor/challenge')
    expect(sessionStore.writes).toBe(0)
  })
})

test('a session without a store goes on', () => {
  const { secondFactor } = createTestApp()
  const req = { session: {}, logIn() {}, headers: {}, method: 'GET', originalUrl: '/', baseUrl: '' }
  const next = jest.fn()
  secondFactor.session()(req as never, {} as never, next)
  expect(next).toHaveBeenCalledWith()
})

test('a sign-out has ended its session from its beginning, and not only once the store has', async () => {
  const { app, phone, clock } = await createEnrolledApp({
    routes: (app) =>
      app.post('/leave', (req, res, next) => {
        let ended = false
        req.logout((error) => (error ? next(error) : res.json({ ended })))
        ended = wasEnded(req)
      }),
  })
  const client = new Client(app)
  await signIn(client, phone, clock)
  expect((await client.send('POST', '/leave', {})).body).toEqual({ ended: true })
})

test('a sign-out that the session store refuses is none: the session goes on, and the next one ends it', async () => {
  class Refusing extends session.MemoryStore {
    refuses = false
    override set(id: string, data: session.SessionData, done?: (error?: unknown) => void): void {
      if (this.refuses) done?.(new Error('read-only'))
      else super.set(id, data, done)
    }
  }
  const sessionStore = new Refusing()
  const { app, phone, clock } = await createEnrolledApp({
    sessionStore,
    routes: (host) => {
      host.set('env', 'test')
      host.post('/cart', (req, res) => {
        const kept = req.session as unknown as { cart?: number }
        kept.cart = (kept.cart ?? 0) + 1
        res.json({ cart: kept.cart })
      })
    },
  })
  const client = new Client(app)
  await signIn(client, phone, clock)
  sessionStore.refuses = true
  expect((await client.send('POST', '/logout', {})).status).toBe(500)
  sessionStore.refuses = false
  for (const cart of [1, 2]) expect((await client.send('POST', '/cart', {})).body).toEqual({ cart })
  expect((await client.get('/vault')).status).toBe(200)
  const thief = client.copy()
  expect((await client.send('POST', '/logout', {})).status).toBe(204)
  for (const each of [client, thief]) expect((await each.get('/vault')).status).toBe(401)
})

test('req.logout without a callback is a mistake, and ends nothing', async () => {
  const { app, phone, clock } = await createEnrolledApp({
    routes: (host) => {
      host.post('/out', (req, res) => {
        const logout = req.logout as unknown as () => void
        expect(() => logout.call(req)).toThrow('req#logout requires a callback function')
        res.sendStatus(204)
      })
      host.post('/cart', (req, res) => {
        Object.assign(req.session, { cart: 'a book' })
        res.sendStatus(204)
      })
      host.get('/cart', (req, res) => {
        res.json((req.session as unknown as { cart?: string }).cart ?? null)
      })
    },
  })
  const client = new Client(app)
  await signIn(client, phone, clock)
  expect((await client.send('POST', '/out', {})).status).toBe(204)
  await client.send('POST', '/cart', {})
  expect((await client.get('/cart')).body).toBe('a book')
})
