import { inspect } from 'node:util'
import { asOneStep, lateOutcome } from '../../lib/account/late'
import { withFailure } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD, revokeSessions, serialize } from '../../lib/account/record'
import { AccountRecords, type Form, Records } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import { UnavailableError } from '../../lib/errors'
import { MemoryStore } from '../../lib/stores/memory'
import type { SecondFactorStore, StoredRecord } from '../../lib/stores/store'
import { Clock } from '../support/clock'

// The pauses between attempts are no part of what is tested.
jest.mock('node:timers/promises', () => ({
  ...jest.requireActual('node:timers/promises'),
  setTimeout: async () => {},
}))

/** A store whose answers a test can spoil, and that counts what it is asked. */
class TestStore implements SecondFactorStore {
  readonly rows = new MemoryStore()
  gets = 0
  writes = 0
  beforeWrite: (accountId: string) => unknown = () => {}

  get(accountId: string): Promise<StoredRecord | null> {
    this.gets++
    return this.rows.get(accountId)
  }

  async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    this.writes++
    await this.beforeWrite(accountId)
    return this.rows.compareAndSet(accountId, expectedVersion, next)
  }
}

const KEY = Buffer.from('0123456789abcdef0123456789abcdef')
const clock = new Clock()
const keyring = new Keyring([KEY])
const open = (store: SecondFactorStore) => new AccountRecords(store, keyring, clock.now)

/** One more failure; answers how many that makes. */
const count = (record: AccountRecord, now: number) => {
  const next = withFailure(record, 'totp', now)
  return { record: next, outcome: next.failures.totp.count }
}

let store: TestStore
let records: AccountRecords
beforeEach(() => {
  store = new TestStore()
  records = open(store)
})

