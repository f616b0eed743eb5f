import { setTimeout as delay } from 'node:timers/promises'
import { Kysely, type SqliteDatabase, SqliteDialect, sql } from 'kysely'
import { ConfigurationError } from '../errors'
import type { SecondFactorStore, StoredRecord } from './store'

export interface SqlStoreOptions {
  /** The table of the records, with its schema if need be. Default `second_factor_accounts`. */
  table?: string
  /** Whether the store creates its table on first use. Default true; else call `migrate()` yourself. */
  migrate?: boolean
}

/**
 * A Kysely instance, described by what we ask of it: the host's copy of Kysely may be another version than
 * ours, or the ES module of the same one.
 */
export interface KyselyInstance {
  selectFrom(...tables: never[]): unknown
  getExecutor(): { adapter: object }
}

/** An open connection of libsql or better-sqlite3. */
export interface SqliteConnection extends SqliteDatabase {
  exec(statements: string): unknown
}

interface AccountRow {
  account_id: string
  version: number
  activated: number
  sealed: string
}

/** The table's name is an option; to the types it is always this one. */
type TableName = 'second_factor_accounts'
type Tables = Record<TableName, AccountRow>

/**
 * Keeps the records in one table of a SQL database.
 *
 * ```ts
 * new SqlStore(new Database('app.db', { timeout: 5000 })) // libsql or better-sqlite3
 * new SqlStore(kysely)                                    // the Kysely instance that the app has anyway
 * ```
 *
 * Give libsql its `timeout` (it defaults to 0): how long a statement waits while another process writes. Where
 * the app runs transactions that await something, give its Kysely instance, not the connection below it: they
 * take turns on the one, on the other a write during such a transaction is refused.
 *
 * On SQLite it sets `journal_mode=WAL` (the file's) and `synchronous=FULL` (the connection's): what was
 * answered has reached the disk.
 */
export class SqlStore implements SecondFactorStore {
  readonly #db: Kysely<Tables>
  readonly #committed: Committed
  readonly #table: TableName
  readonly #dialect: Dialect
  readonly #migrates: boolean
  #ready: Promise<void> | null = null

  constructor(database: KyselyInstance | SqliteConnection, options: SqlStoreOptions = {}) {
    const { table = 'second_factor_accounts', migrate = true } = options
    if (!/^([A-Za-z_]\w*\.)?[A-Za-z_]\w*$/.test(table)) {
      throw new ConfigurationError('SF_SQL_TABLE', `"${table}" is no table name: letters, digits and _ only`)
    }
    const { db, committed } = connect(database)
    this.#db = db
    this.#committed = committed
    this.#dialect = dialectOf(this.#db)
    this.#table = table as TableName
    this.#migrates = migrate
  }

  async get(accountId: string): Promise<StoredRecord | null> {
    assertStorable(accountId)
    await this.#prepared()
    const row = await this.#patiently(() =>
      this.#db
        .selectFrom(this.#table)
        .select(['version', 'activated', 'sealed'])
        .where('account_id', '=', accountId)
        .executeTakeFirst(),
    )
    return row ? toRecord(row) : null
  }

  async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    assertStorable(accountId)
    await this.#prepared()
    const values = { version: next.version, activated: next.activated ? 1 : 0, sealed: next.sealed }
    try {
      const affected = await this.#committed((db) =>
        expectedVersion === 0
          ? this.#dialect.insertUnlessThere(db, this.#table, { account_id: accountId, ...values })
          : update(db, this.#table, accountId, expectedVersion, values),
      )
      return affected === 1n
    } catch (error) {
      // Somebody else is writing, perhaps this very row, and we have changed nothing: to be read again.
      if (this.#dialect.isBusy(error)) return false
      throw error
    }
  }

  async list(after: string | null, limit: number): Promise<{ accountId: string; record: StoredRecord }[]> {
    await this.#prepared()
    let query = this.#db.selectFrom(this.#table).selectAll().orderBy('account_id').limit(limit)
    if (after !== null) query = query.where('account_id', '>', after)
    const rows = await this.#patiently(() => query.execute())
    return rows.map((row) => ({ accountId: text(row, 'account_id'), record: toRecord(row) }))
  }

  async delete(accountId: string): Promise<void> {
    assertStorable(accountId)
    await this.#prepared()
    await this.#patiently(() =>
      this.#committed((db) =>
        db.deleteFrom(this.#table).where('account_id', '=', accountId).executeTakeFirst(),
      ),
    )
  }

  /** Creates the table and its index where they are missing. Any number of processes may do so at once. */
  async migrate(): Promise<void> {
    await this.#patiently(() => this.#dialect.beforeMigration(this.#db))
    await this.#patiently(() =>
      this.#db.schema
        .createTable(this.#table)
        .ifNotExists()
        .addColumn('account_id', this.#dialect.accountIdType, (column) => column.notNull().primaryKey())
        .addColumn('version', 'integer', (column) => column.notNull())
        .addColumn('activated', 'integer', (column) => column.notNull())
        .addColumn('sealed', 'text', (column) => column.notNull())
        .execute(),
    )
    await this.#patiently(() =>
      this.#db.schema
        .createIndex(`${this.#table.split('.').at(-1)}_activated`)
        .ifNotExists()
        .on(this.#table)
        .column('activated')
        .execute(),
    )
  }

  /** Once for all calls; a failure is not remembered, so that the next call tries again. */
  #prepared(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error) => {
      this.#ready = null
      throw error
    })
    return this.#ready
  }

  async #prepare(): Promise<void> {
    await this.#patiently(() => this.#dialect.onFirstUse(this.#db))
    if (this.#migrates) await this.migrate()
  }

  /** For what may be done twice: while others write, it waits for up to two seconds. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + 2000
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (performance.now() > end || !this.#dialect.isBusy(error)) throw error
        await delay(5 + Math.random() * 20)
      }
    }
  }
}

/** All that the databases do differently. A further one is a further object here. */
interface Dialect {
  /** At least 255 characters, compared and sorted byte by byte: `alice` is not `Alice`. */
  accountIdType: 'text'
  beforeMigration(db: Kysely<Tables>): Promise<unknown>
  onFirstUse(db: Kysely<Tables>): Promise<unknown>
  /** How many rows it has inserted: 1, or 0 when the account has one. MySQL has its own word for this. */
  insertUnlessThere(db: Kysely<Tables>, table: TableName, row: AccountRow): Promise<bigint | undefined>
  /** Whether the statement failed, without effect, because somebody else was writing. */
  isBusy(error: unknown): boolean
}

