import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import {
  CamelCasePlugin,
  DummyDriver,
  Kysely,
  MssqlAdapter,
  MssqlIntrospector,
  MssqlQueryCompiler,
  SqliteDialect,
} from 'kysely'
import Database from 'libsql'
import { SqlStore, type SqlStoreOptions } from '../../lib/stores/sql'
import { migrationSql } from '../../lib/stores/sql/migration'

let folder: string
let file: string
let opened: Database.Database[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sql-'))
  file = join(folder, 'test.db')
  opened = []
})
afterEach(() => {
  for (const database of opened) database.close()
  rmSync(folder, { recursive: true })
})

function open(timeout = 5000): Database.Database {
  const database = new Database(file, { timeout })
  opened.push(database)
  return database
}

const one = { version: 1, activated: true, sealed: 'x' }
const two = { version: 2, activated: true, sealed: 'y' }

describe('what it takes', () => {
  test('a Kysely instance as it is', async () => {
    const kysely = new Kysely<Record<string, never>>({ dialect: new SqliteDialect({ database: open() }) })
    const store = new SqlStore(kysely)
    expect(await store.compareAndSet('alice', 0, one)).toBe(true)
    expect(await store.get('alice')).toEqual(one)
  })

  test('no other thing', () => {
    for (const thing of [null, undefined, {}, 'test.db']) {
      expect(() => new SqlStore(thing as never)).toThrow(/SF_SQL_DATABASE/)
    }
  })

  test('no dialect that it was not tried with', () => {
    const mssql = new Kysely({
      dialect: {
        createAdapter: () => new MssqlAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new MssqlIntrospector(db),
        createQueryCompiler: () => new MssqlQueryCompiler(),
      },
    })
    expect(() => new SqlStore(mssql)).toThrow(/SF_SQL_DIALECT/)
  })

  test('a Kysely instance whose plugins rename columns', async () => {
    const kysely = new Kysely<Record<string, never>>({
      dialect: new SqliteDialect({ database: open() }),
      plugins: [new CamelCasePlugin()],
    })
    const store = new SqlStore(kysely)
    expect(await store.compareAndSet('alice', 0, one)).toBe(true)
    expect(await store.get('alice')).toEqual(one)
    expect(await store.list(null, 1)).toEqual([{ accountId: 'alice', record: one }])
  })

  test.each(['', 'a b', 'a"b', 'a;drop', 'a.b.c', '1a'])('no table named %j', (table) => {
    expect(() => new SqlStore(open(), { table })).toThrow(/SF_SQL_TABLE/)
  })
})

describe('the table', () => {
  const tables = () =>
    open()
      .prepare("select name from sqlite_master where name not like 'sqlite_%' order by name")
      .all()
      .map((row) => (row as { name: string }).name)

  test('is created on first use, not before', async () => {
    const store = new SqlStore(open())
    expect(tables()).toEqual([])
    await store.get('alice')
    expect(tables()).toEqual(['second_factor_accounts', 'second_factor_accounts_by_activated'])
  })

  test('has the name that the option says', async () => {
    await new SqlStore(open(), { table: 'factors' }).get('alice')
    expect(tables()).toEqual(['factors', 'factors_by_activated'])
  })

  test('is there once the store was inspected, as at the start', async () => {
    await new SqlStore(open()).inspect()
    expect(tables()).toEqual(['second_factor_accounts', 'second_factor_accounts_by_activated'])
  })

  test('is not made by inspecting with migrate: false', async () => {
    await new SqlStore(open(), { migrate: false }).inspect()
    expect(tables()).toEqual([])
  })

  test('is left to the host with migrate: false', async () => {
    const store = new SqlStore(open(), { migrate: false })
    await expect(store.get('alice')).rejects.toThrow(/no such table/)
    await expect(store.compareAndSet('alice', 0, one)).rejects.toThrow(/no such table/)
    await store.migrate()
    await store.migrate()
    expect(await store.get('alice')).toBeNull()
  })

  test('made by an earlier version gets the index of this one', async () => {
    open().exec(`create table second_factor_accounts (account_id text not null primary key, version integer not null,
      activated integer not null, sealed text not null);
      create index second_factor_accounts_activated on second_factor_accounts (activated);
      insert into second_factor_accounts values ('alice', 1, 1, 'x')`)
    const store = new SqlStore(open())
    expect(await store.get('alice')).toEqual(one)
    expect(tables()).toEqual(['second_factor_accounts', 'second_factor_accounts_by_activated'])
  })

  test('can be made with the plain SQL', async () => {
    open().exec(migrationSql('sqlite', 'main.factors').join(';\n'))
    open().exec(migrationSql('sqlite', 'main.factors').join(';\n'))
    expect(tables()).toEqual(['factors', 'factors_by_activated'])
    const store = new SqlStore(open(), { table: 'main.factors', migrate: false })
    expect(await store.compareAndSet('alice', 0, one)).toBe(true)
  })

  test('is tried again when creating it has failed', async () => {
    const database = open()
    let broken = true
    const flaky = {
      close() {},
      exec: (statements: string) => database.exec(statements),
      prepare(statement: string) {
        if (broken) throw new Error('disk I/O error')
        return database.prepare(statement)
      },
    }
    const store = new SqlStore(flaky as never)
    await expect(store.get('alice')).rejects.toThrow('disk I/O error')
    broken = false
    expect(await store.get('alice')).toBeNull()
  })

  test('a write that was answered is on the disk: WAL, synchronous FULL', async () => {
    const database = open()
    database.exec('pragma synchronous = off')
    await new SqlStore(database).get('alice')
    expect(database.prepare('pragma journal_mode').get()).toMatchObject({ journal_mode: 'wal' })
    expect(database.prepare('pragma synchronous').get()).toMatchObject({ synchronous: 2 })
  })

  test('with migrate: false the file is left in its mode, and still synchronous FULL', async () => {
    const database = open()
    database.exec(migrationSql('sqlite').join(';\n'))
    database.exec('pragma synchronous = off')
    await new SqlStore(database, { migrate: false }).get('alice')
    expect(database.prepare('pragma journal_mode').get()).toMatchObject({ journal_mode: 'delete' })
    expect(database.prepare('pragma synchronous').get()).toMatchObject({ synchronous: 2 })
  })
})