describe('a transaction', () => {
  test('costs one read and one write', async () => {
    expect(await records.transact('a', count)).toBe(1)
    const version = (await store.rows.get('a'))?.version as number
    expect(await records.transact('a', count)).toBe(2)
    expect([store.gets, store.writes]).toEqual([2, 2])
    expect((await store.rows.get('a'))?.version).toBe(version + 1)
  })

  test('begins with an empty record, and `read` writes none', async () => {
    expect(await records.read('a')).toEqual(EMPTY_RECORD)
    expect(await records.transact('a', (record) => ({ record, outcome: record }))).toEqual(EMPTY_RECORD)
    expect(store.writes).toBe(0)
  })

  test('of a rule that changes nothing writes nothing', async () => {
    await records.transact('a', count)
    store.writes = 0
    expect(await records.transact('a', (record) => ({ record, outcome: 'seen' }))).toBe('seen')
    expect(store.writes).toBe(0)
  })

  test.each([1, 2, 7])('that loses %i races reads again each time and then succeeds', async (lost) => {
    let races = 0
    store.compareAndSet = async (...write) => ++races > lost && store.rows.compareAndSet(...write)
    expect(await records.transact('a', count)).toBe(1)
    expect(store.gets).toBe(lost + 1)
    expect((await records.read('a')).failures.totp.count).toBe(1)
  })

  test('that somebody overtakes is computed from what that one wrote', async () => {
    const otherProcess = open(store.rows)
    let seen: number[] = []
    store.beforeWrite = async () => {
      store.beforeWrite = () => {}
      await otherProcess.transact('a', count)
      await otherProcess.transact('a', count)
    }
    const outcome = await records.transact('a', (record, now) => {
      seen = [...seen, record.failures.totp.count]
      return count(record, now)
    })
    expect(seen).toEqual([0, 2])
    expect(outcome).toBe(3)
    expect((await records.read('a')).failures.totp.count).toBe(3)
  })

  test('prepares anew for the record that is read anew, and hands over what it prepared', async () => {
    store.beforeWrite = async () => {
      store.beforeWrite = () => {}
      await open(store.rows).transact('a', count)
    }
    const prepare = jest.fn(async (record: AccountRecord) => record.failures.totp.count)
    const handed: number[] = []
    await records.transact<number, number>(
      'a',
      (record, now, prepared) => {
        handed.push(prepared)
        return count(record, now)
      },
      prepare,
    )
    expect(prepare).toHaveBeenCalledTimes(2)
    expect(handed).toEqual([0, 1])
  })

  test('prepares and decides at one and the same moment, so that no lock ends in between', async () => {
    let time = 0
    const ticking = new AccountRecords(store, keyring, () => ++time)
    const [prepared, decided] = await ticking.transact<[number, number], number>(
      'a',
      (record, now, prepared) => ({ record, outcome: [prepared, now] }),
      async (_record, now) => now,
    )
    expect(decided).toBe(prepared)
  })

  test('that loses every race is given up, with nothing returned', async () => {
    store.compareAndSet = async () => false
    const failed = records.transact('a', count)
    await expect(failed).rejects.toThrow(
      new UnavailableError('An account record is written by others all the time'),
    )
    expect(store.gets).toBe(50)
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['1', 1],
    ["'true'", 'true'],
    ["'OK'", 'OK'],
    ['{}', {}],
  ])('takes %s from compareAndSet for no success', async (_what, answer) => {
    store.compareAndSet = async () => answer as boolean
    await expect(records.transact('a', count)).rejects.toThrow(UnavailableError)
  })

  test.each(['get', 'compareAndSet'] as const)(
    'whose %s fails is unavailable, and names the cause',
    async (method) => {
      const cause = new Error('connection lost')
      Object.assign(store, { [method]: () => Promise.reject(cause) })
      const failed = await records.transact('a', count).catch((error) => error)
      expect(failed).toBeInstanceOf(UnavailableError)
      expect(failed).toMatchObject({ status: 503, code: 'unavailable', cause })
      expect(await store.rows.get('a')).toBeNull()
    },
  )

  test.each(['get', 'compareAndSet'] as const)(
    'whose %s throws at once is unavailable too',
    async (method) => {
      Object.assign(store, {
        [method]: () => {
          throw new Error('not connected')
        },
      })
      await expect(records.transact('a', count)).rejects.toThrow(UnavailableError)
    },
  )

  describe('whose write is recorded, and its answer lost,', () => {
    const lose = (then: () => void) => {
      store.compareAndSet = async (...write) => {
        await store.rows.compareAndSet(...write)
        then()
        throw new Error('connection lost')
      }
    }

    test('looks the write up, once, and it counts', async () => {
      lose(() => {})
      expect(await records.transact('a', count)).toBe(1)
      expect(store.gets).toBe(2)
      expect((await records.read('a')).failures.totp.count).toBe(1)
    })

    test('waits for a store that is coming back', async () => {
      const { get } = store
      lose(() => {
        let away = 3
        store.get = async (accountId) => {
          if (--away >= 0) throw new Error('refused')
          return get.call(store, accountId)
        }
      })
      expect(await records.transact('a', count)).toBe(1)
    })

    test('returns nothing while the store stays away', async () => {
      lose(() => {
        store.get = () => Promise.reject(new Error('refused'))
      })
      await expect(records.transact('a', count)).rejects.toThrow(UnavailableError)
    })

    test('returns nothing where it was not recorded after all, and looks once', async () => {
      store.compareAndSet = () => Promise.reject(new Error('connection lost'))
      await expect(records.transact('a', count)).rejects.toThrow('The factor store does not answer')
      expect(store.gets).toBe(2)
    })

    test('returns nothing where somebody has written since', async () => {
      lose(() => {
        store.get = async () => ({ ...((await store.rows.get('a')) as StoredRecord), sealed: 'another' })
      })
      await expect(records.transact('a', count)).rejects.toThrow(UnavailableError)
    })
  })

  test('whose write is sent twice, and answered by the second sending, counts once', async () => {
    store.compareAndSet = async (...write) => {
      await store.rows.compareAndSet(...write)
      return store.rows.compareAndSet(...write)
    }
    expect(await records.transact('a', count)).toBe(1)
    expect(await records.transact('a', count)).toBe(2)
    expect((await records.read('a')).failures.totp.count).toBe(2)
  })

  test('passes on what its preparation throws, and writes nothing', async () => {
    const error = new Error('the host')
    await expect(records.transact('a', count, () => Promise.reject(error))).rejects.toBe(error)
    expect(store.writes).toBe(0)
  })

  test('that failed does not hold up the next', async () => {
    const { compareAndSet } = store
    store.compareAndSet = () => Promise.reject(new Error('once'))
    const first = records.transact('a', count)
    await expect(first).rejects.toThrow(UnavailableError)
    store.compareAndSet = compareAndSet
    expect(await records.transact('a', count)).toBe(1)
  })
})

