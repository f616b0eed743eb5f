import { createSecondFactor, RotationError, UnavailableError } from 'express-second-factor'
import { withFailure } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD } from '../../lib/account/record'
import { AccountRecords } from '../../lib/account/records'
import { type RotationProgress, rotate, rotateBoth } from '../../lib/account/rotation'
import { Keyring } from '../../lib/crypto/keyring'
import { MemoryStore } from '../../lib/stores/memory'
import type { StoredRecord } from '../../lib/stores/store'
import { createTestApp, KEY } from '../support/app'
import { Client, enrol } from '../support/client'
import { Clock } from '../support/clock'

jest.setTimeout(30_000)

// The pauses before a lost answer is looked up again are no part of what is tested.
jest.mock('node:timers/promises', () => ({
  ...jest.requireActual('node:timers/promises'),
  setTimeout: async () => {},
}))

const OLD = Buffer.from('0123456789abcdef0123456789abcdef')
const NEW = Buffer.from('fedcba9876543210fedcba9876543210')
const OTHER = Buffer.from('00112233445566778899aabbccddeeff')
const clock = new Clock()
const records = (store: MemoryStore, ...keys: Buffer[]) =>
  new AccountRecords(store, new Keyring(keys), clock.now)
const name = (index: number) => `account-${String(index).padStart(5, '0')}`

/** One more failure: the count tells whether any was lost. */
const count = (record: AccountRecord, now: number) => {
  const next = withFailure(record, 'totp', now)
  return { record: next, outcome: next.failures.totp.count }
}

async function filled(rows: number, key = OLD): Promise<MemoryStore> {
  const store = new MemoryStore()
  const old = records(store, key)
  for (let index = 0; index < rows; index++) await old.transact(name(index), count)
  return store
}

/** How many rows open with these keys alone. */
async function opening(store: MemoryStore, ...keys: Buffer[]): Promise<number> {
  const rows = await records(store, ...keys).list(null, 100_000)
  return rows.filter(({ record }) => record !== null).length
}

test('300 accounts: all open without the old key afterwards, and not one before', async () => {
  const store = await filled(300)
  expect(await opening(store, NEW)).toBe(0)
  const pages: RotationProgress[] = []
  const end = await rotate(records(store, NEW, OLD), { onProgress: (page) => pages.push(page) })
  expect(end).toEqual({ done: true, seen: 300, resealed: 300, unreadable: [], last: name(299) })
  expect(await opening(store, NEW)).toBe(300)
  expect(pages.map(({ seen }) => seen)).toEqual([100, 200, 300])
  expect((await records(store, NEW).read(name(7))).failures.totp.count).toBe(1)
})

test('a second rotation finds nothing to write', async () => {
  const store = await filled(150)
  const both = records(store, NEW, OLD)
  await rotate(both)
  const before = await store.list(null, 1000)
  expect(await rotate(both)).toMatchObject({ done: true, seen: 150, resealed: 0 })
  expect(await store.list(null, 1000)).toEqual(before)
})

test('no accounts are done at once', async () => {
  const end = await rotate(records(new MemoryStore(), NEW, OLD))
  expect(end).toEqual({ done: true, seen: 0, resealed: 0, unreadable: [], last: null })
})

test('with both keys old records open, and what is written is sealed with the new one', async () => {
  const store = await filled(2)
  expect(await records(store, NEW, OLD).transact(name(0), count)).toBe(2)
  expect((await records(store, NEW).read(name(0))).failures.totp.count).toBe(2)
  await expect(records(store, NEW).read(name(1))).rejects.toThrow(UnavailableError)
})

test('accounts whose key is missing are named, left as they are, and do not hold up the others', async () => {
  const store = await filled(250)
  const lost = [name(3), name(120), name(249)]
  for (const id of lost) {
    await store.delete(id)
    await records(store, OTHER).transact(id, count)
  }
  const before = await Promise.all(lost.map((id) => store.get(id)))
  const end = await rotate(records(store, NEW, OLD))
  expect(end).toEqual({ done: true, seen: 250, resealed: 247, unreadable: lost, last: name(249) })
  expect(await Promise.all(lost.map((id) => store.get(id)))).toEqual(before)
  expect(await opening(store, NEW)).toBe(247)
})

