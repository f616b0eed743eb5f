import express, { type Request } from 'express'
import session from 'express-session'
import { dropWithheld, withhold } from '../../lib/session/withhold'
import { Client } from '../support/client'
import { RecordingSessions } from '../support/sessions'

/** A session of somebody, and an app that does `work` with it while its user is hidden. */
async function withheld(work: (req: Request & { session: Record<string, unknown> }) => unknown) {
  const sessionStore = new RecordingSessions()
  const app = express()
  app.use(session({ secret: 'x', resave: false, saveUninitialized: false, store: sessionStore }))
  app.get('/login', (req, res) => {
    Object.assign(req.session, { passport: { user: '1' }, cart: 'a book' })
    res.json(null)
  })
  app.get('/look', (req, res) => res.json(req.session))
  app.get('/hidden', async (req, res) => {
    withhold(req)
    const answer = await work(req as never)
    res.json(answer ?? null)
  })
  const client = new Client(app).as('program')
  await client.send('GET', '/login')
  sessionStore.writes.length = 0
  const { body } = await client.send('GET', '/hidden')
  const { body: after } = await client.send('GET', '/look')
  return { answer: body, after, writes: sessionStore.writes.length }
}

test('nobody sees the user, and what is stored stays as it is, without a write', async () => {
  const { answer, after, writes } = await withheld((req) => ({
    user: req.session.passport ?? 'nobody',
    names: Object.keys(req.session),
    whole: JSON.parse(JSON.stringify(req.session)),
  }))
  expect(answer.user).toBe('nobody')
  expect(answer.names).not.toContain('passport')
  expect(answer.whole).not.toHaveProperty('passport')
  expect(after).toMatchObject({ passport: { user: '1' }, cart: 'a book' })
  expect(writes).toBe(0)
})

test.each<[string, (req: Request & { session: Record<string, unknown> }) => unknown]>([
  [
    'at the end of the answer',
    (req) => {
      req.session.cart = 'two books'
    },
  ],
  [
    'before',
    (req) => {
      req.session.cart = 'two books'
      return new Promise((resolve) => (req.session.save as (done: unknown) => void)(resolve))
    },
  ],
])('what else is written %s is written with the user', async (_when, work) => {
  const { after } = await withheld(work)
  expect(after).toMatchObject({ passport: { user: '1' }, cart: 'two books' })
})

test('what the host puts in the place of the user stands, and stays a plain value', async () => {
  const { answer, after } = await withheld((req) => {
    req.session.passport = { user: '2' }
    req.session.passport = { user: '3' }
    const [seen, names] = [req.session.passport, Object.keys(req.session)]
    delete req.session.passport
    const gone = req.session.passport ?? 'gone'
    req.session.passport = { user: '4' }
    return { seen, names, gone }
  })
  expect(answer).toMatchObject({ seen: { user: '3' }, gone: 'gone' })
  expect(answer.names).toContain('passport')
  expect(after).toMatchObject({ passport: { user: '4' } })
})

test('what the host takes out itself does not come back', async () => {
  const { after } = await withheld((req) => {
    delete req.session.passport
    dropWithheld(req)
  })
  expect(after).not.toHaveProperty('passport')
  expect(after).toMatchObject({ cart: 'a book' })
})

test('signing out: what is hidden does not come back', async () => {
  const { after } = await withheld((req) => dropWithheld(req))
  expect(after).not.toHaveProperty('passport')
})

test('signing out after the host has put somebody in leaves that to the host', async () => {
  const { after } = await withheld((req) => {
    req.session.passport = { user: '2' }
    dropWithheld(req)
  })
  expect(after).toMatchObject({ passport: { user: '2' } })
})

test('of a request where nothing is hidden nothing is dropped', () => {
  expect(() => dropWithheld({} as Request)).not.toThrow()
})

test('a request without an answer, as of a web socket', () => {
  const kept = { passport: { user: '1' }, save: () => kept }
  withhold({ session: kept } as unknown as Request)
  expect(kept.passport).toBeUndefined()
  kept.save()
  expect(kept.passport).toEqual({ user: '1' })
})

test('nobody sees the user after a save in the middle of the request either, nor after another', async () => {
  const { answer, after } = await withheld(async (req) => {
    const seen: unknown[] = []
    for (const cart of ['one', 'two']) {
      req.session.cart = cart
      const hidden: unknown = await new Promise((resolve) =>
        (req.session.save as (done: () => void) => void)(() => resolve(req.session.passport ?? 'nobody')),
      )
      seen.push(hidden)
    }
    return { seen, names: Object.keys(req.session) }
  })
  expect(answer.seen).toEqual(['nobody', 'nobody'])
  expect(answer.names).not.toContain('passport')
  expect(after).toMatchObject({ passport: { user: '1' }, cart: 'two' })
})

test('what the host puts there is not hidden by a save', async () => {
  const { answer, after } = await withheld(async (req) => {
    req.session.passport = { user: '2' }
    await new Promise((resolve) => (req.session.save as (done: unknown) => void)(resolve))
    return { seen: req.session.passport }
  })
  expect(answer.seen).toEqual({ user: '2' })
  expect(after).toMatchObject({ passport: { user: '2' } })
})