describe('many at once', () => {
  test('in one process stand in line: 200 calls are 200 reads and 200 writes, in their order', async () => {
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => records.transact('a', count)))
    expect(outcomes).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    expect([store.gets, store.writes]).toEqual([200, 200])
  })

  test('in one process go on behind one that fails', async () => {
    const outcomes = await Promise.allSettled([
      records.transact('a', count),
      records.transact('a', () => {
        throw new Error('a rule')
      }),
      records.transact('a', count),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await records.read('a')).failures.totp.count).toBe(2)
  })

  test('in one process stand in line also when one before them has left it', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const [first, second] = [records.transact('a', count), records.transact('a', count)]
    store.beforeWrite = () => (store.writes === 2 ? held : undefined)
    await first
    const third = records.transact('a', count)
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    expect(store.gets).toBe(2)
    release()
    expect(await Promise.all([second, third])).toEqual([2, 3])
    expect([store.gets, store.writes]).toEqual([3, 3])
  })

  test('leave no line behind', async () => {
    const set = jest.spyOn(Map.prototype, 'set')
    await Promise.all([
      records.transact('a', count),
      records.transact('b', count),
      records.transact('a', count),
    ])
    const lines = set.mock.contexts.filter((_map, call) => set.mock.calls[call]?.[1] instanceof Promise)
    set.mockRestore()
    expect(lines).toHaveLength(3)
    expect(new Set(lines)).toEqual(new Set([new Map()]))
  })

  test('an account does not wait for another', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    store.beforeWrite = (accountId) => (accountId === 'slow' ? held : undefined)
    const slow = records.transact('slow', count)
    expect(await records.transact('fast', count)).toBe(1)
    release()
    expect(await slow).toBe(1)
  })

  test('in two processes lose nothing: 200 revocations are 200 epochs', async () => {
    const processes = [open(store), open(store)]
    await records.transact('a', count)
    const version = (await store.rows.get('a'))?.version as number
    const epochs = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        (processes[index % 2] as AccountRecords).transact('a', revokeSessions),
      ),
    )
    expect(new Set(epochs.map(({ epoch }) => epoch)).size).toBe(200)
    expect((await records.read('a')).epoch).toBe(200)
    expect((await store.rows.get('a'))?.version).toBe(version + 200)
  })
})

describe('forgetting', () => {
  test('and beginning again within a moment gives no version that there was', async () => {
    const store = new MemoryStore()
    const records = open(store)
    const versions = new Set<number>()
    for (let n = 0; n < 8; n++) {
      await records.transact('a', count)
      versions.add((await store.get('a'))?.version as number)
      await records.forget('a')
    }
    // By chance two of them are one, in a run of a thousand.
    expect(versions.size).toBeGreaterThan(6)
  })

  test('erases the row where the store can', async () => {
    const store = new MemoryStore()
    const records = open(store)
    await records.transact('a', count)
    await records.transact('b', count)
    await records.forget('a')
    expect(await store.get('a')).toBeNull()
    expect(await records.read('a')).toEqual(EMPTY_RECORD)
    expect((await records.read('b')).failures.totp.count).toBe(1)
  })

  test('a write that was under way does not come back over the next owner', async () => {
    const rows = new MemoryStore()
    const [slow, quick] = [new TestStore(), open(rows)]
    Object.assign(slow, { rows })
    await quick.transact('a', count)
    slow.beforeWrite = async () => {
      slow.beforeWrite = () => {}
      await quick.forget('a')
      clock.forward(1)
      await quick.transact('a', count)
    }
    // It finds another row than it read, and counts on from that one.
    expect(await open(slow).transact('a', count)).toBe(2)
    expect(slow.writes).toBe(2)
  })

  test('empties the row where it cannot, and no older session counts', async () => {
    await records.transact('a', count)
    await records.transact('a', revokeSessions)
    await records.forget('a')
    expect(await records.read('a')).toEqual({ ...EMPTY_RECORD, epoch: 2 })
  })

  test('waits for what stands in line before it', async () => {
    const store = new MemoryStore()
    const records = open(store)
    await Promise.all([records.transact('a', count), records.forget('a')])
    expect(await store.get('a')).toBeNull()
  })

  test('says so when the store does not answer', async () => {
    const failing = Object.assign(new TestStore(), { delete: () => Promise.reject(new Error('down')) })
    await expect(open(failing).forget('a')).rejects.toThrow(UnavailableError)
  })
})

