import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { SqlStore } from '../../lib/stores/sql'
import { committing } from '../../lib/stores/sql/sqlite-writes'

let folder: string
let database: Database.Database
/** The texts that were prepared, in this order. */
let prepared: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'statements-'))
  database = open()
  prepared = []
  const prepare = database.prepare.bind(database)
  database.prepare = ((text: string) => {
    prepared.push(text)
    return prepare(text)
  }) as typeof database.prepare
})
afterEach(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

function open(): Database.Database {
  return new Database(join(folder, 'test.db'), { timeout: 5000 })
}

const one = { version: 1, activated: true, sealed: 'x' }
const two = { version: 2, activated: false, sealed: 'y' }

/** Numbers from 1 to `count` in a table, and the connection as the store has it. */
function numbers(count: number) {
  database.exec('create table numbers (n integer not null primary key)')
  const connection = committing(database)
  for (let n = 1; n <= count; n++) connection.prepare('insert into numbers values (?)').run([n])
  return connection
}

test('each statement is prepared once, however often it runs', async () => {
  const store = new SqlStore(database)
  await store.compareAndSet('alice', 0, one)
  await store.get('alice')
  await store.compareAndSet('alice', 1, two)
  prepared.length = 0
  for (let version = 2; version < 50; version++) {
    expect(await store.compareAndSet('alice', version, { ...one, version: version + 1 })).toBe(true)
    expect(await store.get('alice')).toEqual({ ...one, version: version + 1 })
  }
  expect(prepared).toEqual([])
})

test('what another connection does to the table, prepared statements heed', async () => {
  const store = new SqlStore(database)
  await store.compareAndSet('alice', 0, one)
  await store.compareAndSet('alice', 1, two)
  expect(await store.get('alice')).toEqual(two)
  const other = open()
  other.exec('alter table second_factor_accounts add column noted text')
  expect(await store.get('alice')).toEqual(two)
  expect(await store.compareAndSet('alice', 2, { ...one, version: 3 })).toBe(true)

  other.exec('alter table second_factor_accounts rename to kept')
  await expect(store.get('alice')).rejects.toThrow(/no such table/)
  await expect(store.compareAndSet('alice', 3, two)).rejects.toThrow(/no such table/)

  other.exec('alter table kept rename to second_factor_accounts')
  expect(await store.get('alice')).toEqual({ ...one, version: 3 })
  expect(await store.compareAndSet('alice', 3, { ...two, version: 4 })).toBe(true)
  expect(await new SqlStore(other).get('alice')).toEqual({ ...two, version: 4 })
  other.close()
})

test('the app may change the table on the same connection, and put the file in order', async () => {
  const store = new SqlStore(database)
  await store.compareAndSet('alice', 0, one)
  await store.get('alice')
  database.exec('alter table second_factor_accounts add column noted text; vacuum')
  expect(await store.get('alice')).toEqual(one)
  database.exec('drop table second_factor_accounts')
  await store.migrate()
  expect(await store.get('alice')).toBeNull()
  expect(await store.compareAndSet('alice', 0, two)).toBe(true)
})

test('a statement that has failed is not used again', () => {
  const connection = numbers(1)
  const insert = () => connection.prepare('insert into numbers values (?)').run([1])
  prepared.length = 0
  expect(insert).toThrow(/UNIQUE/)
  expect(prepared).toEqual([])
  expect(insert).toThrow(/UNIQUE/)
  expect(prepared).toHaveLength(1)
})

test('rows that are gone through one by one are nobody else’s', () => {
  const connection = numbers(250)
  const all = 'select n from numbers order by n'
  const [first, second] = [connection.prepare(all).iterate([]), connection.prepare(all).iterate([])]
  const seen = [first.next().value]
  expect(connection.prepare(all).all([])).toHaveLength(250)
  for (let n = 0; n < 150; n++) second.next()
  for (const row of first) seen.push(row)
  expect(seen).toEqual(Array.from({ length: 250 }, (_, n) => ({ n: n + 1 })))
  expect([...second]).toHaveLength(100)
})

test('no more than fifty are kept: what was used longest ago is prepared anew', () => {
  const connection = committing(database)
  const texts = Array.from({ length: 50 }, (_, n) => `select ${n} as n`)
  const ask = (text: string) => connection.prepare(text).all([])
  for (const text of texts) ask(text)
  ask(texts[0] as string)
  ask('select 50 as n')
  prepared.length = 0
  for (const text of [texts[0], ...texts.slice(2), 'select 50 as n']) ask(text as string)
  expect(prepared).toEqual([])
  expect(ask(texts[1] as string)).toEqual([{ n: 1 }])
  expect(prepared).toEqual(['select 1 as n'])
})
