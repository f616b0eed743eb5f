import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore, type SecondFactorStore, SqlStore, type StoreReport } from 'express-second-factor'
import Database from 'libsql'
import { Accounts } from '../../lib/account/accounts'
import { disable, enrol, replace } from '../../lib/account/enrolment'
import { AccountRecords } from '../../lib/account/records'
import { rotate } from '../../lib/account/rotation'
import { Keyring } from '../../lib/crypto/keyring'
import type { UnavailableError } from '../../lib/errors'
import { type ListedRequest, type Place, Recoveries, RecoveryRecords } from '../../lib/recovery/recoveries'
import { NO_RECOVERY } from '../../lib/recovery/request'
import { readRequestId, readTicket } from '../../lib/recovery/ticket'
import { KEY } from '../support/app'
import { Clock } from '../support/clock'
import { until } from './world'

const DAY = 86_400_000
const answers = { phone: '1' }
const KEY2 = randomBytes(32).toString('base64')
const nobodyKnows = { salt: 'c2FsdA==', hashes: [], total: 0, generatedAt: 0 }

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'recoveries-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Several processes, each with clients of its own, at the same two stores. */
const kinds: [string, (name: string) => () => { factors: SecondFactorStore; requests: SecondFactorStore }][] =
  [
    [
      'in memory',
      () => {
        const [factors, requests] = [new MemoryStore(), new MemoryStore()]
        return () => ({ factors, requests })
      },
    ],
    [
      'in SQLite, in a table of its own',
      (name) => () => {
        const database = new Database(join(folder, `${name}.db`), { timeout: 5000 })
        return {
          factors: new SqlStore(database),
          requests: new SqlStore(database, { table: 'second_factor_recoveries' }),
        }
      },
    ],
  ]

const clock = new Clock()

function open(
  { factors, requests }: { factors: SecondFactorStore; requests: SecondFactorStore },
  needed = 1,
) {
  const keyring = new Keyring([KEY])
  const records = new AccountRecords(factors, keyring, clock.now)
  const accounts = new Accounts(records, clock.now, 5)
  const recoveryRecords = new RecoveryRecords(requests, keyring, clock.now)
  const terms = { approvals: needed, delay: DAY }
  const host = { told: fail as (error: UnavailableError) => void }
  return {
    host,
    accounts,
    records,
    recoveryRecords,
    recoveries: new Recoveries(recoveryRecords, accounts, terms, clock.now, (error) => host.told(error)),
  }
}

type Process = ReturnType<typeof open>

/** An enrolled account whose request waits. */
async function requested({ records, recoveries, accounts }: Process, id = 'alice') {
  await records.transact(id, (record, now) =>
    enrol(record, { secret: Buffer.alloc(20, 7), step: 0, clockSide: 0 }, nobodyKnows, now),
  )
  const asked = await recoveries.ask(id, answers, await accounts.status(id))
  const [listed] = (await all({ recoveries })).filter(({ accountId }) => accountId === id)
  const named = readRequestId(listed?.id) as { accountId: string; key: string }
  return { ticket: readTicket(asked.ticket) as { accountId: string; key: string }, named }
}

/** The same, quicker. */
async function enrolAndAsk({ records, recoveries, accounts }: Process, id: string) {
  clock.time += 1
  await records.transact(id, (record, now) =>
    enrol(record, { secret: Buffer.alloc(20, 7), step: 0, clockSide: 0 }, nobodyKnows, now),
  )
  await recoveries.ask(id, answers, await accounts.status(id))
}

const all = async ({ recoveries }: Pick<Process, 'recoveries'>) =>
  (await recoveries.list({ after: null, limit: 1000 })).requests
const over = async ({ recoveries }: Process) =>
  (await recoveries.list({ ended: true, after: null, limit: 1000 })).requests

const fail = (error: Error) => {
  throw error
}