describe('a row that was tampered with does not open', () => {
  const enrolled = {
    record: {
      ...EMPTY_RECORD,
      epoch: 1,
      totp: { secret: 'c2VjcmV0', clockSide: 0, lastStep: 1, since: 1 },
    } as AccountRecord,
    outcome: null,
  }
  let row: StoredRecord
  beforeEach(async () => {
    await records.transact('a', () => enrolled)
    row = (await store.rows.get('a')) as StoredRecord
  })
  const put = (accountId: string, altered: unknown) => {
    store.get = async (asked) => (asked === accountId ? (altered as StoredRecord) : null)
  }

  test('as it is it opens', async () => {
    put('a', row)
    expect(await records.read('a')).toEqual(enrolled.record)
  })

  test('copied to another account', async () => {
    put('b', row)
    await expect(records.read('b')).rejects.toThrow(UnavailableError)
  })

  test.each<[string, (row: StoredRecord) => unknown]>([
    ['activated turned off', (row) => ({ ...row, activated: false })],
    ['activated as 1', (row) => ({ ...row, activated: 1 })],
    ['activated missing', ({ version, sealed }) => ({ version, sealed })],
    ['another version', (row) => ({ ...row, version: row.version + 1 })],
    ['version 0', (row) => ({ ...row, version: 0 })],
    ['the version as text', (row) => ({ ...row, version: String(row.version) })],
    ['no version', (row) => ({ ...row, version: undefined })],
    ['nothing sealed', (row) => ({ ...row, sealed: '' })],
    ['sealed as bytes', (row) => ({ ...row, sealed: Buffer.from(row.sealed) })],
    ['undefined for a row', () => undefined],
    ['false for a row', () => false],
    ['an empty object for a row', () => ({})],
  ])('%s', async (_what, alter) => {
    put('a', alter(row))
    await expect(records.read('a')).rejects.toThrow(UnavailableError)
    await expect(records.transact('a', count)).rejects.toThrow(UnavailableError)
    expect(store.writes).toBe(1)
  })

  test.each<[string, unknown, unknown]>([
    ['no version', undefined, true],
    ['a version that is no whole number', 1.5, true],
    ['version 0, which means that there is no row', 0, true],
    ['a version below 0', -1, true],
    ['a version as text', '1', true],
    ['a version beyond what is counted exactly', 2 ** 53, true],
    ['activated as a number', 1, 1],
    ['activated as text', 1, 'true'],
    ['activated missing', 1, undefined],
  ])('sealed by us, but with %s', async (_what, version, activated) => {
    const sealed = keyring.seal('a', JSON.stringify(['a', version, activated]), serialize(enrolled.record))
    put('a', { version, activated, sealed })
    await expect(records.read('a')).rejects.toThrow(new UnavailableError('The store answered with no record'))
  })

  test('and version 1, which a store may begin with, does', async () => {
    const sealed = keyring.seal('a', JSON.stringify(['a', 1, true]), serialize(enrolled.record))
    put('a', { version: 1, activated: true, sealed })
    expect(await records.read('a')).toEqual(enrolled.record)
  })

  test('a row put back as it once was opens: what was restored from a backup counts', async () => {
    await records.transact('a', revokeSessions)
    put('a', row)
    expect((await records.read('a')).epoch).toBe(1)
  })

  test.each([
    '{}',
    'null',
    '[]',
    '{"v":2,"epoch":1,"failures":{}}',
    '{"v":1,"failures":{}}',
    '{"v":1,"epoch":1}',
    'x',
  ])('sealed by us, but of an unknown form: %s', async (text) => {
    put('a', { ...row, sealed: keyring.seal('a', JSON.stringify(['a', row.version, true]), text) })
    await expect(records.read('a')).rejects.toThrow(UnavailableError)
  })
})

