import type { Request } from 'express'
import type { SessionData, Store } from 'express-session'
import type { AppSession } from '../../lib/session/marker'
import { noteSigningOut, wasEnded, withoutRevival } from '../../lib/session/no-revival'
import { type RequestState, type Site, startState } from '../../lib/session/request-factor'

type Done = (error?: unknown, found?: unknown) => void

/** A session store whose calls are seen, and whose answers can be changed; it has all sessions that were set. */
class SeenStore {
  readonly rows = new Map<string, unknown>()
  asked = 0
  written: string[] = []
  failing: 'get' | 'set' | 'destroy' | null = null
  /** What happens before the answer of `get` is handed out. */
  meanwhile: () => void = () => {}
  /** When a write is carried out and answered. */
  lands: (write: () => void) => void = (write) => write()

  get(id: string, done: Done) {
    this.asked++
    if (this.failing === 'get') return done(new Error('away'))
    const found = this.rows.get(id)
    this.meanwhile()
    done(null, found)
  }

  set(id: string, data: unknown, done?: Done) {
    this.written.push(id)
    this.lands(() => {
      this.rows.set(id, data)
      if (this.failing === 'set') done?.(new Error('lost'))
      else done?.()
    })
  }

  destroy(id: string, done?: Done) {
    if (this.failing === 'destroy') return done?.(new Error('away'))
    this.rows.delete(id)
    done?.()
  }
}

const somebody = { passport: { user: '1' } }

/** A request that came with the session `id`, of somebody by default; what the session store then has of it. */
function request(store: SeenStore, id = 'a', content: object = somebody) {
  const req = { baseUrl: '', sessionStore: store, sessionID: id } as unknown as Request
  const session = { id, ...content } as unknown as AppSession
  Object.defineProperty(session, 'req', { value: req })
  Object.assign(req, { session })
  withoutRevival(req, startState(req, { path: '/two-factor' } as Site) as RequestState)
  return req
}

/** What express-session does at the end of an answer: the error, if any. */
const write = (store: SeenStore, req: Request, id = 'a') =>
  new Promise<unknown>((resolve) => (store as unknown as Store).set(id, req.session as SessionData, resolve))

const end = (store: SeenStore, id = 'a') =>
  new Promise<unknown>((resolve) => (store as unknown as Store).destroy(id, resolve))

test('a session that is there and has somebody is written, after one look', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  expect(await write(store, request(store))).toBeUndefined()
  expect(store.asked).toBe(1)
  expect(store.written).toEqual(['a'])
  expect(store.rows.has('a')).toBe(true)
})

test.each<[string, unknown, string[]]>([
  ['no more', undefined, []],
  ['with nobody in it', { passport: {} }, []],
  ['with half a login', { secondFactor: { state: 'pending' } }, ['a']],
  ['of somebody who must enrol', { secondFactor: { state: 'must-enrol' } }, ['a']],
  ['with a proof and nobody', { secondFactor: { state: 'verified' } }, []],
])('one that the store has %s', async (_what, stored, written) => {
  const store = new SeenStore()
  if (stored) store.rows.set('a', stored)
  expect(await write(store, request(store))).toBeUndefined()
  expect(store.written).toEqual(written)
})

test.each<[string, object]>([
  ['nobody', {}],
  ['a cart, and nobody', { cart: 'a book' }],
  ['a proof that was left over', { secondFactor: { state: 'verified' } }],
])('a session with %s is written as ever: there is nothing to bring back', async (_what, content) => {
  const store = new SeenStore()
  await write(store, request(store, 'a', content))
  expect(store.asked).toBe(0)
  expect(store.written).toEqual(['a'])
})

test('half a login is somebody', async () => {
  const store = new SeenStore()
  await write(store, request(store, 'a', { secondFactor: { state: 'pending' } }))
  expect(store.written).toEqual([])
})

test('what was ended here is known without a look', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const req = request(store)
  await end(store)
  store.rows.set('a', somebody)
  expect(await write(store, req)).toBeUndefined()
  expect(store.asked).toBe(0)
  expect(store.written).toEqual([])
})

test('what ends between the look and the write is not written', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const req = request(store)
  store.meanwhile = () => void end(store)
  await write(store, req)
  expect(store.written).toEqual([])
})

// Over a pool of connections.
test.each<[string, 'set' | null, unknown]>([
  ['is taken', null, undefined],
  ['fails, but is there', 'set', new Error('lost')],
])('what ends while a write is under way is ended again once that %s', async (_what, failing, told) => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  let land = () => {}
  store.lands = (write) => {
    land = write
  }
  const { session } = request(store)
  const done = jest.fn()
  ;(store as unknown as Store).set('a', session as SessionData, done)
  expect(store.written).toEqual(['a'])
  await end(store)
  expect(done).not.toHaveBeenCalled()
  store.failing = failing
  land()
  expect([...store.rows.keys()]).toEqual([])
  expect(done.mock.calls).toEqual([[told]])
})

