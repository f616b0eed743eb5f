import { type Kysely, sql } from 'kysely'
import { ConfigurationError } from '../../errors'
import { inSchemaOf, nameOf, type SqlDialect, schemaOf } from './migration'
import type { AccountRow } from './row'

/** The table's name is an option; to the types it is always this one. */
export type TableName = 'second_factor_accounts'
export type Tables = Record<TableName, AccountRow>
type Db = Kysely<Tables>

/** All that the databases do differently. A further one is a further object here. */
export interface Dialect {
  name: SqlDialect
  /** An account id as the database's own type, so that it is compared byte by byte. */
  id(accountId: string): string | Buffer
  /** The drivers hand out 64-bit integers as text. */
  integersAsText: boolean
  onFirstUse(db: Db): Promise<unknown>
  beforeMigration(db: Db): Promise<unknown>
  /** Whether nothing is left to migrate: whoever may not create tables need not. */
  isMigrated(db: Db, table: TableName, lastIndex: string): Promise<boolean>
  /** Runs the migration so that another process that does the same at once does no harm. */
  migrating(db: Db, work: (db: Db) => Promise<void>): Promise<void>
  /** How many rows it has inserted: 1, or 0 when the account has one. */
  insertUnlessThere(db: Db, table: TableName, row: AccountRow): Promise<bigint | undefined>
  /** Whether the statement failed, without effect, because somebody else was writing. */
  isBusy(error: unknown): boolean
  /** The database's own clock, milliseconds since 1970; null: it is this machine's. */
  clock(db: Db): Promise<number | null>
  /** What is set so that a write that was answered may be lost. */
  warnings(db: Db, table: TableName): Promise<string[]>
}

const sqlite: Dialect = {
  name: 'sqlite',
  id: (accountId) => accountId,
  integersAsText: false,
  onFirstUse: (db) => sql`pragma synchronous = full`.execute(db),
  beforeMigration: (db) => sql`pragma journal_mode = wal`.execute(db),
  // Running it is as quick as looking, and needs no right that the file does not give.
  isMigrated: async () => false,
  migrating: (db, work) => work(db),
  insertUnlessThere,
  isBusy: (error) => /^SQLITE_BUSY/.test(String(codeOf(error))),
  clock: async () => null,
  async warnings(db) {
    const { rows } = await sql<{ name: string; file: string | null }>`pragma database_list`.execute(db)
    const main = rows.find(({ name }) => name === 'main')
    return main && !main.file
      ? ['This SQLite database is in memory: every second factor is lost at a restart. Open a file.']
      : []
  },
}

/** Any number will do that no other program takes: processes that migrate at once stand in line by it. */
const MIGRATION_LOCK = 7_309_453_126n

const postgres: Dialect = {
  name: 'postgres',
  id: (accountId) => accountId,
  integersAsText: true,
  async onFirstUse() {},
  async beforeMigration() {},
  async isMigrated(db, table, lastIndex) {
    const index = inSchemaOf(table, lastIndex)
    const { rows } = await sql<{ there: boolean }>`
      select to_regclass(${table}) is not null and to_regclass(${index}) is not null as there
    `.execute(db)
    return rows[0]?.there === true
  },
  migrating: (db, work) =>
    db.transaction().execute(async (transaction) => {
      // "If not exists" alone fails when two create the same thing at once.
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(transaction)
      await work(transaction)
    }),
  insertUnlessThere,
  // Of stricter isolation levels, a deadlock, a lock timeout.
  isBusy: (error) => ['40001', '40P01', '55P03'].includes(String(codeOf(error))),
  async clock(db) {
    const { rows } = await sql<{ now: unknown }>`
      select extract(epoch from clock_timestamp()) * 1000 as now
    `.execute(db)
    return Number(rows[0]?.now)
  },
  async warnings(db, table) {
    const { rows } = await sql<Record<'fsync' | 'commit' | 'standby' | 'unlogged', unknown>>`
      select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
        pg_is_in_recovery() as standby,
        (select relpersistence <> 'p' from pg_class where oid = to_regclass(${table})) as unlogged
    `.execute(db)
    const { fsync, commit, standby, unlogged } = rows[0] ?? {}
    return [
      ...(fsync === 'off'
        ? ['PostgreSQL runs with fsync = off: a power cut can damage everything. Turn it on.']
        : []),
      ...(commit === 'off'
        ? [
            'PostgreSQL runs with synchronous_commit = off: a crash forgets the last moments, so that a used code is ' +
              'accepted again and a second factor just enabled is gone. Turn it on, at least for this user.',
          ]
        : []),
      ...(standby === true
        ? ['This PostgreSQL is a standby, which cannot write and may be behind. Connect to the primary.']
        : []),
      ...(unlogged === true
        ? [`The table ${table} is unlogged: a crash empties it. alter table ${table} set logged`]
        : []),
    ]
  },
}

