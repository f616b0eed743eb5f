import { type Kysely, sql } from 'kysely'
import { type Committed, connect, type SqlDatabase } from './connect'
import { type Dialect, dialectOf, type TableName, type Tables } from './dialects'
import { checkTable, type SqlDialect } from './migration'
import { patiently } from './patiently'

/** How a table of ours comes to be. */
export interface TableOptions {
  table: string
  /** Whether it is created on first use. */
  migrate: boolean
  /** The statements that create it; any of them may be run again. */
  statements(dialect: SqlDialect, table: string): string[]
  /** An index that is there once all statements have been run. */
  lastIndex(table: string): string
}

/** A table of ours in the host's database: it is there before it is used, and its users wait while others write. */
export class OwnTable<Row> {
  readonly db: Kysely<Record<TableName, Row>>
  /** Runs one write, and resolves only when it is committed. */
  readonly committed: Committed<Record<TableName, Row>>
  readonly dialect: Dialect
  readonly name: TableName
  readonly #accounts: Kysely<Tables>
  readonly #options: TableOptions
  #ready: Promise<void> | null = null

  /** @throws ConfigurationError `SF_SQL_DATABASE`, `SF_SQL_DIALECT`, `SF_SQL_TABLE` */
  constructor(database: SqlDatabase, options: TableOptions) {
    checkTable(options.table)
    const { db, committed } = connect(database)
    this.#accounts = db
    this.db = db as unknown as Kysely<Record<TableName, Row>>
    this.committed = committed as unknown as Committed<Record<TableName, Row>>
    this.dialect = dialectOf(db)
    this.name = options.table as TableName
    this.#options = options
  }

  /** Any number of processes may do so at once. */
  async migrate(): Promise<void> {
    const { dialect, name } = this
    const db = this.#accounts
    await this.patiently(() => dialect.beforeMigration(db))
    const index = this.#options.lastIndex(name)
    if (await this.patiently(() => dialect.isMigrated(db, name, index))) return
    // As a whole: within a transaction that has failed, another try would only hear that it has failed.
    await this.patiently(() =>
      dialect.migrating(db, async (migrating) => {
        for (const statement of this.#options.statements(dialect.name, name)) {
          await sql.raw(statement).execute(migrating)
        }
      }),
    )
  }

  /** Once for all calls; a failure is not remembered, so that the next call tries again. */
  prepared(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error) => {
      this.#ready = null
      throw error
    })
    return this.#ready
  }

  async #prepare(): Promise<void> {
    await this.patiently(() => this.dialect.onFirstUse(this.#accounts))
    if (this.#options.migrate) await this.migrate()
  }

  /** For what may be done twice. */
  patiently<T>(work: () => Promise<T>): Promise<T> {
    return patiently(this.dialect, work)
  }
}
