import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { inPlaceOfDamaged } from './damaged'
import { connect, type SqlDatabase } from './sql/connect'
import { type Dialect, dialectOf, type TableName, type Tables } from './sql/dialects'
import { checkTable, DEFAULT_TABLE, migrationSql } from './sql/migration'
import { type AccountRow, toAccountId, toRecord } from './sql/row'
import { assertStorable } from './storable'
import type { SecondFactorStore, StoredRecord, StoreReport } from './store'

export interface SqlStoreOptions {
  /** The table of the records, with its schema if need be. Default `second_factor_accounts`. */
  table?: string
  /** Whether the store creates its table on first use. Default true; else call `migrate()` yourself. */
  migrate?: boolean
}

/**
 * Keeps the records in one table of a SQL database.
 *
 * ```ts
 * new SqlStore(new Database('app.db', { timeout: 5000 })) // SQLite: libsql or better-sqlite3
 * new SqlStore(new Pool({ connectionString }))            // PostgreSQL: pg
 * new SqlStore(mysql.createPool(url))                     // MySQL, MariaDB: mysql2
 * new SqlStore(kysely)                                    // the Kysely instance that the app has anyway
 * ```
 *
 * Give libsql its `timeout` (it defaults to 0): how long a statement waits while another process writes. Where
 * the app runs transactions on SQLite that await something, give its Kysely instance, not the connection below
 * it: they take turns on the one, on the other a write during such a transaction is refused.
 *
 * On SQLite it sets `synchronous=FULL` (the connection's), so that what was answered has reached the disk, and,
 * when it creates its table, `journal_mode=WAL` (the file's), so that reading and writing do not wait for each other.
 */
export class SqlStore implements SecondFactorStore {
  readonly #db: Kysely<Tables>
  readonly #committed: ReturnType<typeof connect>['committed']
  readonly #table: TableName
  readonly #dialect: Dialect
  readonly #migrates: boolean
  #ready: Promise<void> | null = null

  /** @throws ConfigurationError `SF_SQL_DATABASE`, `SF_SQL_DIALECT`, `SF_SQL_TABLE` */
  constructor(database: SqlDatabase, options: SqlStoreOptions = {}) {
    const { table = DEFAULT_TABLE, migrate = true } = options
    checkTable(table)
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
        .where('account_id', '=', this.#dialect.id(accountId))
        .executeTakeFirst(),
    )
    return row ? toRecord(row, this.#dialect.integersAsText) : null
  }

  async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    assertStorable(accountId)
    await this.#prepared()
    const id = this.#dialect.id(accountId)
    const values = { version: next.version, activated: next.activated ? 1 : 0, sealed: next.sealed }
    try {
      const affected = await this.#committed((db) =>
        expectedVersion === 0
          ? this.#dialect.insertUnlessThere(db, this.#table, { account_id: id, ...values })
          : update(db, this.#table, id, expectedVersion, values),
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
    if (after !== null) query = query.where('account_id', '>', this.#dialect.id(after))
    const rows = await this.#patiently(() => query.execute())
    return rows.map((row) => ({
      accountId: toAccountId(row),
      record: this.#listed(row),
    }))
  }

  async delete(accountId: string): Promise<void> {
    assertStorable(accountId)
    await this.#prepared()
    await this.#patiently(() =>
      this.#committed((db) =>
        db.deleteFrom(this.#table).where('account_id', '=', this.#dialect.id(accountId)).executeTakeFirst(),
      ),
    )
  }

  /** Where the store creates its table, it is there afterwards: the app asks this at the start. */
  async inspect(): Promise<StoreReport> {
    await this.#prepared()
    return {
      clock: await this.#dialect.clock(this.#db),
      warnings: await this.#dialect.warnings(this.#db, this.#table),
    }
  }

  /**
   * Creates the table and its index where they are missing, and brings older ones up to date. Any number of
   * processes may do so at once. A role that may not create anything need not, once it is done.
   */
  async migrate(): Promise<void> {
    await this.#patiently(() => this.#dialect.beforeMigration(this.#db))
    if (await this.#patiently(() => this.#dialect.isMigrated(this.#db, this.#table))) return
    // As a whole: within a transaction that has failed, another try would only hear that it has failed.
    await this.#patiently(() =>
      this.#dialect.migrating(this.#db, async (db) => {
        for (const statement of migrationSql(this.#dialect.name, this.#table)) {
          await sql.raw(statement).execute(db)
        }
      }),
    )
  }

  #listed(row: AccountRow): StoredRecord {
    try {
      return toRecord(row, this.#dialect.integersAsText)
    } catch (error) {
      return inPlaceOfDamaged(error)
    }
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

async function update(
  db: Kysely<Tables>,
  table: TableName,
  id: string | Buffer,
  expectedVersion: number,
  values: Omit<AccountRow, 'account_id'>,
): Promise<bigint> {
  const { numUpdatedRows } = await db
    .updateTable(table)
    .set(values)
    .where('account_id', '=', id)
    .where('version', '=', expectedVersion)
    .executeTakeFirst()
  return numUpdatedRows
}