test('an account that is erased meanwhile is not made again', async () => {
  const store = await filled(20)
  const list = store.list.bind(store)
  store.list = async (...page) => {
    const rows = await list(...page)
    await store.delete(name(5))
    return rows
  }
  await rotate(records(store, NEW, OLD))
  expect(await store.get(name(5))).toBeNull()
})

test('stops at the signal between two rows, and goes on where it stopped', async () => {
  const store = await filled(500)
  const stop = new AbortController()
  const { compareAndSet } = store
  let writes = 0
  store.compareAndSet = function (...write) {
    if (++writes === 150) stop.abort()
    return compareAndSet.apply(this, write)
  }
  const first = await rotate(records(store, NEW, OLD), { signal: stop.signal })
  expect(first.done).toBe(false)
  expect(first.seen).toBeGreaterThanOrEqual(150)
  expect(first.seen).toBeLessThan(170)
  expect(first.last).toBe(name(first.seen - 1))
  expect(await opening(store, NEW)).toBe(first.seen)

  const { list } = store
  const begins: (string | null)[] = []
  store.list = function (...page) {
    begins.push(page[0])
    return list.apply(this, page)
  }
  const second = await rotate(records(store, NEW, OLD), { after: first.last })
  expect(begins[0]).toBe(first.last)
  expect(second).toMatchObject({ done: true, seen: 500 - first.seen, resealed: 500 - first.seen })
  expect(await opening(store, NEW)).toBe(500)
})

test('a signal that was there before asks the store for nothing', async () => {
  const store = await filled(3)
  store.list = () => Promise.reject(new Error('asked'))
  const end = await rotate(records(store, NEW, OLD), { signal: AbortSignal.abort(), after: 'b' })
  expect(end).toEqual({ done: false, seen: 0, resealed: 0, unreadable: [], last: 'b' })
})

test('a store that fails ends it at once, with how far it came; going on from there loses nothing', async () => {
  const store = await filled(400)
  const { compareAndSet, get } = store
  let writes = 0
  const asked = new Set<string>()
  store.compareAndSet = function (...write) {
    return ++writes > 130 ? Promise.reject(new Error('gone')) : compareAndSet.apply(this, write)
  }
  store.get = function (id) {
    asked.add(id)
    // Also the look whether the write has happened after all.
    return writes > 130 ? Promise.reject(new Error('gone')) : get.call(this, id)
  }
  const rotation = rotate(records(store, NEW, OLD))
  const error: RotationError = await rotation.then(Promise.reject, (reason) => reason)
  expect(error).toBeInstanceOf(RotationError)
  expect(error).toBeInstanceOf(UnavailableError)
  const { last, seen } = error.progress
  expect(seen).toBe(130)
  expect(last).toBe(name(129))
  expect(writes).toBeLessThanOrEqual(130 + 8)
  expect(asked.size).toBeLessThanOrEqual(130 + 8)

  Object.assign(store, { compareAndSet, get })
  expect(await opening(store, NEW)).toBe(130)
  expect(await rotate(records(store, NEW, OLD), { after: last })).toMatchObject({ done: true, seen: 270 })
  expect(await opening(store, NEW)).toBe(400)
})

test('of rows written at once the first that failed counts, whatever became of the later ones', async () => {
  const store = await filled(20)
  const { compareAndSet } = store
  store.compareAndSet = async function (...write) {
    if (write[0] === name(3)) throw new Error('gone')
    return compareAndSet.apply(this, write)
  }
  const rotation = rotate(records(store, NEW, OLD))
  const error: RotationError = await rotation.then(Promise.reject, (reason) => reason)
  expect(error.progress).toMatchObject({ seen: 3, last: name(2) })
  expect(await opening(store, NEW)).toBe(error.progress.resealed)
})

test('of two rows that fail the earlier counts, also where the later fails first', async () => {
  const store = await filled(20)
  const { get } = store
  let laterFailed = () => {}
  const later = new Promise<void>((resolve) => {
    laterFailed = resolve
  })
  store.get = async function (id) {
    if (id === name(3)) await later
    if (id === name(5)) setImmediate(laterFailed)
    if (id === name(3) || id === name(5)) throw new Error(`gone: ${id}`)
    return get.call(this, id)
  }
  const error: RotationError = await rotate(records(store, NEW, OLD)).then(Promise.reject, (reason) => reason)
  expect(error.progress).toMatchObject({ seen: 3, last: name(2) })
  expect((error.cause as Error).cause).toMatchObject({ message: `gone: ${name(3)}` })
})