test('a write under way that nobody waits for is taken back, too', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  let land = () => {}
  store.lands = (write) => {
    land = write
  }
  const { session } = request(store)
  ;(store as unknown as Store).set('a', session as SessionData)
  await end(store)
  land()
  expect(store.rows.size).toBe(0)
})

test('an ending that the store refused is none', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const req = request(store)
  store.failing = 'destroy'
  expect(await end(store)).toEqual(new Error('away'))
  await write(store, req)
  expect(store.written).toEqual(['a'])
})

test('a store that does not answer the look is told of, and nothing is written', async () => {
  const store = new SeenStore()
  const req = request(store)
  store.failing = 'get'
  expect(await write(store, req)).toEqual(new Error('away'))
  expect(store.written).toEqual([])
})

test('an id that is given again is a new session', async () => {
  const store = new SeenStore()
  const old = request(store)
  await end(store)
  // A request that did not come with it: a login, or a host that writes sessions itself.
  ;(store as unknown as Store).set('a', somebody as unknown as SessionData)
  expect(store.written).toEqual(['a'])
  await write(store, old)
  expect(store.written).toEqual(['a', 'a'])
})

test('requests that `session()` has not seen write as ever', () => {
  const store = new SeenStore()
  request(store)
  ;(store as unknown as Store).set('a', { ...somebody, req: {} } as unknown as SessionData)
  expect(store.asked).toBe(0)
  expect(store.written).toEqual(['a'])
})

test('nobody need wait for an answer', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const [first, second, third] = [request(store), request(store, 'b'), request(store, 'c')]
  const asStore = store as unknown as Store
  asStore.set('a', first.session as SessionData)
  asStore.set('b', second.session as SessionData)
  asStore.destroy('c')
  asStore.set('c', third.session as SessionData)
  expect(store.written).toEqual(['a'])
  store.failing = 'destroy'
  expect(() => asStore.destroy('a')).not.toThrow()
})

test('ten thousand endings are remembered, the last ones', async () => {
  const store = new SeenStore()
  const [first, second] = [request(store, 'id-0'), request(store, 'id-1')]
  for (let n = 0; n <= 10_000; n++) await end(store, `id-${n}`)
  store.rows.set('id-0', somebody)
  store.rows.set('id-1', somebody)
  await write(store, second, 'id-1')
  expect(store.asked).toBe(0)
  await write(store, first, 'id-0')
  expect(store.asked).toBe(1)
})

test('sessions without a store are left alone', () => {
  const req = { baseUrl: '', session: somebody } as unknown as Request
  const state = startState(req, { path: '/two-factor' } as Site) as RequestState
  expect(() => withoutRevival(req, state)).not.toThrow()
})

test('what others write under its id in between makes no process forget that it ended', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const old = request(store)
  // A page that was loaded between the two writes of a sign-out: nobody is in it any more.
  const page = request(store, 'a', { cart: 'a book' })
  await end(store)
  await write(store, page)
  store.rows.set('a', somebody)
  await write(store, old)
  expect(store.written).toEqual([])
  expect(wasEnded(old)).toBe(true)
})

test('a sign-out counts from its beginning', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const [one, other] = [request(store), request(store)]
  expect(wasEnded(other)).toBe(false)
  noteSigningOut(one)
  expect(wasEnded(other)).toBe(true)
  await write(store, other)
  expect(store.written).toEqual([])
  expect(() => noteSigningOut({} as Request)).not.toThrow()
})

test('an id that express-session hands out once more is that of a new session', async () => {
  const store = new SeenStore()
  Object.assign(store, { generate: (req: Request) => Object.assign(req, { sessionID: 'a' }) })
  const req = request(store)
  await end(store)
  ;(store as unknown as { generate(req: Request): void }).generate(req)
  expect(wasEnded(req)).toBe(false)
})

test('a store that says by an error that there is none is told nothing, and asked for no more', async () => {
  const store = new SeenStore()
  store.get = (_id, done) => done(Object.assign(new Error('none'), { code: 'ENOENT' }))
  const req = request(store)
  expect(await write(store, req)).toBeUndefined()
  expect(store.written).toEqual([])
})

test('a host that waits for the promise of a store gets it, and its error', async () => {
  const store = new SeenStore()
  let fails = false
  const destroy = async (_id: string, done?: Done) => {
    if (done) return done()
    if (fails) throw new Error('away')
  }
  Object.assign(store, { destroy })
  const req = request(store)
  Object.assign(req, { sessionID: 'a' })
  const promised = (store as unknown as { destroy(id: string): Promise<void> }).destroy
  fails = true
  await expect(promised('a')).rejects.toThrow('away')
  expect(wasEnded(req)).toBe(false)
  fails = false
  await promised('a')
  expect(wasEnded(req)).toBe(true)
})