describe('a store that takes too long', () => {
  const PATIENCE = 100
  /** Answers only when it is told to. */
  class SlowStore extends TestStore {
    readonly waiting: (() => void)[] = []
    slow: 'get' | 'compareAndSet' | null = null

    override async get(accountId: string) {
      if (this.slow === 'get') await this.#wait()
      return super.get(accountId)
    }

    override async compareAndSet(...write: Parameters<SecondFactorStore['compareAndSet']>) {
      if (this.slow === 'compareAndSet') await this.#wait()
      return super.compareAndSet(...write)
    }

    #wait() {
      return new Promise<void>((resolve) => this.waiting.push(resolve))
    }

    answer() {
      this.slow = null
      for (const resolve of this.waiting.splice(0)) resolve()
    }
  }

  let slow: SlowStore
  let hasty: AccountRecords
  beforeEach(() => {
    slow = new SlowStore()
    hasty = new AccountRecords(slow, keyring, clock.now, PATIENCE)
  })

  test.each(['get', 'compareAndSet'] as const)('to %s is unavailable', async (method) => {
    slow.slow = method
    await expect(hasty.transact('a', count)).rejects.toThrow('did not answer in time')
  })

  test('to read or to list is unavailable', async () => {
    slow.slow = 'get'
    await expect(hasty.read('a')).rejects.toThrow(UnavailableError)
    Object.assign(slow, { list: () => new Promise(() => {}) })
    // A list has many times the time of a call.
    await expect(new AccountRecords(slow, keyring, clock.now, 5).list(null, 1)).rejects.toThrow(
      UnavailableError,
    )
  })

  test('keeps those who stand in line no longer than the first', async () => {
    slow.slow = 'get'
    const calls = Array.from({ length: 20 }, () => hasty.transact('a', count))
    const ends = await Promise.allSettled(calls)
    expect(ends.map(({ status }) => status)).toEqual(Array(20).fill('rejected'))
    // The others were answered without asking: their time was over when it was their turn.
    expect(slow.waiting.length).toBeLessThan(10)
  })

  test('to read changes nothing when the answer comes late', async () => {
    slow.slow = 'get'
    await expect(hasty.transact('a', count)).rejects.toThrow(UnavailableError)
    slow.answer()
    await new Promise(setImmediate)
    expect(slow.writes).toBe(0)
  })

  test('tells which account, and whether something may have been written', async () => {
    slow.slow = 'get'
    expect(await hasty.transact('a', count).catch((error) => error)).toMatchObject({
      accountId: 'a',
      uncertain: false,
    })
    slow.answer()
    slow.slow = 'compareAndSet'
    expect(await hasty.transact('a', count).catch((error) => error)).toMatchObject({
      accountId: 'a',
      uncertain: true,
    })
  })

  test('to read after a race that was lost leaves it uncertain: a driver may have sent the write twice', async () => {
    slow.compareAndSet = async () => {
      slow.slow = 'get'
      return false
    }
    const error = await hasty.transact('a', count).catch((error) => error)
    expect(error).toMatchObject({ accountId: 'a', uncertain: true })
  })

  test('to write gives its outcome to nobody, and is what the next call reads', async () => {
    slow.slow = 'compareAndSet'
    const outcome = jest.fn()
    await expect(hasty.transact('a', count).then(outcome)).rejects.toThrow(UnavailableError)
    slow.answer()
    await new Promise(setImmediate)
    expect(outcome).not.toHaveBeenCalled()
    expect(await hasty.transact('a', count)).toBe(2)
  })

  describe('to write, and has written after all,', () => {
    /** What is known by the time that everything that can go on has gone on. */
    const known = async (late: Promise<unknown> | null) => {
      let found: unknown = 'nothing'
      late?.then((outcome) => {
        found = outcome
      })
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      return found
    }
    const failed = async (task: Promise<unknown>) => {
      const error = await task.catch((error) => error)
      expect(error).toBeInstanceOf(UnavailableError)
      return error as UnavailableError
    }

    test('gives its outcome to those who tell of it, and its error holds nothing of it', async () => {
      slow.slow = 'compareAndSet'
      const error = await failed(
        hasty.transact('a', (record, now) => ({ ...count(record, now), outcome: 'a backup code' })),
      )
      const late = lateOutcome(error)
      slow.answer()
      expect(await late).toBe('a backup code')
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('a backup code')
      expect(JSON.stringify(error)).not.toContain('a backup code')
    })

    test('is found by its seal where the answer is lost', async () => {
      const { get } = slow
      let away = 3
      slow.compareAndSet = async (...write) => {
        slow.get = async (accountId) => {
          if (--away >= 0) throw new Error('refused')
          return get.call(slow, accountId)
        }
        await slow.rows.compareAndSet(...write)
        await new Promise((resolve) => setTimeout(resolve, 2 * PATIENCE))
        throw new Error('connection lost')
      }
      expect(await lateOutcome(await failed(hasty.transact('a', count)))).toBe(1)
    })

    test('is found where the answer never comes', async () => {
      slow.compareAndSet = async (...write) => {
        await slow.rows.compareAndSet(...write)
        return new Promise(() => {})
      }
      expect(await lateOutcome(await failed(hasty.transact('a', count)))).toBe(1)
    })

    test.each<[string, () => Promise<boolean>]>([
      ['lost', () => Promise.reject(new Error('connection lost'))],
      ['no', async () => false],
    ])(
      'or has not: an answer that is %s is no outcome, and nothing is written any more',
      async (_what, answer) => {
        let settle = () => {}
        let writes = 0
        slow.compareAndSet = async () => {
          writes++
          await new Promise<void>((resolve) => {
            settle = resolve
          })
          return answer()
        }
        const late = lateOutcome(await failed(hasty.transact('a', count)))
        settle()
        const gets = slow.gets
        expect(await known(late)).toBe('nothing')
        expect(writes).toBe(1)
        expect(slow.gets - gets).toBeLessThan(10)
        expect(await slow.rows.get('a')).toBeNull()
      },
    )

    test('is found where a second sending was answered "no", and the read after it never comes', async () => {
      slow.compareAndSet = async (...write) => {
        await slow.rows.compareAndSet(...write)
        slow.slow = 'get'
        return false
      }
      const error = await failed(hasty.transact('a', count))
      expect(error.uncertain).toBe(true)
      slow.slow = null
      expect(await lateOutcome(error)).toBe(1)
    })

    test('is nothing any more after the last look: a silent driver keeps nobody', async () => {
      let settle = (_written: boolean) => {}
      slow.compareAndSet = () =>
        new Promise((resolve) => {
          settle = resolve
        })
      const error = await failed(hasty.transact('a', count))
      const late = lateOutcome(error)
      const { gets } = slow
      await known(late)
      expect(slow.gets - gets).toBe(8)
      settle(true)
      expect(await known(late)).toBe('nothing')
    })

    test('nothing is late where nothing was sent', async () => {
      slow.slow = 'get'
      expect(lateOutcome(await failed(hasty.transact('a', count)))).toBeNull()
      expect(lateOutcome(new Error('of the host'))).toBeNull()
    })

    test('one of several steps is no outcome', async () => {
      slow.slow = 'compareAndSet'
      expect(lateOutcome(await failed(asOneStep(hasty.transact('a', count))))).toBeNull()
    })
  })

  test('is waited for as long as it takes to prepare, but never beyond the limit', async () => {
    const late = hasty.transact('a', count, () => new Promise(() => {}))
    await expect(late).rejects.toThrow(UnavailableError)
    expect(await hasty.transact('a', count)).toBe(1)
  })
})

