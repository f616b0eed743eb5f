import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  MysqlAdapter,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteQueryCompiler,
} from 'kysely'
import { dialectOf, type TableName, type Tables } from '../../lib/stores/sql/dialects'

const parts = {
  sqlite: [SqliteAdapter, SqliteQueryCompiler],
  postgres: [PostgresAdapter, PostgresQueryCompiler],
  mysql: [MysqlAdapter, MysqlQueryCompiler],
} as const

/** A database of that kind that answers every statement with these rows. */
function answering(kind: keyof typeof parts, rows: object[]) {
  const [Adapter, Compiler] = parts[kind]
  const asked: CompiledQuery[] = []
  class Driver extends DummyDriver {
    override async acquireConnection() {
      return {
        async executeQuery<Row>(query: CompiledQuery) {
          asked.push(query)
          return { rows: rows as Row[] }
        },
        // biome-ignore lint/correctness/useYield: nothing is streamed
        async *streamQuery() {
          throw new Error('not used')
        },
      }
    }
  }
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new Adapter(),
      createDriver: () => new Driver(),
      createIntrospector: () => {
        throw new Error('not used')
      },
      createQueryCompiler: () => new Compiler(),
    },
  })
  return { db, dialect: dialectOf(db), asked }
}

const table = 'second_factor_accounts' satisfies TableName
const warned = async (kind: keyof typeof parts, rows: object[]) => {
  const { db, dialect } = answering(kind, rows)
  return dialect.warnings(db, table)
}

describe('what a server says of itself', () => {
  const postgres = { fsync: 'on', commit: 'on', standby: false, unlogged: false }
  test.each<[object, string | null]>([
    [postgres, null],
    [{ ...postgres, fsync: 'off' }, 'PostgreSQL runs with fsync = off: a power cut can damage everything'],
    [{ ...postgres, commit: 'off' }, 'Turn it on, at least for this user.'],
    [{ ...postgres, standby: true }, 'This PostgreSQL is a standby, which cannot write and may be behind.'],
    [{ ...postgres, unlogged: true }, `alter table ${table} set logged`],
    [{ ...postgres, unlogged: null }, null],
  ])('PostgreSQL: %p', async (row, warning) => {
    expect(await warned('postgres', [row])).toEqual(
      warning === null ? [] : [expect.stringContaining(warning)],
    )
  })

  const mysql = { flush: 1, autocommit: 1, readonly: 0, engine: 'InnoDB' }
  test.each<[object, string | null]>([
    [mysql, null],
    [{ flush: '1', autocommit: '1', readonly: '0', engine: null }, null],
    [{ ...mysql, flush: 2 }, 'innodb_flush_log_at_trx_commit = 2: a crash forgets the last second'],
    [{ ...mysql, flush: 0 }, 'code is accepted again and a second factor just enabled is gone. Set it to 1.'],
    [{ ...mysql, autocommit: 0 }, 'is never committed'],
    [{ ...mysql, readonly: 1 }, 'This MySQL is read-only, perhaps a replica that is behind.'],
    [{ ...mysql, engine: 'MyISAM' }, 'of engine MyISAM'],
  ])('MySQL: %p', async (row, warning) => {
    expect(await warned('mysql', [row])).toEqual(warning === null ? [] : [expect.stringContaining(warning)])
  })

  test.each<[object[], number]>([
    [[{ name: 'main', file: '/data/app.db' }], 0],
    [[{ name: 'main', file: '' }], 1],
    [[{ name: 'main', file: null }], 1],
    [
      [
        { name: 'other', file: '' },
        { name: 'main', file: '/data/app.db' },
      ],
      0,
    ],
    [[], 0],
  ])('SQLite: %p', async (rows, warnings) => {
    expect(await warned('sqlite', rows)).toHaveLength(warnings)
  })
})

test('the clock is the server’s, and of SQLite this machine’s', async () => {
  for (const kind of ['postgres', 'mysql'] as const) {
    const { db, dialect } = answering(kind, [{ now: '1700000000123.4' }])
    expect(await dialect.clock(db)).toBe(1_700_000_000_123.4)
    const silent = answering(kind, [])
    expect(await silent.dialect.clock(silent.db)).toBeNaN()
  }
  const { db, dialect } = answering('sqlite', [])
  expect(await dialect.clock(db)).toBeNull()
})

test.each<[keyof typeof parts, object[], boolean]>([
  ['postgres', [{ there: true }], true],
  ['postgres', [{ there: false }], false],
  ['postgres', [], false],
  ['mysql', [{ there: '1' }], true],
  ['mysql', [{ there: 0 }], false],
  ['mysql', [], false],
  // Looking is no quicker there.
  ['sqlite', [{ there: true }], false],
])('%s that answers %p is migrated: %p', async (kind, rows, is) => {
  const { db, dialect } = answering(kind, rows)
  expect(await dialect.isMigrated(db, table, 'the_last_index')).toBe(is)
})

test('somebody else was writing', () => {
  const busy = {
    sqlite: ['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT'],
    postgres: ['40001', '40P01', '55P03'],
    mysql: ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD'],
  }
  const codes = [...Object.values(busy).flat(), '', 'NOT_SQLITE_BUSY', 'undefined', 'ER_DUP_ENTRY', '23505']
  for (const [kind, expected] of Object.entries(busy)) {
    const { dialect } = answering(kind as keyof typeof parts, [])
    expect(codes.filter((code) => dialect.isBusy({ code }))).toEqual(expected)
    expect([null, undefined, new Error('x')].map((error) => dialect.isBusy(error))).toEqual([
      false,
      false,
      false,
    ])
  }
})

test('any other database is refused by name', () => {
  const { db } = answering('sqlite', [])
  class MssqlAdapter extends SqliteAdapter {}
  Object.defineProperty(db, 'getExecutor', { value: () => ({ adapter: new MssqlAdapter() }) })
  expect(() => dialectOf(db)).toThrow(
    expect.objectContaining({
      code: 'SF_SQL_DIALECT',
      message: expect.stringContaining('PostgreSQL, MySQL and MariaDB, not with MssqlAdapter'),
    }),
  )
})