describe.each(kinds)('%s', (kind, make) => {
  let count = 0
  const processes = (many: number, needed = 1) => {
    const place = make(`${kind.replace(/\W/g, '')}-${count++}`)
    return Array.from({ length: many }, () => open(place(), needed))
  }

  test('of two approvals at once of one administrator one counts', async () => {
    const [a, b] = processes(2, 2) as [Process, Process]
    const { named } = await requested(a)
    const deciding = { ...named, by: 'ada', reason: 'r' }
    const decisions = await Promise.all([a.recoveries.approve(deciding), b.recoveries.approve(deciding)])
    expect(decisions.map(({ decided }) => decided).sort()).toEqual([false, true])
    expect((await a.recoveries.find(named))?.request).toMatchObject({ state: 'requested', effectiveAt: null })
  })

  test('two approvals at once of two administrators both count, and the last one sets the time', async () => {
    const [a, b] = processes(2, 2) as [Process, Process]
    const { named } = await requested(a)
    const [one, two] = await Promise.all([
      a.recoveries.approve({ ...named, by: 'ada', reason: 'r' }),
      b.recoveries.approve({ ...named, by: 'grace', reason: 'r' }),
    ])
    const counts = [one, two].map((decision) => decision.decided && decision.request.approvals.length)
    expect(counts.sort()).toEqual([1, 2])
    expect((await b.recoveries.find(named))?.request).toMatchObject({
      state: 'approved',
      effectiveAt: clock.time + DAY,
    })
  })

  test('of asking at once one makes a request', async () => {
    const crowd = processes(4)
    const first = crowd[0] as Process
    await first.records.transact('alice', (record, now) =>
      enrol(record, { secret: Buffer.alloc(20, 7), step: 0, clockSide: 0 }, nobodyKnows, now),
    )
    const status = await first.accounts.status('alice')
    const asked = await Promise.all(
      crowd.flatMap(({ recoveries }) => [1, 2, 3].map(() => recoveries.ask('alice', answers, status))),
    )
    expect(asked.filter((one) => one.asked === 'new')).toHaveLength(1)
    expect(asked.filter((one) => one.asked === 'before')).toHaveLength(11)
  })

  test('cancelling against completing: one of them happens, and the account is as it says', async () => {
    const [a, b, c] = processes(3) as [Process, Process, Process]
    const seen = { cancelled: 0, completed: 0 }
    for (let round = 0; round < 12; round++) {
      const id = `race-${round}`
      const { named, ticket } = await requested(a, id)
      await a.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
      clock.time += DAY
      const status = await a.accounts.status(id)
      // From far behind the cancelling to far before it.
      const waited = async (turns: number) => {
        for (let turn = 0; turn < turns; turn++) await null
      }
      const complete = async () => {
        await waited((11 - round) * 12)
        return Promise.all([a.recoveries.complete(id, status), c.recoveries.complete(id, status)])
      }
      const [{ cancelled }, completions] = await Promise.all([
        waited(round * 12).then(() => b.recoveries.cancelByTicket(ticket)),
        complete(),
      ])
      const recovered = completions.filter((completion) => completion === 'now').length
      const { enabled, mustEnrol } = await b.accounts.status(id)
      expect([recovered, enabled, mustEnrol]).toEqual(cancelled ? [0, true, false] : [1, false, true])
      seen[cancelled ? 'cancelled' : 'completed']++
    }
    expect(seen.cancelled + seen.completed).toBe(12)
    expect(Math.min(seen.cancelled, seen.completed)).toBeGreaterThan(0)
  })

  test('rejecting against completing', async () => {
    const [a, b] = processes(2) as [Process, Process]
    const { named } = await requested(a)
    await a.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
    clock.time += DAY
    const status = await a.accounts.status('alice')
    const [decision, completion] = await Promise.all([
      b.recoveries.reject({ ...named, by: 'ada' }),
      a.recoveries.complete('alice', status),
    ])
    expect(decision.decided).toBe(completion === null)
    expect((await a.accounts.status('alice')).enabled).toBe(decision.decided)
  })
})