describe('going through all rows', () => {
  test('tells what opens, and which key sealed it', async () => {
    const old = new AccountRecords(
      store.rows,
      new Keyring([Buffer.from('fedcba9876543210fedcba9876543210')]),
      clock.now,
    )
    await old.transact('a', count)
    const both = new Keyring([KEY, Buffer.from('fedcba9876543210fedcba9876543210')])
    const all = new AccountRecords(store.rows, both, clock.now)
    await all.transact('b', count)
    expect((await all.list(null, 10)).map(({ accountId, current }) => [accountId, current])).toEqual([
      ['a', false],
      ['b', true],
    ])
    expect((await open(store.rows).list(null, 10)).map(({ record }) => record !== null)).toEqual([
      false,
      true,
    ])
    await all.reseal('a')
    await all.reseal('nobody')
    const [first, ...rest] = await open(store.rows).list(null, 10)
    expect(first).toMatchObject({
      accountId: 'a',
      current: true,
      record: { failures: { totp: { count: 1 } } },
    })
    expect(rest).toHaveLength(1)
    expect(await all.list('a', 10)).toHaveLength(1)
  })

  test('needs a store that can list', async () => {
    await expect(records.list(null, 1)).rejects.toThrow(/no list\(\).*SF_STORE_LIST/)
    expect(await records.countActivated()).toBeNull()
    expect(await records.activatedRows(10, true)).toEqual({ rows: [], others: [], whole: true })
  })

  test.each<[string, unknown]>([
    ['a number', 0],
    ['no list', { length: 0 }],
    ['a list of nothing', [null]],
    ['a row without an account', [{ record: { version: 1, activated: true, sealed: '' } }]],
    ['an account that is no text', [{ accountId: 1, record: { version: 1, activated: true, sealed: '' } }]],
    ['a row without a record', [{ accountId: 'a', record: null }]],
    [
      'one such row among others',
      [{ accountId: 'a', record: { version: 1, activated: true, sealed: '' } }, { accountId: 'b' }],
    ],
  ])('takes %s for no answer', async (_what, answer) => {
    const records = open(Object.assign(store, { list: async () => answer as [] }))
    const none = new UnavailableError('The store answered with no list of records')
    await expect(records.list(null, 10)).rejects.toThrow(none)
    await expect(records.countActivated()).rejects.toThrow(none)
    await expect(records.activatedRows(10, true)).rejects.toThrow(none)
  })

  /** A store of that many rows, of which every third is activated; none opens. Notes what it is asked. */
  function listing(size: number) {
    const asked: unknown[] = []
    const rows = Array.from({ length: size }, (_, index) => ({
      accountId: String(index).padStart(5, '0'),
      record: { version: 1, activated: index % 3 === 0, sealed: '' },
    }))
    const list = async (after: string | null, limit: number) => {
      asked.push([after, limit])
      const start = after === null ? 0 : Number(after) + 1
      return rows.slice(start, start + limit)
    }
    return { asked, records: open(Object.assign(store, { list })) }
  }
  const FIRST = [null, 1000]

  test.each<[number, unknown[]]>([
    [0, [FIRST]],
    [999, [FIRST]],
    [1000, [FIRST, ['00999', 1000]]],
    [2001, [FIRST, ['00999', 1000], ['01999', 1000]]],
  ])('counts what is activated of %i rows, a thousand at a time', async (size, questions) => {
    const { asked, records } = listing(size)
    expect(await records.countActivated()).toBe(Math.ceil(size / 3))
    expect(asked).toEqual(questions)
    asked.length = 0
    const { rows, others, whole } = await records.activatedRows(10_000, false)
    expect([rows.length, others.length, whole]).toEqual([
      Math.ceil(size / 3),
      Math.floor((2 * size) / 3),
      true,
    ])
    expect(asked).toEqual(questions)
  })

  test('opens those that are activated, or all, and as many as are wanted', async () => {
    const { asked, records } = listing(2500)
    expect((await records.activatedRows(1000, true)).rows).toHaveLength(1000)
    expect(asked).toHaveLength(2)
    expect(await records.activatedRows(2500, true)).toMatchObject({ whole: true })
    const { rows, others, whole } = await records.activatedRows(1001, true)
    expect([rows.length, others.length, whole]).toEqual([1001, 667, false])
    expect(rows[1]).toEqual({ accountId: '00001', record: null, current: false })
    expect(others[0]).toBe('00001')
  })
})