describe('touch, by which some stores write the whole session again', () => {
  const touching = () => {
    const store = new SeenStore()
    const touched: string[] = []
    let answer: Done = () => {}
    const touch = (id: string, data: unknown, done: Done) => {
      touched.push(id)
      answer = (error) => {
        store.rows.set(id, data)
        done(error)
      }
    }
    Object.assign(store, { touch })
    store.rows.set('a', somebody)
    const req = request(store)
    const told = jest.fn()
    const again = () => (store as unknown as { touch: typeof touch }).touch('a', somebody, told)
    return { store, req, touched, told, again, answer: (error?: unknown) => answer(error) }
  }

  test.each([undefined, new Error('away')])('of a session that is there is as ever: %p', (error) => {
    const { store, touched, told, again, answer } = touching()
    again()
    answer(error)
    expect([touched, told.mock.calls, store.rows.has('a')]).toEqual([['a'], [[error]], true])
  })

  test('of one that was ended is none', async () => {
    const { store, touched, told, again } = touching()
    await end(store)
    again()
    expect([touched, told.mock.calls, store.rows.has('a')]).toEqual([[], [[]], false])
  })

  test('that is under way while it ends is taken back', async () => {
    const { store, told, again, answer } = touching()
    again()
    await end(store)
    answer()
    expect([told.mock.calls.length, store.rows.has('a')]).toEqual([1, false])
  })

  test('by the store’s own set is no word of the host’s', async () => {
    const { store, req, told } = touching()
    let land = () => {}
    const asStore = store as unknown as {
      set(id: string, data: unknown, done: Done): void
      touch(id: string, data: unknown, done: Done): void
    }
    const found = new SeenStore()
    found.rows.set('a', somebody)
    Object.assign(found, {
      touch(this: typeof asStore, id: string, _data: unknown, done: Done) {
        land = () => this.set(id, somebody, done)
      },
    })
    request(found)
    const touch = () => (found as unknown as typeof asStore).touch('a', somebody, told)
    touch()
    await end(found)
    land()
    expect([found.written, found.rows.has('a'), told.mock.calls.length]).toEqual([[], false, 1])
    // Two at once, and then the host's own word.
    found.rows.set('b', somebody)
    ;(found as unknown as typeof asStore).touch('a', somebody, told)
    expect(told).toHaveBeenCalledTimes(2)
    found.set('a', somebody)
    expect(found.rows.has('a')).toBe(true)
    touch()
    land()
    expect(found.written).toEqual(['a', 'a'])
    void req
  })

  test('of two at once, each is the store’s own until it is done', async () => {
    const store = new SeenStore()
    store.rows.set('a', somebody)
    const lands: (() => void)[] = []
    Object.assign(store, {
      touch(
        this: { set(id: string, data: unknown, done?: Done): void },
        id: string,
        _data: unknown,
        done?: Done,
      ) {
        lands.push(() => this.set(id, somebody, done))
      },
    })
    request(store)
    const touch = () => (store as unknown as { touch(id: string, data: unknown): void }).touch('a', somebody)
    touch()
    touch()
    await end(store)
    for (const land of lands) land()
    expect([store.written, store.rows.has('a')]).toEqual([[], false])
  })

  test('that is under way while somebody begins to sign out leaves the ending to that', () => {
    const { store, req, told, again, answer } = touching()
    again()
    noteSigningOut(req)
    answer()
    expect([told.mock.calls.length, store.rows.has('a')]).toEqual([1, true])
  })
})

describe('a sign-out takes its user out before it ends the session', () => {
  const leaving = () => {
    const store = new SeenStore()
    store.rows.set('a', somebody)
    const req = request(store)
    noteSigningOut(req)
    Object.assign(req.session, { passport: {} })
    return { store, req }
  }

  test('so that nobody is left where the ending fails', async () => {
    const { store, req } = leaving()
    await write(store, req)
    expect(store.rows.get('a')).toHaveProperty('passport', {})
    store.failing = 'destroy'
    expect(await end(store)).toEqual(new Error('away'))
    // Nor is anybody put back by what was under way.
    const other = request(store)
    await write(store, other)
    expect(store.rows.get('a')).toHaveProperty('passport', {})
  })

  test('and once it is ended not even that is written', async () => {
    const { store, req } = leaving()
    await end(store)
    noteSigningOut(req)
    await write(store, req)
    expect(store.written).toEqual([])
  })
})

test('a sign-out that failed is taken back, unless the session has ended all the same', async () => {
  const store = new SeenStore()
  store.rows.set('a', somebody)
  const req = request(store)
  const takeBack = noteSigningOut(req)
  expect(wasEnded(req)).toBe(true)
  takeBack()
  expect(wasEnded(req)).toBe(false)
  await write(store, req)
  expect(store.written).toEqual(['a'])
  const again = noteSigningOut(req)
  await end(store)
  again()
  expect(wasEnded(req)).toBe(true)
})