const sqlite: Dialect = {
  accountIdType: 'text',
  beforeMigration: (db) => sql`pragma journal_mode = wal`.execute(db),
  onFirstUse: (db) => sql`pragma synchronous = full`.execute(db),
  async insertUnlessThere(db, table, row) {
    const result = await db
      .insertInto(table)
      .values(row)
      .onConflict((conflict) => conflict.column('account_id').doNothing())
      .executeTakeFirst()
    return result.numInsertedOrUpdatedRows
  },
  isBusy: (error) => /^SQLITE_BUSY/.test(String((error as { code?: unknown } | null)?.code)),
}

function dialectOf(db: Kysely<Tables>): Dialect {
  // By name: the adapter may come from another copy of Kysely, where `instanceof` is always false.
  const { name } = db.getExecutor().adapter.constructor
  if (/sqlite/i.test(name)) return sqlite
  throw new ConfigurationError('SF_SQL_DIALECT', `SqlStore works with SQLite so far, not with ${name}`)
}

/** Runs one write, and resolves only when it is committed. */
type Committed = <T>(write: (db: Kysely<Tables>) => Promise<T>) => Promise<T>

function connect(database: KyselyInstance | SqliteConnection): { db: Kysely<Tables>; committed: Committed } {
  if (hasMethod(database, 'selectFrom')) {
    const db = database as unknown as Kysely<Tables>
    // See committing() for why a transaction.
    return { db, committed: (write) => db.transaction().execute(write) }
  }
  if (hasMethod(database, 'prepare') && hasMethod(database, 'exec')) {
    const connection = committing(database as SqliteConnection)
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: connection }) })
    return { db, committed: (write) => write(db) }
  }
  throw new ConfigurationError(
    'SF_SQL_DATABASE',
    'SqlStore needs a Kysely instance or an open SQLite database (libsql, better-sqlite3)',
  )
}

/**
 * The connection, with each write in a transaction of its own.
 *
 * A write of libsql (0.5) that ends in SQLITE_BUSY stays unfinished until it is garbage collected, and so long
 * SQLite commits no later write of the connection: each claims to have changed its row, and may be rolled back
 * (tursodatabase/libsql-client-ts#352). `begin immediate` by `exec` is where a write can be busy without that
 * harm. And if the app's own writes have left the connection so, `commit` fails where autocommit is silent.
 */
function committing(connection: SqliteConnection): SqliteDatabase {
  return {
    close() {
      connection.close()
    },
    prepare(query) {
      const statement = connection.prepare(query)
      if (statement.reader || /^pragma/i.test(query)) return statement
      return {
        reader: false,
        all: (parameters) => statement.all(parameters),
        iterate: (parameters) => statement.iterate(parameters),
        run(parameters) {
          connection.exec('begin immediate')
          try {
            const result = statement.run(parameters)
            connection.exec('commit')
            return result
          } catch (error) {
            rollback(connection)
            throw error
          }
        },
      }
    },
  }
}

function rollback(connection: SqliteConnection): void {
  try {
    connection.exec('rollback')
  } catch {
    // SQLite has done it by itself. What counts is why.
  }
}

async function update(
  db: Kysely<Tables>,
  table: TableName,
  accountId: string,
  expectedVersion: number,
  values: Omit<AccountRow, 'account_id'>,
): Promise<bigint> {
  const { numUpdatedRows } = await db
    .updateTable(table)
    .set(values)
    .where('account_id', '=', accountId)
    .where('version', '=', expectedVersion)
    .executeTakeFirst()
  return numUpdatedRows
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function'
}

/** Two ids must never meet in one row, and SQLite would cut the one and change the other of these. */
function assertStorable(accountId: string): void {
  if (accountId.includes('\0') || Buffer.from(accountId).toString() !== accountId) {
    throw new TypeError('An account id with a NUL or half a surrogate pair cannot be stored')
  }
}

/** What a database hands back is checked, not believed: a damaged row is an error, never "no second factor". */
function toRecord(row: Omit<AccountRow, 'account_id'>): StoredRecord {
  const version = integer(row, 'version')
  const activated = integer(row, 'activated')
  if (version < 1 || activated < 0 || activated > 1) {
    throw new TypeError('A row of the second factor table is damaged: version or activated out of range')
  }
  return { version, activated: activated === 1, sealed: text(row, 'sealed') }
}

function integer<K extends string>(row: Record<K, unknown>, column: K): number {
  // Some drivers hand out integers as bigint.
  const value = typeof row[column] === 'bigint' ? Number(row[column]) : row[column]
  if (Number.isSafeInteger(value)) return value as number
  throw new TypeError(`A row of the second factor table is damaged: ${column} is no integer`)
}

function text<K extends string>(row: Record<K, unknown>, column: K): string {
  const value = row[column]
  if (typeof value === 'string') return value
  throw new TypeError(`A row of the second factor table is damaged: ${column} is no text`)
}
