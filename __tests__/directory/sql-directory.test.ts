import fc from 'fast-check'
import type { DirectoryStatus, DirectoryUser } from '../../lib/directory/directory'
import { directorySql } from '../../lib/directory/sql/statements'
import { SqlDirectory, type SqlDirectoryOptions } from '../../lib/directory/sql-directory'
import { MemoryStore } from '../../lib/stores/memory'
import { SqlStore } from '../../lib/stores/sql'
import { createUsers, databases, type HostDatabase, type HostUser, putUsers } from './databases'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

async function walk(
  directory: SqlDirectory,
  status: DirectoryStatus | null,
  search: string | null,
  limit: number,
): Promise<DirectoryUser[]> {
  const users: DirectoryUser[] = []
  for (let after: string | null = null, pages = 0; pages < 200; pages++) {
    const page = await directory.list({ status, search, after, limit })
    expect(page.users.length).toBeLessThanOrEqual(limit)
    users.push(...page.users)
    if (page.next === null) return users
    // Only the last page may be short.
    expect(page.users).toHaveLength(limit)
    after = page.next
  }
  throw new Error('The walk does not end')
}

interface Person extends HostUser {
  activated: boolean
}

/** Letters that make trouble: wildcards, quotes, umlauts, signs that combine, of two units, from right to left. */
const LETTERS = [
  'a',
  'A',
  'b',
  'B',
  'ä',
  'Ä',
  'é',
  'ß',
  '%',
  '_',
  "'",
  '"',
  '\\',
  '`',
  '😀',
  'ש',
  'ع',
  '-',
  ' ',
  '\u0301',
  'Ж',
  'ж',
]
/** Few letters at a time, so that names are alike; and something that a name or an address begins with. */
const lists = fc
  .uniqueArray(fc.constantFrom(...LETTERS), { minLength: 1, maxLength: 4 })
  .chain((letters) => {
    const texts = fc.string({ unit: fc.constantFrom(...letters), maxLength: 4 }).map((text) => text.trim())
    const person = fc.record({ name: fc.option(texts, { freq: 9 }), email: texts, activated: fc.boolean() })
    return fc.tuple(fc.array(person, { maxLength: 25 }), fc.option(texts), fc.boolean())
  })
  .map(([all, search, upper]) => ({
    people: all.map((one, i): Person => ({ ...one, id: (i * 7) % 26 })),
    search: (search && (upper ? search.toUpperCase() : search).slice(0, 3).toWellFormed().trim()) || null,
  }))

/** The same in memory, as simply as can be. `lower` is what the database makes of a text. */
function naive(
  all: Person[],
  status: DirectoryStatus | null,
  search: string | null,
  lower: (text: string) => string,
) {
  const fold = (text: string) => [...text].map((one) => one.toLowerCase()).join('')
  const key = (column: 'name' | 'email') => (user: Person) => Buffer.from(lower(user[column] ?? ''))
  const by = (column: 'name' | 'email') => (a: Person, b: Person) =>
    Buffer.compare(key(column)(a), key(column)(b)) || a.id - b.id
  const fits = (column: 'name' | 'email') => (user: Person) =>
    fold(user[column] ?? '').startsWith(fold(search as string))
  const wanted = all.filter((user) => status === null || user.activated === (status === 'activated'))
  if (search === null) return wanted.sort(by('name'))
  return [
    ...wanted.filter(fits('name')).sort(by('name')),
    ...wanted.filter((user) => !fits('name')(user) && fits('email')(user)).sort(by('email')),
  ]
}

const asciiLower = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