describe('a process that died', () => {
  test('between the two writes: the next one does the second, and only for that factor', async () => {
    const place = { factors: new MemoryStore(), requests: new MemoryStore() }
    const dying = open({
      ...place,
      factors: Object.assign(Object.create(place.factors), {
        compareAndSet: async () => {
          throw new Error('killed')
        },
      }),
    })
    const alive = open(place)
    const { named, ticket } = await requested(alive)
    await alive.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
    clock.time += DAY
    await expect(dying.recoveries.complete('alice', await alive.accounts.status('alice'))).rejects.toThrow(
      'does not answer',
    )
    expect((await alive.accounts.status('alice')).enabled).toBe(true)
    // It is decided: nobody cancels it any more.
    expect(await alive.recoveries.cancelByTicket(ticket)).toEqual({ cancelled: false, reason: 'over' })
    const status = await alive.accounts.status('alice')
    expect(await alive.recoveries.complete('alice', status)).toBe('now')
    expect(await alive.accounts.status('alice')).toMatchObject({ enabled: false, mustEnrol: true })
    expect(await alive.recoveries.complete('alice', status)).toBe('before')
    clock.time += 1000
    await alive.records.transact('alice', (record, now) =>
      enrol(record, { secret: Buffer.alloc(20, 8), step: 0, clockSide: 0 }, nobodyKnows, now),
    )
    expect(await alive.recoveries.complete('alice', await alive.accounts.status('alice'))).toBeNull()
  })
})

describe('a row', () => {
  test('of one store opens in no other, though the keys are the same', async () => {
    const requests = new MemoryStore()
    const place = { factors: new MemoryStore(), requests }
    const opened = open(place)
    await requested(opened)
    const swapped = open({ factors: requests, requests: place.factors })
    await expect(swapped.accounts.status('alice')).rejects.toThrow('does not open')
    await expect(swapped.recoveryRecords.read('alice')).rejects.toThrow('does not open')
  })

  test('says whether a request is open', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    const { ticket } = await requested(opened)
    expect((await requests.get('alice'))?.activated).toBe(true)
    await opened.recoveries.cancelByTicket(ticket)
    expect((await requests.get('alice'))?.activated).toBe(false)
  })
})

describe('the list', () => {
  test('erases what was over long ago, and tells of what does not open', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    await requested(opened, 'a')
    const { ticket } = await requested(opened, 'b')
    await opened.recoveries.cancelByTicket(ticket)
    clock.time += 30 * DAY
    await requested(opened, 'c')
    // Requested a month ago: expired for 23 days. Cancelled a month ago: erased, and no row is left.
    await until(async () => (await requests.get('b')) === null)
    expect(await opened.recoveryRecords.read('b')).toEqual(NO_RECOVERY)
    const states = (listed: ListedRequest[]) => listed.map(({ accountId, state }) => [accountId, state])
    expect(states(await all(opened))).toEqual([['c', 'requested']])
    expect(states(await over(opened))).toEqual([['a', 'expired']])
    const row = await requests.get('c')
    await requests.compareAndSet('d', 0, { ...(row as NonNullable<typeof row>) })
    const damaged: unknown[] = []
    opened.host.told = (error) => damaged.push(error.accountId)
    expect(await all(opened)).toHaveLength(1)
    expect(damaged).toEqual(['d'])
    expect(await opened.recoveries.countOpen()).toBe(1)
  })

  test('goes through more than a page, and has the oldest first', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    const ids = Array.from({ length: 401 }, (_, i) => `m-${(i * 7) % 401}`)
    for (const id of ids) await enrolAndAsk(opened, id)
    const walk = async (ended: boolean) => {
      const seen: string[] = []
      let after: Place | null = null
      do {
        const page: Awaited<ReturnType<Recoveries['list']>> = await opened.recoveries.list({
          ended,
          after,
          limit: 50,
        })
        expect(page.requests.length).toBeLessThanOrEqual(50)
        seen.push(...page.requests.map(({ accountId }) => accountId))
        after = page.next
      } while (after)
      return seen
    }
    expect(await walk(false)).toEqual(ids)
    expect([await walk(true), await opened.recoveries.countOpen()]).toEqual([[], 401])
    // Those that are over: the latest first.
    clock.time += 7 * DAY
    expect(await walk(true)).toEqual([...ids].reverse())
    expect([await walk(false), await opened.recoveries.countOpen()]).toEqual([[], 0])
  })
})