test('get and compareAndSet are one query each', async () => {
  const database = open()
  const statements: string[] = []
  const store = new SqlStore({
    close() {},
    exec: (commands: string) => database.exec(commands),
    prepare(statement: string) {
      statements.push(statement)
      return database.prepare(statement)
    },
  } as never)
  await store.migrate()
  await store.get('alice')
  for (const call of [
    () => store.get('alice'),
    () => store.compareAndSet('alice', 0, one),
    () => store.compareAndSet('alice', 1, two),
    () => store.compareAndSet('alice', 1, two),
  ]) {
    statements.length = 0
    await call()
    expect(statements).toHaveLength(1)
  }
})

describe('what it does not believe', () => {
  test.each([
    ["'1'", '1', "'x'"],
    ['1.5', '1', "'x'"],
    ['0', '1', "'x'"],
    ['1', '2', "'x'"],
    ['1', '1', "x'00'"],
    ['1', '1', '7'],
  ])('a row of version %s, activated %s, sealed %s', async (version, activated, sealed) => {
    const database = open()
    // A table without types: SQLite keeps whatever is put in.
    database.exec(
      'create table second_factor_accounts (account_id text primary key, version, activated, sealed)',
    )
    database.exec(`insert into second_factor_accounts values ('alice', ${version}, ${activated}, ${sealed})`)
    database.exec("insert into second_factor_accounts values ('bob', 1, 1, 'x')")
    const store = new SqlStore(database)
    const error = await store.get('alice').catch((error) => error)
    expect(error.message).toMatch(/damaged/)
    expect(error.message).not.toContain('alice')
    // It hides no other in a list.
    expect(await store.list(null, 10)).toEqual([
      { accountId: 'alice', record: { version: 0, activated: false, sealed: '' } },
      { accountId: 'bob', record: one },
    ])
    expect(await store.getMany(['bob', 'alice', 'carol'])).toEqual([
      one,
      { version: 0, activated: false, sealed: '' },
      null,
    ])
  })

  test.each(['a\0b', '\0', 'a\ud800', '\udfffb'])('the account id %j', async (id) => {
    const store = new SqlStore(open())
    await expect(store.get(id)).rejects.toThrow(TypeError)
    await expect(store.compareAndSet(id, 0, one)).rejects.toThrow(TypeError)
    await expect(store.delete(id)).rejects.toThrow(TypeError)
  })
})

test('a database in memory is warned of', async () => {
  const memory = new Database(':memory:')
  opened.push(memory)
  const { clock, warnings } = await new SqlStore(memory).inspect()
  expect(clock).toBeNull()
  expect(warnings).toEqual([expect.stringMatching(/in memory/)])
  expect((await new SqlStore(open()).inspect()).warnings).toEqual([])
})