for (const { name, needs, start } of databases) {
  describeWith(needs, name, () => {
    let host: HostDatabase
    let table: string
    let tables = 0
    const columns = (more: Partial<SqlDirectoryOptions> = {}): SqlDirectoryOptions => ({
      table,
      statusColumn: 'two_factor',
      ...more,
    })
    beforeAll(async () => {
      host = await start()
    })
    afterAll(() => host.stop())
    beforeEach(async () => {
      table = `people_${++tables}`
      await createUsers(host, table)
    })

    async function columnDirectory(more: Partial<SqlDirectoryOptions> = {}): Promise<SqlDirectory> {
      const directory = new SqlDirectory(host.database, columns(more))
      await directory.migrate()
      return directory
    }

    test('finds what a plain filter finds, in its order, each once, by the column and by the join', async () => {
      const byColumn = await columnDirectory()
      const accounts = `factors_${tables}`
      const store = new SqlStore(host.database, { table: accounts })
      await store.migrate()
      const byJoin = new SqlDirectory(host.database, { table, accounts })
      const lower = host.dialect === 'sqlite' ? asciiLower : (text: string) => text.toLowerCase()

      await fc.assert(
        fc.asyncProperty(
          lists,
          fc.constantFrom(null, 'activated' as const, 'not-activated' as const),
          fc.integer({ min: 1, max: 9 }),
          async ({ people: all, search }, status, limit) => {
            await putUsers(host, table, all)
            await host.run(`delete from ${accounts}`)
            for (const { id, activated } of all) {
              await byColumn.note?.(String(id), activated)
              // Who never had one has no row; who had has one that says so.
              if (activated || id % 2)
                await store.compareAndSet(String(id), 0, { version: 1, activated, sealed: 'x' })
            }
            const expected = naive(all, status, search, lower).map(({ id }) => String(id))
            expect((await walk(byColumn, status, search, limit)).map(({ id }) => id)).toEqual(expected)
            expect((await walk(byJoin, status, search, limit)).map(({ id }) => id)).toEqual(expected)
          },
        ),
        { numRuns: host.dialect === 'sqlite' ? 150 : 40 },
      )
    })

    test('names are as the table has them', async () => {
      const directory = await columnDirectory({ name: ['name', 'email'], search: ['email'] })
      await putUsers(host, table, [
        { id: 1, name: 'Ö\'Neil <b> "x" 😀', email: 'שלום@example.com' },
        { id: 2, name: null, email: 'b' },
      ])
      expect(await walk(directory, null, null, 5)).toEqual([
        { id: '2', name: 'b', email: 'b', activated: false },
        { id: '1', name: 'Ö\'Neil <b> "x" 😀 שלום@example.com', email: 'שלום@example.com', activated: false },
      ])
    })

    test('one user by the id', async () => {
      const directory = await columnDirectory()
      await putUsers(host, table, [{ id: 7, name: 'Ann', email: 'ann@example.com' }])
      await directory.note?.('7', true)
      expect(await directory.get('7')).toEqual({
        id: '7',
        name: 'Ann',
        email: 'ann@example.com',
        activated: true,
      })
      for (const id of ['8', '-1', '99999999999999999999', "7'; drop table x", '']) {
        expect((await directory.get(id))?.id ?? null).toBeNull()
      }
    })

    test('counts', async () => {
      const directory = await columnDirectory()
      expect(await directory.totals()).toEqual({ activated: 0, notActivated: 0 })
      await putUsers(
        host,
        table,
        [1, 2, 3].map((id) => ({ id, name: 'x', email: `${id}` })),
      )
      await directory.note?.('2', true)
      expect(await directory.totals()).toEqual({ activated: 1, notActivated: 2 })
    })

    test('users who come and go during a walk are no others twice, and hide nobody', async () => {
      const directory = await columnDirectory()
      const all = Array.from({ length: 30 }, (_, i) => ({
        id: i,
        name: `n${String(i).padStart(2, '0')}`,
        email: 'e',
      }))
      await putUsers(host, table, all)
      const seen: unknown[] = []
      for (let after: string | null = null, page = 0; ; page++) {
        const { users, next }: Awaited<ReturnType<SqlDirectory['list']>> = await directory.list({
          status: 'not-activated',
          search: 'n',
          after,
          limit: 7,
        })
        seen.push(...users.map(({ id }) => id))
        if (next === null) break
        after = next
        // The one that the cursor names goes, and others come before and after it.
        await host.run(`delete from ${table} where id = ${users.at(-1)?.id}`)
        await host.run(`insert into ${table} (id, name, email) values (${100 + page}, 'n00', 'e')`)
      }
      for (const { id } of all) expect(seen.filter((one) => one === String(id))).toHaveLength(1)
    })

    test.each([
      '',
      'x',
      'bm9uZQ',
      Buffer.from('[0,"a"]').toString('base64url'),
      Buffer.from('[9,"a","1"]').toString('base64url'),
      Buffer.from('[-1,"a","1"]').toString('base64url'),
    ])('refuses the cursor %j', async (after) => {
      const directory = await columnDirectory()
      await expect(directory.list({ status: null, search: 'a', after, limit: 5 })).rejects.toMatchObject({
        name: 'BadCursorError',
      })
    })

    test('eight processes migrate at once, and again', async () => {
      const eight = Array.from({ length: 8 }, () => new SqlDirectory(host.database, columns()))
      await Promise.all(eight.map((one) => one.migrate()))
      await eight[0]?.migrate()
      await putUsers(host, table, [{ id: 1, name: 'a', email: 'a' }])
      expect(await walk(eight[0] as SqlDirectory, 'not-activated', 'a', 3)).toHaveLength(1)
    })

    test("a column that says something else is the host's, and stays as it is", async () => {
      await host.run(`alter table ${table} add column standing varchar(20) not null default 'active'`)
      await putUsers(host, table, [{ id: 1, name: 'a', email: 'a' }])
      const directory = new SqlDirectory(host.database, columns({ statusColumn: 'standing' }))
      await expect(directory.migrate()).rejects.toMatchObject({ code: 'SF_DIRECTORY_COLUMN' })
      await expect(directory.note?.('1', true)).rejects.toMatchObject({ code: 'SF_DIRECTORY_COLUMN' })
      expect(await host.run(`select standing from ${table}`)).toEqual([{ standing: 'active' }])
    })

    test('the plain SQL makes the same', async () => {
      for (const statement of directorySql(host.dialect, columns())) await host.run(statement)
      await (await columnDirectory()).list({ status: null, search: 'a', after: null, limit: 1 })
    })

    test('goes on after a migration that stopped in the middle', async () => {
      const [first] = directorySql(host.dialect, columns())
      await host.run(first as string)
      await (await columnDirectory()).list({ status: null, search: 'a', after: null, limit: 1 })
    })

    describe('sync', () => {
      const store = new MemoryStore()
      const ids = Array.from({ length: 1100 }, (_, i) => i + 1)
      beforeAll(async () => {
        for (const id of ids) {
          if (id % 3 === 0)
            await store.compareAndSet(String(id), 0, { version: 1, activated: true, sealed: 'x' })
        }
      })

      test('fills the column from the store, and says what it did', async () => {
        const directory = await columnDirectory({ store })
        await putUsers(
          host,
          table,
          ids.map((id) => ({ id, name: `n${id}`, email: 'e' })),
        )
        for (const id of ['1', '3']) await directory.note?.(id, true)
        const seen: number[] = []
        const done = await directory.sync({ onProgress: ({ seen: number }) => seen.push(number) })
        expect(done).toEqual({ seen: 1100, changed: 366, last: '1100', done: true })
        expect(seen).toEqual([500, 1000, 1100])
        expect(await directory.totals()).toEqual({ activated: 366, notActivated: 734 })
        expect(await directory.sync()).toMatchObject({ changed: 0 })
      })

      test('goes on where it stopped', async () => {
        const directory = await columnDirectory({ store })
        await putUsers(
          host,
          table,
          ids.map((id) => ({ id, name: `n${id}`, email: 'e' })),
        )
        const stop = new AbortController()
        const first = await directory.sync({ signal: stop.signal, onProgress: () => stop.abort() })
        expect(first).toEqual({ seen: 500, changed: 166, last: '500', done: false })
        expect(await directory.sync({ after: first.last })).toMatchObject({ seen: 600, done: true })
        expect(await directory.totals()).toEqual({ activated: 366, notActivated: 734 })
      })

      test('says how far it came when the store is gone', async () => {
        let asked = 0
        const failing = {
          get: async () => null,
          compareAndSet: async () => false,
          async getMany(accountIds: readonly string[]) {
            if (++asked > 1) throw new Error('gone')
            return accountIds.map(() => null)
          },
        }
        const directory = await columnDirectory({ store: failing })
        await putUsers(
          host,
          table,
          ids.map((id) => ({ id, name: `n${id}`, email: 'e' })),
        )
        await expect(directory.sync()).rejects.toMatchObject({
          name: 'DirectorySyncError',
          progress: { seen: 500, changed: 0, last: '500' },
        })
      })
    })
  })
}

