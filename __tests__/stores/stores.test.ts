import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore, type SecondFactorStore, SqlStore } from 'express-second-factor'
import Database from 'libsql'
import { conformance } from '../support/conformance'

const folder = mkdtempSync(join(tmpdir(), 'stores-'))
const file = join(folder, 'test.db')
afterAll(() => rmSync(folder, { recursive: true }))

const openSqlite = (path: string) => {
  const database = new Database(path, { timeout: 5000 })
  return { store: new SqlStore(database), close: () => database.close() }
}

const memory = new MemoryStore()
conformance('MemoryStore', { open: () => ({ store: memory, close() {} }) })

conformance('SqlStore on SQLite', {
  open: () => openSqlite(file),
  processes: { module: join(__dirname, 'place-client.cjs'), data: `sqlite:${file}` },
})

/** What the suite does not ask of everybody's store. */
describe.each<[string, () => { store: Required<Omit<SecondFactorStore, 'inspect'>>; close(): void }]>([
  ['MemoryStore', () => ({ store: new MemoryStore(), close() {} })],
  ['SqlStore on SQLite', () => openSqlite(':memory:')],
])('%s', (_name, make) => {
  let made: ReturnType<typeof make>
  beforeEach(() => {
    made = make()
  })
  afterEach(() => made.close())

  test('lists nothing when there is nothing', async () => {
    expect(await made.store.list(null, 10)).toEqual([])
  })

  test('hands out the fields of the contract and no others, whatever was handed in', async () => {
    const record = { version: 1, activated: true, sealed: 'x' }
    await made.store.compareAndSet('alice', 0, { ...record, more: 'than that' } as never)
    expect(await made.store.get('alice')).toEqual(record)
    expect(await made.store.list(null, 10)).toEqual([{ accountId: 'alice', record }])
  })

  test('keeps an id of 255 characters of four bytes', async () => {
    const record = { version: 1, activated: true, sealed: 'x' }
    for (const id of ['😀'.repeat(255), `${'😀'.repeat(254)}😁`]) {
      expect(await made.store.compareAndSet(id, 0, record)).toBe(true)
      expect(await made.store.get(id)).toEqual(record)
    }
  })
})
