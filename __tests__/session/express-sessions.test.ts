import type { Request } from 'express'
import session from 'express-session'
import { UnavailableError } from '../../lib/errors'
import {
  aroundSave,
  isNotFound,
  isStored,
  regenerateKeeping,
  save,
  saveOnce,
  shapeNextSession,
} from '../../lib/session/express-sessions'
import type { AppSession, Marker } from '../../lib/session/marker'

const marker = (parts: Partial<Marker> = {}) =>
  ({ state: 'verified', accountId: 'u-alice', epoch: 1, ...parts }) as Marker

class Sessions extends session.MemoryStore {
  writes = 0
  failure: unknown = null

  override set(id: string, data: session.SessionData, done?: (error?: unknown) => void): void {
    this.writes++
    if (this.failure) done?.(this.failure)
    else super.set(id, data, done)
  }

  override get(id: string, done: (error: unknown, data?: session.SessionData | null) => void): void {
    if (this.failure) done(this.failure)
    else super.get(id, done)
  }
}

/** A request with a session, as express-session makes it. */
function request(held: Record<string, unknown> = {}, cookie: session.CookieOptions = {}) {
  const store = new Sessions()
  const req = { sessionStore: store } as unknown as Request
  // What express-session gives a store, and does not type.
  const make = store as unknown as { generate(req: Request): void }
  make.generate = () => {
    req.sessionID = `id-${Math.random()}`
    req.session = new (session as unknown as { Session: new (req: Request) => AppSession }).Session(req)
    req.session.cookie = new (
      session as unknown as { Cookie: new (options: object) => session.Cookie }
    ).Cookie(cookie)
  }
  make.generate(req)
  Object.assign(req.session, held)
  return { req, store, session: req.session as AppSession }
}

const caught = (work: Promise<unknown>) => work.then(() => null).catch((error: unknown) => error)

describe('isStored', () => {
  test.each<[string, Partial<Marker> | null, boolean]>([
    ['the same', {}, true],
    ['of another account', { accountId: 'u-bob' }, false],
    ['of another time of the account', { epoch: 2 }, false],
    ['in another state', { state: 'unenrolled' }, false],
    ['without a marker', null, false],
  ])('what is stored is %s', async (_what, stored, is) => {
    const { req, session } = request({ secondFactor: marker() })
    if (stored) session.secondFactor = marker(stored)
    else delete session.secondFactor
    await save(req)
    session.secondFactor = marker()
    expect(await isStored(req)).toBe(is)
  })

  test('neither of them has a marker', async () => {
    const { req } = request({ cart: 'a book' })
    expect(await isStored(req)).toBe(false)
    await save(req)
    expect(await isStored(req)).toBe(true)
  })

  test('only what is stored has one', async () => {
    const { req, session } = request({ secondFactor: marker() })
    await save(req)
    delete session.secondFactor
    expect(await isStored(req)).toBe(false)
  })

  test('a store that does not answer is no answer, and one that says ENOENT says no', async () => {
    const { req, store } = request()
    store.failure = new Error('away')
    const error = await caught(isStored(req))
    expect(error).toBeInstanceOf(UnavailableError)
    expect(error).toMatchObject({ message: 'The session store does not answer', cause: store.failure })
    store.failure = Object.assign(new Error('no such file'), { code: 'ENOENT' })
    expect(await isStored(req)).toBe(false)
    expect([null, undefined, 'ENOENT', { code: 'EPERM' }].map(isNotFound)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

test.each<[string, (req: Request) => Promise<void>]>([
  ['save', save],
  ['saveOnce', saveOnce],
])('%s: a store that does not take it, of which it is not known what is on record', async (_name, write) => {
  const { req, store } = request()
  store.failure = new Error('read-only')
  const error = await caught(write(req))
  expect(error).toBeInstanceOf(UnavailableError)
  expect(error).toMatchObject({
    message: 'The session store does not answer',
    cause: store.failure,
    uncertain: true,
  })
})

describe('saveOnce', () => {
  test('spares the write of what has not changed, also where the end of the cookie moves', async () => {
    const { req, store, session } = request({ cart: 'a book' }, { maxAge: 60_000 })
    await saveOnce(req)
    // Setting it sets the other, too.
    const { originalMaxAge } = session.cookie
    session.cookie.expires = new Date(Date.now() + 70_000)
    session.cookie.originalMaxAge = originalMaxAge
    await save(req)
    expect(store.writes).toBe(1)
    // Once: the next write is a write.
    await save(req)
    expect(store.writes).toBe(2)
  })

  test('also for those that do not wait for it', async () => {
    const { req, store, session } = request()
    await saveOnce(req)
    expect(session.save()).toBe(session)
    expect(store.writes).toBe(1)
  })

  test.each<[string, (session: AppSession) => void]>([
    ['what is held', (session) => Object.assign(session, { cart: 'two books' })],
    ['the path of its cookie', (session) => Object.assign(session.cookie, { path: '/shop' })],
  ])('writes where %s is another', async (_what, alter) => {
    const { req, store, session } = request({ cart: 'a book' })
    await saveOnce(req)
    alter(session)
    await save(req)
    expect(store.writes).toBe(2)
  })
})

test('a new id: what was held is kept, with the cookie and without the marker', async () => {
  const { req, session } = request({ cart: 'a book', secondFactor: marker() })
  const { sessionID, session: old } = req
  session.cookie.path = '/shop'
  await regenerateKeeping(req)
  expect(req.sessionID).not.toBe(sessionID)
  expect(req.session).not.toBe(old)
  expect(req.session).toMatchObject({ cart: 'a book' })
  expect(req.session.cookie).toBe(old.cookie)
  expect(req.session).not.toHaveProperty('secondFactor')
})

describe('a method in the place of one of the session', () => {
  test('is seen by nothing that looks through it, gives way to another, and is gone after one call', async () => {
    const { req, store, session } = request({ cart: 'a book' })
    const told: string[] = []
    aroundSave(req, () => told.push('changed'))
    expect(Object.keys(session)).toEqual(['cookie', 'cart'])
    await save(req)
    await save(req)
    expect(told).toEqual(['changed'])
    expect(Object.getOwnPropertyNames(session)).not.toContain('save')
    aroundSave(req, () => told.push('never'))
    session.save = () => session
    session.save()
    expect([told, store.writes]).toEqual([['changed'], 2])
  })

  test("puts the host's own back", async () => {
    const { req, session } = request()
    const own = jest.fn((done?: () => void) => {
      done?.()
      return session
    })
    session.save = own as unknown as AppSession['save']
    aroundSave(req, () => {})
    await save(req)
    expect(own).toHaveBeenCalledTimes(1)
    expect(session.save).toBe(own)
  })

  test('shapes the session that comes next, and no later one', async () => {
    const { req } = request()
    shapeNextSession(req, (session) => Object.assign(session, { shaped: true }))
    await regenerateKeeping(req)
    await save(req)
    expect(req.session).toHaveProperty('shaped')
    delete (req.session as AppSession).shaped
    await save(req)
    expect(req.session).not.toHaveProperty('shaped')
  })
})
