import { mustBeKnown, type NamesOf } from '../checks'
import type { AuditLog, SecondFactorEvent } from '../events/events'
import type { SqlDatabase } from '../stores/sql/connect'
import { OwnTable } from '../stores/sql/own-table'
import { assertStorable } from '../stores/storable'
import { auditSql, DEFAULT_AUDIT_TABLE, timeIndexName } from './migration'
import { type EventRow, type LoggedEvent, toEvent, toRow } from './row'

export interface SqlAuditLogOptions {
  /** The table of the events, with its schema if need be. Default `second_factor_events`. */
  table?: string
  /** Whether the log creates its table on first use. Default true; else call `migrate()` yourself. */
  migrate?: boolean
}

const NAMES: NamesOf<SqlAuditLogOptions> = { table: true, migrate: true }

/** Which events `list` answers. */
export interface AuditQuery {
  /** Of this account only. */
  accountId?: string | number
  /** Older than the event of this id. */
  before?: number
  /** At most so many, up to 1000. Default 50. */
  limit?: number
}

/**
 * Keeps events in one table of a SQL database, the same that `SqlStore` takes. It only ever adds: nothing here changes
 * or erases an event, and a database user that may do no more than insert and select is enough.
 */
export class SqlAuditLog implements AuditLog {
  readonly #table: OwnTable<EventRow>

  /** @throws ConfigurationError `SF_OPTIONS`, `SF_SQL_DATABASE`, `SF_SQL_DIALECT`, `SF_SQL_TABLE` */
  constructor(database: SqlDatabase, options: SqlAuditLogOptions = {}) {
    mustBeKnown(options, NAMES, 'SqlAuditLog.')
    const { table = DEFAULT_AUDIT_TABLE, migrate = true } = options
    this.#table = new OwnTable(database, { table, migrate, statements: auditSql, lastIndex: timeIndexName })
  }

  /** Adds an event; rejects when the database does not take it. */
  async write(event: SecondFactorEvent): Promise<void> {
    const { name, dialect } = this.#table
    assertStorable(event.accountId)
    const row = toRow(event, dialect.id)
    await this.#table.prepared()
    await this.#table.patiently(() =>
      this.#table.committed((db) => db.insertInto(name).values(row).executeTakeFirst()),
    )
  }

  /**
   * Events, the newest first. The next page is `before` the last one's `id`.
   *
   * @throws RangeError
   */
  async list({ accountId, before, limit = 50 }: AuditQuery = {}): Promise<LoggedEvent[]> {
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new RangeError('limit is from 1 to 1000')
    if (before !== undefined && !Number.isSafeInteger(before))
      throw new RangeError('before is the id of an event')
    const { name, dialect, db } = this.#table
    let query = db.selectFrom(name).selectAll().orderBy('id', 'desc').limit(limit)
    if (accountId !== undefined) {
      assertStorable(String(accountId))
      query = query.where('account_id', '=', dialect.id(String(accountId)))
    }
    if (before !== undefined) query = query.where('id', '<', before)
    await this.#table.prepared()
    const rows = await this.#table.patiently(() => query.execute())
    return rows.map((row) => toEvent(row, dialect.integersAsText))
  }

  /** Creates the table where it is missing; any number of processes may do so at once. */
  async migrate(): Promise<void> {
    await this.#table.migrate()
  }
}