const mysql: Dialect = {
  name: 'mysql',
  // As bytes: the connection's character set has no say.
  id: (accountId) => Buffer.from(accountId),
  integersAsText: true,
  async onFirstUse() {},
  async beforeMigration() {},
  async isMigrated(db, table, lastIndex) {
    const { rows } = await sql<{ there: unknown }>`
      select count(*) as there from information_schema.statistics
      where table_schema = coalesce(${schemaOf(table)}, database()) and table_name = ${nameOf(table)}
        and index_name = ${lastIndex}
    `.execute(db)
    return Number(rows[0]?.there) > 0
  },
  // One statement, and MySQL lets one after the other create a table.
  migrating: (db, work) => work(db),
  async insertUnlessThere(db, table, row) {
    try {
      // Not "insert ignore", which would cut what does not fit.
      return (await db.insertInto(table).values(row).executeTakeFirst()).numInsertedOrUpdatedRows
    } catch (error) {
      if (codeOf(error) === 'ER_DUP_ENTRY') return 0n
      throw error
    }
  },
  // The last: MariaDB's word for a row that somebody has changed since it was looked at.
  isBusy: (error) =>
    ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD'].includes(String(codeOf(error))),
  async clock(db) {
    const { rows } = await sql<{ now: unknown }>`select unix_timestamp(now(3)) * 1000 as now`.execute(db)
    return Number(rows[0]?.now)
  },
  async warnings(db, table) {
    const { rows } = await sql<Record<'flush' | 'autocommit' | 'readonly' | 'engine', unknown>>`
      select @@innodb_flush_log_at_trx_commit as flush, @@autocommit as autocommit, @@global.read_only as readonly,
        (select engine from information_schema.tables
          where table_schema = coalesce(${schemaOf(table)}, database()) and table_name = ${nameOf(table)}) as engine
    `.execute(db)
    const { flush, autocommit, readonly, engine } = rows[0] ?? {}
    return [
      ...(Number(flush) !== 1
        ? [
            `MySQL runs with innodb_flush_log_at_trx_commit = ${flush}: a crash forgets the last second, so that a used ` +
              'code is accepted again and a second factor just enabled is gone. Set it to 1.',
          ]
        : []),
      ...(Number(autocommit) !== 1
        ? [
            'This connection has autocommit off: what SqlStore writes is never committed. Turn it on for its pool.',
          ]
        : []),
      ...(Number(readonly) !== 0
        ? ['This MySQL is read-only, perhaps a replica that is behind. Connect to the primary.']
        : []),
      ...(engine && !/innodb/i.test(String(engine))
        ? [`The table ${table} is of engine ${engine}, which does not survive a crash. Make it InnoDB.`]
        : []),
    ]
  },
}

/** @throws ConfigurationError `SF_SQL_DIALECT` */
export function dialectOf(db: Db): Dialect {
  // By name: the adapter may come from another copy of Kysely, where `instanceof` is always false.
  const { name } = db.getExecutor().adapter.constructor
  if (/sqlite/i.test(name)) return sqlite
  if (/postgres/i.test(name)) return postgres
  if (/mysql/i.test(name)) return mysql
  throw new ConfigurationError(
    'SF_SQL_DIALECT',
    `SqlStore and SqlAuditLog work with SQLite, PostgreSQL, MySQL and MariaDB, not with ${name}`,
  )
}

async function insertUnlessThere(db: Db, table: TableName, row: AccountRow): Promise<bigint | undefined> {
  const result = await db
    .insertInto(table)
    .values(row)
    .onConflict((conflict) => conflict.column('account_id').doNothing())
    .executeTakeFirst()
  return result.numInsertedOrUpdatedRows
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}