test('of two rows that fail the earlier counts, also where it fails first', async () => {
  const store = await filled(20)
  const { get } = store
  store.get = async function (id) {
    if (id === name(5)) await new Promise(setImmediate)
    if (id === name(3) || id === name(5)) throw new Error(`gone: ${id}`)
    return get.call(this, id)
  }
  const error: RotationError = await rotate(records(store, NEW, OLD)).then(Promise.reject, (reason) => reason)
  expect(error.progress).toMatchObject({ seen: 3, last: name(2) })
  expect((error.cause as Error).cause).toMatchObject({ message: `gone: ${name(3)}` })
})

test('where the first row fails, nothing is done, and it says where it began', async () => {
  const store = await filled(5)
  store.get = () => Promise.reject(new Error('gone'))
  const error: RotationError = await rotate(records(store, NEW, OLD), { after: name(1) }).then(
    Promise.reject,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'RotationError', progress: { seen: 0, last: name(1) } })
  expect(error.message).toMatch(/rotation.*ended early: .*does not answer/)
})

test('what is no failure of the store is passed on as it is', async () => {
  const all = records(await filled(1), NEW, OLD)
  const mistake = new TypeError('ours')
  all.reseal = () => Promise.reject(mistake)
  await expect(rotate(all)).rejects.toBe(mistake)
})

test('a list that fails tells how far it came', async () => {
  const store = await filled(150)
  const { list } = store
  store.list = function (...page) {
    return page[0] === null ? list.apply(this, page) : Promise.reject(new Error('gone'))
  }
  await expect(rotate(records(store, NEW, OLD))).rejects.toMatchObject({
    code: 'unavailable',
    progress: { seen: 100, last: name(99) },
  })
})

test('a store without list() is told', async () => {
  const store = Object.assign(await filled(1), { list: undefined })
  await expect(rotate(records(store as never, NEW, OLD))).rejects.toMatchObject({ code: 'SF_STORE_LIST' })
})

test('writes few rows at once, and leaves the app its turn', async () => {
  const store = await filled(300)
  const { compareAndSet } = store
  let now = 0
  let most = 0
  store.compareAndSet = async function (...write) {
    most = Math.max(most, ++now)
    await new Promise(setImmediate)
    now--
    return compareAndSet.apply(this, write)
  }
  let turns = 0
  const app = setInterval(() => turns++, 0)
  await rotate(records(store, NEW, OLD))
  clearInterval(app)
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(8)
  expect(turns).toBeGreaterThan(0)
})

test('other processes write while it rotates, and none of it is lost', async () => {
  const store = await filled(40)
  // Every answer takes a turn, so that they get in between each other.
  const { get, compareAndSet } = store
  let lost = 0
  store.get = async function (id): Promise<StoredRecord | null> {
    const row = await get.call(this, id)
    await new Promise(setImmediate)
    return row
  }
  store.compareAndSet = async function (...write) {
    await new Promise(setImmediate)
    const written = await compareAndSet.apply(this, write)
    if (!written) lost++
    return written
  }
  const processes = [records(store, NEW, OLD), records(store, NEW, OLD)]
  const logins = Array.from({ length: 400 }, (_, index) =>
    processes[index % 2]?.transact(name(index % 40), count),
  )
  const [end] = await Promise.all([rotate(records(store, NEW, OLD)), ...logins])
  expect(end.done).toBe(true)
  expect(lost).toBeGreaterThan(0)
  for (let index = 0; index < 40; index++) {
    expect((await records(store, NEW).read(name(index))).failures.totp.count).toBe(11)
  }
})