test('a closed database rejects, and says nothing of the account', async () => {
  const database = open()
  const store = new SqlStore(database)
  await store.compareAndSet('alice', 0, one)
  // Their statements are prepared by then, and libsql would go on answering them.
  await store.get('alice')
  await store.compareAndSet('alice', 1, two)
  database.close()
  opened.pop()
  await expect(store.get('alice')).rejects.toThrow()
  await expect(store.compareAndSet('alice', 2, two)).rejects.toThrow()
})

describe('while another connection writes', () => {
  let other: Database.Database
  let store: SqlStore

  const setUp = async (options?: SqlStoreOptions) => {
    store = new SqlStore(open(0), options)
    await store.compareAndSet('alice', 0, one)
    other = open(0)
    other.exec('begin immediate')
  }

  test('compareAndSet is false, changes nothing, and works afterwards', async () => {
    await setUp()
    expect(await store.compareAndSet('alice', 1, two)).toBe(false)
    expect(await store.compareAndSet('bob', 0, one)).toBe(false)
    other.exec('commit')
    expect(await store.get('alice')).toEqual(one)
    expect(await store.get('bob')).toBeNull()
    expect(await store.compareAndSet('alice', 1, two)).toBe(true)
  })

  test('get reads', async () => {
    await setUp()
    expect(await store.get('alice')).toEqual(one)
    other.exec('rollback')
  })

  test('delete waits a little, then says that it could not', async () => {
    await setUp()
    await expect(store.delete('alice')).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    const deleted = store.delete('alice')
    other.exec('rollback')
    await deleted
    expect(await store.get('alice')).toBeNull()
  })
})

describe.each([
  ['a connection', (database: Database.Database) => new SqlStore(database)],
  [
    'a Kysely instance',
    (database: Database.Database) =>
      new SqlStore(new Kysely<Record<string, never>>({ dialect: new SqliteDialect({ database }) })),
  ],
])('after SQLITE_BUSY, %s', (_name, make) => {
  // Held, so that no garbage collection finishes them in between.
  const unfinished: unknown[] = []

  test('claims no write that others do not see', async () => {
    const database = open(0)
    const prepare = database.prepare.bind(database)
    database.prepare = ((statement: string) => {
      const prepared = prepare(statement)
      unfinished.push(prepared)
      return prepared
    }) as typeof database.prepare
    const store = make(database)
    await store.compareAndSet('alice', 0, one)

    const other = open(0)
    other.exec('begin immediate')
    expect(await store.compareAndSet('alice', 1, two)).toBe(false)
    other.exec('commit')

    const written = await store.compareAndSet('alice', 1, two)
    expect(await new SqlStore(other).get('alice')).toEqual(written ? two : one)
  })

  test('neither when it was the app whose write was busy', async () => {
    const database = open(0)
    const store = make(database)
    await store.compareAndSet('alice', 0, one)
    const other = open(0)
    other.exec('begin immediate')
    const statement = database.prepare('update second_factor_accounts set version = version')
    unfinished.push(statement)
    expect(() => statement.run([])).toThrow(/locked/)
    other.exec('commit')

    const written = await store.compareAndSet('alice', 1, two)
    expect(await new SqlStore(other).get('alice')).toEqual(written ? two : one)
  })
})

test('two connections at one file: of each round of writes exactly one succeeds', async () => {
  const stores = [new SqlStore(open(0)), new SqlStore(open(0))]
  await Promise.all(stores.map((store) => store.migrate()))
  for (let version = 0; version < 50; version += 1) {
    const answers = await Promise.all(
      stores.map((store, i) =>
        store.compareAndSet('alice', version, { ...one, version: version + 1, sealed: `${i}` }),
      ),
    )
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect((await stores[0]?.get('alice'))?.sealed).toBe(String(answers.indexOf(true)))
  }
})

describe('several processes at one file', () => {
  const times = 100

  async function race(processes: number, timeout: number): Promise<string[]> {
    const children = Array.from({ length: processes }, () =>
      spawn(process.execPath, [join(__dirname, 'sql-child.cjs'), file, String(timeout), String(times)], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    const outputs = children.map((child) => Promise.all([text(child.stdout), text(child.stderr)]))
    return (await Promise.all(outputs)).map(([out, err]) => out + err)
  }

  test.each([
    ['with a timeout', 5000],
    ['answered SQLITE_BUSY at once', 0],
  ])(
    '%s: all of them create the table, and no update is lost',
    async (_name, timeout) => {
      expect(await race(3, timeout)).toEqual(['100', '100', '100'])
      const record = await new SqlStore(open()).get('shared')
      expect(record).toEqual({ version: 3 * times, activated: true, sealed: String(3 * times) })
    },
    60_000,
  )
})
