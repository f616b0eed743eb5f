import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { MemoryStore } from '../../lib/stores/memory'
import { SqlStore } from '../../lib/stores/sql'
import type { SecondFactorStore, StoredRecord } from '../../lib/stores/store'

const record = (version: number, sealed = `sealed-${version}`, activated = true): StoredRecord => ({
  version,
  activated,
  sealed,
})

const oddIds = [
  'a',
  'A',
  'a ',
  'a:b',
  '{}',
  '{"id":1}',
  "Robert'); DROP TABLE second_factor_accounts;--",
  '%',
  '__proto__',
  'constructor',
  'é',
  'e\u0301',
  '名前',
  '\uffee',
  '😀',
  'x'.repeat(255),
  '😀'.repeat(255),
]
const inByteOrder = [...oddIds].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

interface Made {
  store: Required<SecondFactorStore>
  close(): void
}

const kinds: [string, () => Made][] = [
  ['MemoryStore', () => ({ store: new MemoryStore(), close() {} })],
  [
    'SqlStore on SQLite',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'stores-'))
      const database = new Database(join(folder, 'test.db'), { timeout: 5000 })
      return {
        store: new SqlStore(database),
        close() {
          database.close()
          rmSync(folder, { recursive: true })
        },
      }
    },
  ],
]

describe.each(kinds)('%s keeps the contract', (_name, make) => {
  let made: Made
  let store: Made['store']

  beforeEach(() => {
    made = make()
    store = made.store
  })
  afterEach(() => made.close())

  test('an absent account is null', async () => {
    expect(await store.get('nobody')).toBeNull()
    expect(await store.list(null, 10)).toEqual([])
  })

  test('a first write expects version 0, and what was written comes back', async () => {
    expect(await store.compareAndSet('alice', 0, record(1, 'v1.abc', false))).toBe(true)
    expect(await store.get('alice')).toEqual({ version: 1, activated: false, sealed: 'v1.abc' })
    expect(await store.compareAndSet('alice', 1, record(2))).toBe(true)
    expect(await store.get('alice')).toEqual(record(2))
  })

  test.each([0, 1, 3, 99, -1])(
    'a write that expects version %i of version 2 changes nothing',
    async (wrong) => {
      await store.compareAndSet('alice', 0, record(1))
      await store.compareAndSet('alice', 1, record(2))
      expect(await store.compareAndSet('alice', wrong, record(wrong + 1, 'intruder', false))).toBe(false)
      expect(await store.get('alice')).toEqual(record(2))
    },
  )

  test('a write that expects a version of an absent account makes none', async () => {
    expect(await store.compareAndSet('alice', 1, record(2))).toBe(false)
    expect(await store.get('alice')).toBeNull()
  })

  test('what is handed in and out are copies', async () => {
    const given = record(1)
    await store.compareAndSet('alice', 0, given)
    given.sealed = 'changed outside'
    const got = await store.get('alice')
    if (got) got.sealed = 'changed outside'
    const [listed] = await store.list(null, 1)
    if (listed) listed.record.sealed = 'changed outside'
    expect(await store.get('alice')).toEqual(record(1))
  })

  test('odd ids are accounts of their own', async () => {
    for (const id of oddIds) expect(await store.compareAndSet(id, 0, record(1, `of ${id}`))).toBe(true)
    for (const id of oddIds) expect((await store.get(id))?.sealed).toBe(`of ${id}`)
  })

  test('the list is in byte order, and the cursor misses and repeats nothing', async () => {
    for (const id of oddIds) await store.compareAndSet(id, 0, record(1, `of ${id}`))
    const seen: string[] = []
    for (let after: string | null = null; ; after = seen.at(-1) ?? null) {
      const page = await store.list(after, 3)
      for (const entry of page) expect(entry.record).toEqual(record(1, `of ${entry.accountId}`))
      seen.push(...page.map((entry) => entry.accountId))
      if (page.length < 3) break
    }
    expect(seen).toEqual(inByteOrder)
  })

  test('the cursor need not exist', async () => {
    await store.compareAndSet('b', 0, record(1))
    expect(await store.list('a', 5)).toHaveLength(1)
    expect(await store.list('c', 5)).toHaveLength(0)
  })

  test('delete erases one account and lets it begin anew', async () => {
    await store.compareAndSet('alice', 0, record(1))
    await store.compareAndSet('bob', 0, record(1))
    await store.delete('alice')
    await store.delete('alice')
    expect(await store.get('alice')).toBeNull()
    expect(await store.get('bob')).toEqual(record(1))
    expect(await store.compareAndSet('alice', 1, record(2))).toBe(false)
    expect(await store.compareAndSet('alice', 0, record(1))).toBe(true)
  })

  test.each([0, 1])('of 50 writes at once from version %i exactly one succeeds', async (from) => {
    if (from === 1) await store.compareAndSet('alice', 0, record(1))
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        store.compareAndSet('alice', from, record(from + 1, `writer ${i}`)),
      ),
    )
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(await store.get('alice')).toEqual(record(from + 1, `writer ${answers.indexOf(true)}`))
  })
})
