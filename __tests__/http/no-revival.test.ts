import { EventEmitter, once } from 'node:events'
import type express from 'express'
import session from 'express-session'
import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'

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
    const events = new EventEmitter()
    const made = await createEnrolledApp({
      express,
      sessionStore,
      ...options,
      between: (app) =>
        app.use((req, _res, next) => {
          if (!req.headers['x-hold']) return next()
          events.once('release', () => next())
          events.emit('held')
        }),
      routes: (app: express.Express) => {
        const put: express.RequestHandler = (req, res) => {
          Object.assign(req.session, { cart: 'a book' })
          res.json({})
        }
        app.post('/cart', put)
        app.get('/cart', put)
      },
    })
    const client = new Client(made.app)
    /** Sends it, signs the session out meanwhile, or does something else, and lets the request go on. */
    async function held(
      caller: Client,
      method: string,
      path: string,
      body?: object,
      meanwhile: () => Promise<unknown> = () => caller.copy().as('program').send('POST', '/logout', {}),
    ) {
      const reached = once(events, 'held')
      const answer = caller.send(method, path, body as Record<string, unknown>, { 'x-hold': '1' })
      await reached
      await meanwhile()
      events.emit('release')
      return answer
    }
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