describe('what it is given', () => {
  const { database } = { database: new (require('libsql'))(':memory:') }
  test.each([
    [{ statusColumn: 'a b' }, 'SF_DIRECTORY_NAME'],
    [{ statusColumn: 'x', table: 'users; drop table users' }, 'SF_DIRECTORY_NAME'],
    [{ statusColumn: 'x', search: ['name', 'lower("'] }, 'SF_DIRECTORY_NAME'],
    [{ statusColumn: 'x', name: ['a', '"'] }, 'SF_DIRECTORY_NAME'],
    [{ accounts: "a'b" }, 'SF_DIRECTORY_NAME'],
    [{}, 'SF_DIRECTORY_MODE'],
    [{ statusColumn: 'x', accounts: 'y' }, 'SF_DIRECTORY_MODE'],
    [{ statusColumn: 'x', search: [] }, 'SF_DIRECTORY_MODE'],
  ])('%j is %s', (options, code) => {
    expect(() => new SqlDirectory(database, options)).toThrow(expect.objectContaining({ code }))
  })

  test('sync without a store rejects', async () => {
    const syncing = new SqlDirectory(database, { statusColumn: 'x' }).sync()
    await expect(syncing).rejects.toMatchObject({ code: 'SF_DIRECTORY_SYNC' })
  })
})