describe('a look at the list', () => {
  const status = { enabled: true, since: 1, lastUsedAt: null }

  test('opens the rows of open requests alone', async () => {
    const opened = open({ factors: new MemoryStore(), requests: new MemoryStore() })
    for (let i = 0; i < 30; i++) {
      await opened.recoveries.ask(`over-${i}`, answers, status)
      await opened.recoveries.cancel(`over-${i}`, status)
    }
    await enrolAndAsk(opened, 'open')
    const unseal = jest.spyOn(Keyring.prototype, 'open')
    expect((await all(opened)).map(({ accountId }) => accountId)).toEqual(['open'])
    // The request, and its account. Other lists are still being tidied.
    const opening = unseal.mock.calls.filter(([id]) => /^(over|open)/.test(id))
    expect(opening.map(([id]) => id)).toEqual(['open', 'open'])
    unseal.mockRestore()
  })

  test('waits for a store that hangs no longer than any call', async () => {
    const requests = Object.assign(new MemoryStore(), { list: () => new Promise<never>(() => {}) })
    const { accounts } = open({ factors: new MemoryStore(), requests: new MemoryStore() })
    const records = new RecoveryRecords(requests, new Keyring([KEY]), clock.now, 1000)
    const recoveries = new Recoveries(records, accounts, { approvals: 1, delay: DAY }, clock.now, fail)
    await expect(recoveries.list({ after: null, limit: 50 })).rejects.toThrow(
      'The store of option recovery did not answer in time',
    )
  }, 10_000)

  test('writes nothing by itself, and what is over is gone soon after it', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    for (let i = 0; i < 40; i++) await opened.recoveries.ask(`old-${i}`, answers, status)
    // An emptied row, as an earlier version left them.
    await opened.recoveryRecords.transact('empty', (record) => ({
      record: { ...record },
      outcome: null,
    }))
    expect(await requests.get('empty')).not.toBeNull()
    clock.time += 37 * DAY
    const write = jest.spyOn(requests, 'compareAndSet')
    expect(await all(opened)).toEqual([])
    expect(write).not.toHaveBeenCalled()
    await until(async () => (await requests.list(null, 100)).length === 0)
  })

  test('tells the host of rows that could not be erased, whoever has looked', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    await opened.recoveries.ask('a', answers, status)
    clock.time += 37 * DAY
    requests.delete = () => Promise.reject(new Error('permission denied'))
    const told: string[] = []
    opened.host.told = ({ message }) => told.push(message)
    await opened.recoveries.countOpen()
    await until(() => told.length > 0)
    expect(told).toEqual(['The store of option recovery does not answer'])
  })

  test('goes through so many rows and no more, and says so', async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => ({
      accountId: String(i),
      record: { version: 1, activated: false, sealed: '' },
    }))
    let pages = 0
    const requests = Object.assign(new MemoryStore(), {
      list: async () => {
        pages++
        return rows
      },
      get: () => Promise.reject(new Error('away')),
    })
    const told: string[] = []
    const opened = open({ factors: new MemoryStore(), requests })
    opened.host.told = ({ message }) => told.push(message)
    expect(await all(opened)).toEqual([])
    expect([pages, told]).toEqual([21, [expect.stringContaining('more than 20000 rows')]])
    // The store is away: after three rows no other one is asked for.
    await until(() => told.length === 4)
    const get = jest.spyOn(requests, 'get')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(get).not.toHaveBeenCalled()
  })

  test('lets the app go on between its pages, and says nothing of as many rows as it goes through', async () => {
    const page = (from: number) =>
      Array.from({ length: 1000 }, (_, i) => ({
        accountId: String(from * 1000 + i),
        record: { version: 1, activated: false, sealed: '' },
      }))
    let pages = 0
    const requests = Object.assign(new MemoryStore(), {
      list: async (_after: string | null, limit: number) => (pages < 20 ? page(pages++).slice(0, limit) : []),
      get: () => Promise.reject(new Error('away')),
    })
    const opened = open({ factors: new MemoryStore(), requests })
    const told: unknown[] = []
    opened.host.told = (error) => told.push(error)
    let turned = false
    setImmediate(() => {
      turned = true
    })
    expect(await all(opened)).toEqual([])
    expect([pages, turned, told]).toEqual([20, true, []])
  })

  test('shows what it has where the time is up', async () => {
    const store = new MemoryStore()
    await open({ factors: new MemoryStore(), requests: store }).recoveries.ask('a', answers, status)
    const [row] = await store.list(null, 1)
    const others = Array.from({ length: 999 }, (_, i) => ({
      accountId: `b${i}`,
      record: { version: 1, activated: false, sealed: '' },
    }))
    const requests = Object.assign(new MemoryStore(), {
      list: async (after: string | null) =>
        after === null ? [row, ...others] : new Promise<never>(() => {}),
      get: () => new Promise<never>(() => {}),
    })
    const records = new RecoveryRecords(requests as SecondFactorStore, new Keyring([KEY]), clock.now, 200)
    const told: string[] = []
    const recoveries = new Recoveries(
      records,
      { statuses: async () => new Map() } as unknown as Accounts,
      { approvals: 1, delay: DAY },
      clock.now,
      ({ message }) => told.push(message),
    )
    const { requests: listed } = await recoveries.list({ after: null, limit: 50 })
    expect(listed.map(({ accountId }) => accountId)).toEqual(['a'])
    expect(told[0]).toContain('did not give all in time')
  })

  test('reads each decided row once in the background, and no more where nothing is to be done', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    for (let i = 0; i < 20; i++) {
      await opened.recoveries.ask(`over-${i}`, answers, status)
      await opened.recoveries.cancel(`over-${i}`, status)
    }
    const get = jest.spyOn(requests, 'get')
    await opened.recoveries.countOpen()
    await until(() => get.mock.calls.length >= 20)
    expect(new Set(get.mock.calls.map(([id]) => id)).size).toBe(20)
  })

  test('who asks while the row is being erased loses nothing', async () => {
    const requests = new MemoryStore()
    const place = { factors: new MemoryStore(), requests }
    const [one, other] = [open(place), open(place)]
    await one.recoveries.ask('a', answers, status)
    clock.time += 37 * DAY
    const erase = requests.delete.bind(requests)
    let asking: Promise<unknown> | undefined
    let erased = false
    requests.delete = async (accountId) => {
      // Another process, between the mark and the erasing.
      asking ??= other.recoveries.ask('a', answers, status)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await erase(accountId)
      erased = true
    }
    expect(await all(one)).toEqual([])
    await until(() => asking !== undefined)
    // Not before the row is gone: it would go with it.
    expect(await asking).toMatchObject({ asked: 'new' })
    await until(() => erased)
    expect((await one.recoveryRecords.read('a')).request?.state).toBe('requested')
  })

  test('a row whose erasing nobody finished is written again a minute later', async () => {
    const requests = new MemoryStore()
    const opened = open({ factors: new MemoryStore(), requests })
    await opened.recoveries.ask('a', answers, status)
    clock.time += 37 * DAY
    // The process dies between the mark and the erasing.
    requests.delete = () => new Promise(() => {})
    opened.host.told = () => {}
    void all(opened)
    await until(async () => (await opened.recoveryRecords.read('a')).leaving !== undefined)
    // Keys are changed meanwhile: the row must not be left to a key that goes.
    const newer = new RecoveryRecords(requests, new Keyring([KEY2, KEY]), clock.now)
    expect(await rotate(newer)).toMatchObject({ resealed: 1, done: true })
    expect((await newer.read('a')).leaving).toBeDefined()
    await rotate(new RecoveryRecords(requests, new Keyring([KEY, KEY2]), clock.now))
    const other = open({ factors: new MemoryStore(), requests })
    await expect(other.recoveries.ask('a', answers, status)).rejects.toThrow('about to be erased')
    clock.time += 60_000
    expect(await other.recoveries.ask('a', answers, status)).toMatchObject({ asked: 'new' })
  })
})