describe('several read together', () => {
  const damaged = { version: 1, activated: true, sealed: 'x' }

  test.each(['getMany', 'get'])(
    'are each what they are by %s, and one that does not open hides none',
    async (by) => {
      const records = open(by === 'getMany' ? store.rows : store)
      await records.transact('a', count)
      await store.rows.compareAndSet('b', 0, damaged)
      const found = await records.readMany(['b', 'a', 'c'])
      expect([...found]).toEqual([
        ['b', null],
        ['a', await records.read('a')],
        ['c', EMPTY_RECORD],
      ])
      expect([...(await records.readMany([]))]).toEqual([])
    },
  )

  test.each<[string, unknown]>([
    ['no list', { length: 2 }],
    ['nothing', undefined],
    ['too few', [null]],
    ['too many', [null, null, null]],
  ])('are unavailable where the store answers with %s', async (_what, answer) => {
    const records = open(Object.assign(store, { getMany: async () => answer as [] }))
    await expect(records.readMany(['a', 'b'])).rejects.toThrow(
      new UnavailableError('The store answered with no list of records'),
    )
  })

  test('are unavailable where the store is', async () => {
    store.get = () => Promise.reject(new Error('down'))
    await expect(records.readMany(['a', 'b'])).rejects.toThrow('The factor store does not answer')
  })
})

describe("the store's clock", () => {
  test.each<[string, unknown, number | null]>([
    ['is what it tells', async () => ({ clock: 5, warnings: [] }), 5],
    ['is not known where it tells none', async () => ({ clock: null, warnings: [] }), null],
    ['is not known where it cannot be asked', undefined, null],
  ])('%s', async (_what, inspect, told) => {
    expect(await open(Object.assign(store, { inspect }) as SecondFactorStore).storeClock()).toBe(told)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['fails', () => Promise.reject(new Error('down'))],
    ['tells no number', async () => ({ clock: Number.NaN, warnings: [] })],
  ])('that %s is a store that is away', async (_what, inspect) => {
    const asked = open(Object.assign(store, { inspect }) as SecondFactorStore).storeClock()
    await expect(asked).rejects.toThrow(UnavailableError)
  })
})

