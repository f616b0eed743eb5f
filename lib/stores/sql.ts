import type { Kysely } from 'kysely'
import { mustBeKnown, type NamesOf } from '../checks'
import { inPlaceOfDamaged } from './damaged'
import { notePlace } from './place'
import { compiledOnce } from './sql/compiled'
import type { SqlDatabase } from './sql/connect'
import type { Tables } from './sql/dialects'
import { DEFAULT_TABLE, indexName, migrationSql } from './sql/migration'
import { OwnTable } from './sql/own-table'
import { placeOf } from './sql/place-of'
import { type AccountRow, toAccountId, toRecord } from './sql/row'
import { assertStorable } from './storable'
import type { SecondFactorStore, StoredRecord, StoreReport } from './store'

/** Ids in one statement: databases take a limited number of parameters. */
const MOST_AT_ONCE = 500

export interface SqlStoreOptions {
  /** The table of the records, with its schema if need be. Default `second_factor_accounts`. */
  table?: string
  /** Whether the store creates its table on first use. Default true; else call `migrate()` yourself. */
  migrate?: boolean
}

const NAMES: NamesOf<SqlStoreOptions> = { table: true, migrate: true }

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
 * On SQLite it sets `synchronous=FULL` (the connection's), so that what was answered has reached the disk, and, on first
 * use or else in `migrate()`, whether the table is there or not, `journal_mode=WAL` (the file's), so that reading and
 * writing do not wait for each other.
 */
export class SqlStore implements SecondFactorStore {
  readonly #table: OwnTable<AccountRow>
  readonly #read = compiledOnce((db: Kysely<Tables>) =>
    db.selectFrom(this.#table.name).select(['version', 'activated', 'sealed']).where('account_id', '=', ''),
  )
  readonly #update = compiledOnce((db: Kysely<Tables>) =>
    db
      .updateTable(this.#table.name)
      .set({ version: 0, activated: 0, sealed: '' })
      .where('account_id', '=', '')
      .where('version', '=', 0),
  )

  /** @throws ConfigurationError `SF_OPTIONS`, `SF_SQL_DATABASE`, `SF_SQL_DIALECT`, `SF_SQL_TABLE` */
  constructor(database: SqlDatabase, options: SqlStoreOptions = {}) {
    mustBeKnown(options, NAMES, 'SqlStore.')
    const { table = DEFAULT_TABLE, migrate = true } = options
    this.#table = new OwnTable(database, { table, migrate, statements: migrationSql, lastIndex: indexName })
    notePlace(this, placeOf(database, table, this.#table.dialect.name))
  }

  async get(accountId: string): Promise<StoredRecord | null> {
    assertStorable(accountId)
    await this.#table.prepared()
    const id = this.#table.dialect.id(accountId)
    const { rows } = await this.#table.patiently(() => this.#read(this.#table.db, id))
    const [row] = rows
    return row ? toRecord(row, this.#table.dialect.integersAsText) : null
  }

  async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    assertStorable(accountId)
    await this.#table.prepared()
    const id = this.#table.dialect.id(accountId)
    const { version, sealed } = next
    const activated = next.activated ? 1 : 0
    try {
      const affected = await this.#table.committed(async (db) => {
        if (expectedVersion === 0) {
          const row = { account_id: id, version, activated, sealed }
          return this.#table.dialect.insertUnlessThere(db, this.#table.name, row)
        }
        return (await this.#update(db, version, activated, sealed, id, expectedVersion)).numAffectedRows
      })
      return affected === 1n
    } catch (error) {
      // Somebody else is writing, perhaps this very row, and we have changed nothing: to be read again.
      if (this.#table.dialect.isBusy(error)) return false
      throw error
    }
  }

  async list(after: string | null, limit: number): Promise<{ accountId: string; record: StoredRecord }[]> {
    await this.#table.prepared()
    let query = this.#table.db.selectFrom(this.#table.name).selectAll().orderBy('account_id').limit(limit)
    if (after !== null) query = query.where('account_id', '>', this.#table.dialect.id(after))
    const rows = await this.#table.patiently(() => query.execute())
    return rows.map((row) => ({
      accountId: toAccountId(row),
      record: this.#listed(row),
    }))
  }

  async getMany(accountIds: readonly string[]): Promise<(StoredRecord | null)[]> {
    for (const accountId of accountIds) assertStorable(accountId)
    await this.#table.prepared()
    const found = new Map<string, StoredRecord>()
    for (let from = 0; from < accountIds.length; from += MOST_AT_ONCE) {
      const ids = accountIds.slice(from, from + MOST_AT_ONCE).map((id) => this.#table.dialect.id(id))
      const rows = await this.#table.patiently(() =>
        this.#table.db.selectFrom(this.#table.name).selectAll().where('account_id', 'in', ids).execute(),
      )
      for (const row of rows) found.set(toAccountId(row), this.#listed(row))
    }
    return accountIds.map((accountId) => found.get(accountId) ?? null)
  }

  async delete(accountId: string): Promise<void> {
    assertStorable(accountId)
    await this.#table.prepared()
    await this.#table.patiently(() =>
      this.#table.committed((db) =>
        db
          .deleteFrom(this.#table.name)
          .where('account_id', '=', this.#table.dialect.id(accountId))
          .executeTakeFirst(),
      ),
    )
  }

  /** Where the store creates its table, it is there afterwards: the app asks this at the start. */
  async inspect(): Promise<StoreReport> {
    await this.#table.prepared()
    return {
      clock: await this.#table.dialect.clock(this.#table.db),
      warnings: await this.#table.dialect.warnings(this.#table.db, this.#table.name),
    }
  }

  /**
   * Creates the table and its index where they are missing, and brings older ones up to date. Any number of
   * processes may do so at once. A role that may not create anything need not, once it is done.
   */
  async migrate(): Promise<void> {
    await this.#table.migrate()
  }

  #listed(row: AccountRow): StoredRecord {
    try {
      return toRecord(row, this.#table.dialect.integersAsText)
    } catch (error) {
      return inPlaceOfDamaged(error)
    }
  }
}
