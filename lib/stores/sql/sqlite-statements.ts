import type { SqliteDatabase } from 'kysely'

type SqliteStatement = ReturnType<SqliteDatabase['prepare']>

/** An open connection of libsql or better-sqlite3. */
export interface SqliteConnection extends SqliteDatabase {
  exec(statements: string): unknown
  readonly open?: boolean
}

/** More texts than a store and an audit log have. */
const MOST = 50

/**
 * The connection's statements, each prepared once and used again: preparing one takes as long as running it. What a
 * change of the schema makes of it, SQLite sees by itself.
 */
export class SqliteStatements {
  readonly #connection: SqliteConnection
  readonly #kept = new Map<string, SqliteStatement>()

  constructor(connection: SqliteConnection) {
    this.#connection = connection
  }

  /** For a statement that is run to its end at once: nobody else is to be in the middle of it. */
  prepared(query: string): SqliteStatement {
    // A statement of libsql outlives its connection, and would go on answering from a file that was closed.
    const kept = this.#connection.open === true ? this.#kept.get(query) : undefined
    const statement = kept ?? this.#connection.prepare(query)
    // The one that was used longest ago goes first.
    this.#kept.delete(query)
    this.#kept.set(query, statement)
    if (this.#kept.size > MOST) this.#kept.delete(this.#kept.keys().next().value as string)
    return statement
  }

  /** After it has failed: libsql leaves some unfinished until they are garbage collected. */
  forget(query: string): void {
    this.#kept.delete(query)
  }
}