describe('the clock of the store', () => {
  const ahead = async (inspect: () => Promise<StoreReport>) => {
    const requests = Object.assign(new MemoryStore(), { inspect })
    const opened = open({ factors: new MemoryStore(), requests })
    const { named } = await requested(opened)
    await opened.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
    const approvedAt = clock.time
    clock.time += DAY
    const complete = async () => opened.recoveries.complete('alice', await opened.accounts.status('alice'))
    return { opened, approvedAt, complete }
  }

  test('keeps a process whose clock is ahead from carrying out a recovery', async () => {
    let store = 0
    const { opened, approvedAt, complete } = await ahead(async () => ({ clock: store, warnings: [] }))
    store = approvedAt + DAY - 60_001
    await expect(complete()).rejects.toThrow(/clock of this process.*NTP/)
    expect((await opened.accounts.status('alice')).enabled).toBe(true)
    // Nothing was claimed: the owner can still stop it.
    expect((await opened.recoveryRecords.read('alice')).request?.state).toBe('approved')
    store = approvedAt + DAY - 60_000
    expect(await complete()).toBe('now')
  })

  test('a store that has none has no say', async () => {
    const { complete } = await ahead(async () => ({ clock: null, warnings: [] }))
    expect(await complete()).toBe('now')
  })

  test.each<[string, () => Promise<StoreReport>]>([
    ['does not tell', () => Promise.reject(new Error('statement timeout'))],
    ['tells nonsense', async () => ({ clock: Number.NaN, warnings: [] })],
    ['never answers', () => new Promise(() => {})],
  ])('where it %s nothing is due', async (_what, inspect) => {
    const { opened, complete } = await ahead(inspect)
    await expect(complete()).rejects.toThrow('The store of option recovery')
    expect((await opened.recoveryRecords.read('alice')).request?.state).toBe('approved')
  })
})