describe('from the app', () => {
  const NEXT = NEW.toString('base64')

  async function enrolled() {
    const first = createTestApp()
    const alice = await enrol(new Client(first.app), first.clock.now, 'alice')
    const bob = await enrol(new Client(first.app), first.clock.now, 'bob')
    const start = (keys: string[]) =>
      createTestApp({ store: first.store, clock: first.clock, secondFactor: { keys } })
    return { ...first, alice, bob, start }
  }

  async function logIn(app: ReturnType<typeof createTestApp>, username: string, code: string) {
    const client = new Client(app.app)
    expect((await client.login(username)).status).toBe(403)
    return (await client.challenge(code)).body.state
  }

  test('the key is rotated: every account logs in, with both keys and with the new one alone', async () => {
    const { alice, bob, clock, start } = await enrolled()
    const both = start([NEXT, KEY])
    clock.nextStep()
    expect(await logIn(both, 'alice', alice.authenticator.code())).toBe('verified')
    expect(await both.secondFactor.rotateKeys()).toMatchObject({ done: true, seen: 2, resealed: 1 })
    const alone = start([NEXT])
    clock.nextStep()
    expect(await logIn(alone, 'alice', alice.authenticator.code())).toBe('verified')
    expect(await logIn(alone, 'bob', bob.authenticator.code())).toBe('verified')
  })

  test('a key that is taken out before: 503 for those it sealed, while the others log in', async () => {
    const { alice, clock, start } = await enrolled()
    const both = start([NEXT, KEY])
    clock.nextStep()
    await logIn(both, 'alice', alice.authenticator.code())
    const alone = start([NEXT])
    clock.nextStep()
    expect(await logIn(alone, 'alice', alice.authenticator.code())).toBe('verified')
    expect((await new Client(alone.app).login('bob')).status).toBe(503)
    await expect(alone.secondFactor.status('u-bob')).rejects.toThrow(UnavailableError)
    expect(await alone.secondFactor.rotateKeys()).toMatchObject({ done: true, unreadable: ['u-bob'] })
  })

  test('a session that was signed in before goes on', async () => {
    const { alice, clock, start } = await enrolled()
    const both = start([NEXT, KEY])
    clock.nextStep()
    const client = new Client(both.app)
    await client.login()
    await client.challenge(alice.authenticator.code())
    await both.secondFactor.rotateKeys()
    clock.forward(120)
    expect((await client.get('/vault')).status).toBe(200)
  })
})

describe('reset', () => {
  test('takes everything off and ends all sessions, at once in this process', async () => {
    const { app, secondFactor, clock } = createTestApp()
    const client = new Client(app)
    const { authenticator } = await enrol(client, clock.now)
    expect((await client.get('/vault')).status).toBe(200)
    const pending = new Client(app)
    await pending.login()

    await secondFactor.reset('u-alice')
    expect(await secondFactor.status('u-alice')).toMatchObject({ enabled: false, methods: [] })
    expect((await client.get('/account')).status).toBe(401)
    clock.nextStep()
    expect((await pending.challenge(authenticator.code())).status).toBe(401)
    expect((await new Client(app).login()).status).toBe(302)
  })

  test('is refused for what is no account id, and says when the store is away', async () => {
    const store = new MemoryStore()
    const secondFactor = createSecondFactor({ issuer: 'A', account: () => ({ id: 1 }), keys: [KEY], store })
    await expect(secondFactor.reset('')).rejects.toMatchObject({ code: 'SF_ACCOUNT_ID' })
    store.get = () => Promise.reject(new Error('away'))
    await expect(secondFactor.reset('a')).rejects.toThrow(UnavailableError)
  })

  test('empties the record but for the epoch', async () => {
    const { app, store, secondFactor, clock } = createTestApp()
    await enrol(new Client(app), clock.now)
    const read = () => new AccountRecords(store, new Keyring([KEY]), clock.now).read('u-alice')
    const { epoch } = await read()
    await secondFactor.reset('u-alice')
    expect(await read()).toEqual({ ...EMPTY_RECORD, epoch: epoch + 1, disabledAt: clock.now() })
  })
})

test('requests that fail after the accounts are told as one failure, with all that does not open', async () => {
  const accounts = { seen: 2, resealed: 1, unreadable: ['a', 'b'], last: 'b', done: true }
  const progress = { seen: 1, resealed: 0, unreadable: ['b', 'c'], last: 'c' }
  const failed = () => Promise.reject(new RotationError(progress, new UnavailableError('It is away')))
  const error = await rotateBoth(accounts, failed).catch((error) => error)
  expect(error).toBeInstanceOf(RotationError)
  expect(error.message).toBe('The rotation of the keys ended early: It is away')
  expect(error.progress).toEqual({ seen: 2, resealed: 1, unreadable: ['a', 'b', 'c'], last: 'b' })
})