describe('rows of another kind', () => {
  interface Note {
    text: string
    gone?: true
  }
  const NOTES: Form<Note> = {
    empty: { text: '' },
    isActivated: ({ text }) => text !== '',
    serialize: JSON.stringify,
    parse: JSON.parse,
    forgotten: () => ({ text: '' }),
    kind: 'note',
    storeName: 'The notes',
    leaving: () => ({ text: 'leaving', gone: true }),
    isLeaving: ({ gone }) => gone === true,
  }
  const notesIn = (store: SecondFactorStore, form = NOTES) => new Records(form, store, keyring, clock.now)
  const writing = (text: string) => (record: Note) => ({ record: { text }, outcome: record.text })
  const useless = ({ text }: Note) => text === 'old'

  test('are sealed as what they are, so that none opens as one of another kind', async () => {
    const notes = notesIn(store.rows)
    await notes.transact('a', writing('new'))
    const { version, activated, sealed } = (await store.rows.get('a')) as StoredRecord
    expect(keyring.open('a', JSON.stringify(['note', 'a', version, activated]), sealed)).toBe(
      '{"text":"new"}',
    )
    const { kind: _kind, ...kindless } = NOTES
    for (const form of [kindless, { ...NOTES, kind: 'letter' }])
      await expect(notesIn(store.rows, form).read('a')).rejects.toThrow(UnavailableError)
    await expect(open(store.rows).read('a')).rejects.toThrow(UnavailableError)
  })

  test('name their store', async () => {
    store.get = () => Promise.reject(new Error('down'))
    await expect(notesIn(store).read('a')).rejects.toThrow('The notes does not answer')
  })

  test('are erased where they are of no use, and only then', async () => {
    const { rows } = store
    const notes = notesIn(rows)
    const written = jest.spyOn(rows, 'compareAndSet')
    expect(await notes.eraseIf('a', () => true)).toBe(false)
    await notes.transact('a', writing('new'))
    written.mockClear()
    expect(await notes.eraseIf('a', useless)).toBe(false)
    const { leaving: _leaving, ...staying } = NOTES
    expect(await notesIn(rows, staying).eraseIf('a', () => true)).toBe(false)
    expect(written).not.toHaveBeenCalled()
    await notes.transact('a', writing('old'))
    expect(await notes.eraseIf('a', useless)).toBe(true)
    expect(await rows.get('a')).toBeNull()
  })

  test('stay where the store cannot erase', async () => {
    const notes = notesIn(store)
    await notes.transact('a', writing('old'))
    expect(await notes.eraseIf('a', useless)).toBe(false)
    expect(store.writes).toBe(1)
  })

  test('stay where somebody writes between the look and the erasing', async () => {
    const { rows } = store
    const [notes, other] = [notesIn(Object.assign(store, { delete: jest.fn() })), notesIn(rows)]
    await notes.transact('a', writing('old'))
    store.beforeWrite = () => {
      store.beforeWrite = () => {}
      return other.transact('a', writing('new'))
    }
    expect(await notes.eraseIf('a', useless)).toBe(false)
    expect((store as SecondFactorStore).delete).not.toHaveBeenCalled()
    expect(await other.read('a')).toEqual({ text: 'new' })
  })

  test('are waited for while they go: what is written then is a row of its own', async () => {
    const { rows } = store
    const [notes, other] = [notesIn(store), notesIn(rows)]
    let gone = () => {}
    const erased = jest.fn(async (accountId: string) => {
      const then = new Promise<void>((resolve) => {
        gone = resolve
      })
      writes = other.transact('a', writing('new'))
      await then
      await rows.delete(accountId)
    })
    let writes: Promise<string> | null = null
    Object.assign(store, { delete: erased })
    await notes.transact('a', writing('old'))
    const { get } = rows
    let looks = 0
    rows.get = async (accountId) => {
      // The look of the other process, which finds the row going.
      if (writes && ++looks === 2) gone()
      return get.call(rows, accountId)
    }
    expect(await notes.eraseIf('a', useless)).toBe(true)
    expect(await writes).toBe('')
    expect(await other.read('a')).toEqual({ text: 'new' })
  })
})