describe('what is of no use any more', () => {
  test('is erased by the rule, so that a request made meanwhile stays', async () => {
    const requests = new MemoryStore()
    const place = { factors: new MemoryStore(), requests }
    const opened = open(place)
    const { ticket } = await requested(opened, 'a')
    await opened.recoveries.cancelByTicket(ticket)
    clock.time += 30 * DAY
    // Between the listing and the erasing: another process, in which the same user asks again.
    const other = open(place)
    const status = await other.accounts.status('a')
    const slow: SecondFactorStore = {
      get: (id) => requests.get(id),
      compareAndSet: (...write) => requests.compareAndSet(...write),
      delete: (id) => requests.delete(id),
      list: async (...how) => {
        const rows = await requests.list(...how)
        await other.recoveries.ask('a', answers, status)
        return rows
      },
    }
    await all(open({ ...place, requests: slow }))
    expect((await all(opened)).map(({ accountId, state }) => [accountId, state])).toEqual([
      ['a', 'requested'],
    ])
  })

  test('what was typed goes as soon as a request that is over is looked at', async () => {
    const opened = open({ factors: new MemoryStore(), requests: new MemoryStore() })
    await requested(opened, 'expired')
    await requested(opened, 'seen')
    const typed = async (id: string) => (await opened.recoveryRecords.read(id)).request?.answers
    clock.time += 7 * DAY
    await requested(opened, 'withdrawn')
    clock.time += 1
    await opened.records.transact('withdrawn', (record, now) => ({
      record: { ...record, lastUsedAt: now },
      outcome: null,
    }))
    expect((await opened.recoveries.view('seen', await opened.accounts.status('seen'))).state).toBe('expired')
    expect(await typed('seen')).toEqual({})
    expect(await all(opened)).toEqual([])
    const listed = await over(opened)
    expect(listed.map(({ accountId, state, request }) => [accountId, state, request.answers])).toEqual([
      ['withdrawn', 'withdrawn', {}],
      ['seen', 'expired', {}],
      ['expired', 'expired', {}],
    ])
    for (const id of ['expired', 'withdrawn']) {
      await until(async () => Object.keys((await typed(id)) ?? {}).length === 0)
    }
  })

  test('a reset is kept as what has ended it, also when there is a new factor', async () => {
    const opened = open({ factors: new MemoryStore(), requests: new MemoryStore() })
    for (const id of ['told', 'seen', 'disabled']) await requested(opened, id)
    await opened.accounts.reset('told')
    await opened.recoveries.endByReset('told')
    // By the command line, which knows nothing of requests: whoever looks sees it.
    await opened.accounts.reset('seen')
    await opened.records.transact('disabled', disable)
    expect(await opened.recoveries.countOpen()).toBe(0)
    clock.time += 1
    for (const id of ['told', 'seen']) {
      await opened.records.transact(id, (record, now) =>
        enrol(record, { secret: Buffer.alloc(20, 8), step: 0, clockSide: 0 }, nobodyKnows, now),
      )
      await until(async () => (await opened.recoveryRecords.read(id)).request?.state === 'reset')
      expect((await opened.recoveryRecords.read(id)).request?.answers).toEqual({})
    }
    const states = (await over(opened)).map(({ accountId, state }) => [accountId, state])
    expect(Object.fromEntries(states)).toEqual({ told: 'reset', seen: 'reset', disabled: 'withdrawn' })
  })

  test('what was read of an account says nothing of a request that was made meanwhile', async () => {
    const requests = new MemoryStore()
    const place = { factors: new MemoryStore(), requests }
    const opened = open(place)
    await requested(opened, 'a')
    await opened.accounts.reset('a')
    // Between the reading of the account and the erasing: a new factor, and its owner asks again.
    const slow = open(place)
    const { statuses } = slow.accounts
    slow.accounts.statuses = async (ids) => {
      const read = await statuses.call(slow.accounts, ids)
      clock.time += 1
      await requested(opened, 'a')
      return read
    }
    await all(slow)
    expect((await opened.recoveryRecords.read('a')).request).toMatchObject({ state: 'requested', answers })
  })
})

test('whoever only asks does not stand in the line of the account', async () => {
  const requests = new MemoryStore()
  const opened = open({ factors: new MemoryStore(), requests })
  const { ticket } = await requested(opened)
  const status = await opened.accounts.status('alice')
  const transact = jest.spyOn(opened.recoveryRecords, 'transact')
  // Nor does it take longer where there is a second factor: the account is not looked at.
  const looked = jest.spyOn(opened.accounts, 'status')
  expect(await opened.recoveries.viewByTicket({ ...ticket, key: 'A'.repeat(43) })).toBeNull()
  expect(await opened.recoveries.cancelByTicket({ ...ticket, key: 'A'.repeat(43) })).toMatchObject({
    cancelled: false,
  })
  expect(looked).not.toHaveBeenCalled()
  expect(await opened.recoveries.complete('alice', status)).toBeNull()
  expect(transact).not.toHaveBeenCalled()
  expect(await opened.recoveries.cancelByTicket(ticket)).toEqual({ cancelled: true })
})

test('a code that is accepted while it is carried out spares the factor, and is what is told', async () => {
  const opened = open({ factors: new MemoryStore(), requests: new MemoryStore() })
  const { named } = await requested(opened)
  await opened.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
  clock.time += DAY
  const before = await opened.accounts.status('alice')
  await opened.records.transact('alice', (record, now) => ({
    record: { ...record, lastUsedAt: now },
    outcome: null,
  }))
  expect(await opened.recoveries.complete('alice', before)).toBe('spared')
  const after = await opened.accounts.status('alice')
  expect(after.enabled).toBe(true)
  expect((await opened.recoveries.view('alice', after)).state).toBe('withdrawn')
})

test('a claim that nobody followed up is withdrawn by a code, wherever one looks', async () => {
  const place = { factors: new MemoryStore(), requests: new MemoryStore() }
  const opened = open(place)
  const { named, ticket } = await requested(opened)
  await opened.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
  clock.time += DAY
  const dying = open(place)
  dying.accounts.recover = () => Promise.reject(new Error('killed'))
  await expect(dying.recoveries.complete('alice', await opened.accounts.status('alice'))).rejects.toThrow()
  expect((await over(opened))[0]?.state).toBe('completed')
  await opened.records.transact('alice', (record, now) => ({
    record: { ...record, lastUsedAt: now },
    outcome: null,
  }))
  const status = await opened.accounts.status('alice')
  expect((await opened.recoveries.viewByTicket(ticket))?.state).toBe('withdrawn')
  expect((await over(opened))[0]?.state).toBe('withdrawn')
  expect((await opened.recoveries.view('alice', status)).state).toBe('withdrawn')
  expect(await opened.recoveries.complete('alice', status)).toBeNull()
  // Who has looked keeps it: a new authenticator does not make it carried out.
  await opened.records.transact('alice', (record, now) =>
    replace(record, { secret: Buffer.alloc(20, 8), step: 0, clockSide: 0 }, now + 1),
  )
  expect((await over(opened))[0]?.state).toBe('withdrawn')
})

test('a new authenticator stays, whatever the clocks of the processes say', async () => {
  const opened = open({ factors: new MemoryStore(), requests: new MemoryStore() })
  const { named } = await requested(opened)
  await opened.recoveries.approve({ ...named, by: 'ada', reason: 'r' })
  // By a process whose clock is an hour behind.
  await opened.records.transact('alice', (record) =>
    replace(record, { secret: Buffer.alloc(20, 8), step: 0, clockSide: 0 }, clock.time - 3_600_000),
  )
  clock.time += DAY
  expect((await over(opened))[0]?.state).toBe('withdrawn')
  expect(await opened.recoveries.complete('alice', await opened.accounts.status('alice'))).toBeNull()
  expect((await opened.accounts.status('alice')).enabled).toBe(true)
})
