import type { SqliteDatabase } from 'kysely'
import { type SqliteConnection, SqliteStatements } from './sqlite-statements'

/**
 * The connection, with each write in a transaction of its own.
 *
 * A write of libsql (0.5) that ends in SQLITE_BUSY stays unfinished until it is garbage collected, and so long
 * SQLite commits no later write of the connection: each claims to have changed its row, and may be rolled back
 * (tursodatabase/libsql-client-ts#352). `begin immediate` by `exec` is where a write can be busy without that
 * harm. And if the app's own writes have left the connection so, `commit` fails where autocommit is silent.
 */
export function committing(connection: SqliteConnection): SqliteDatabase {
  const statements = new SqliteStatements(connection)
  return {
    close() {
      connection.close()
    },
    prepare(query) {
      if (/^pragma/i.test(query)) return connection.prepare(query)
      const statement = statements.prepared(query)
      return {
        reader: statement.reader,
        all: (parameters) => orForgotten(query, () => statement.all(parameters)),
        // Of its own, since it stays open for as long as its rows are gone through.
        iterate: (parameters) => connection.prepare(query).iterate(parameters),
        run: (parameters) =>
          orForgotten(query, () => inTransaction(connection, () => statement.run(parameters))),
      }
    },
  }

  function orForgotten<T>(query: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      statements.forget(query)
      throw error
    }
  }
}

function inTransaction<T>(connection: SqliteConnection, write: () => T): T {
  connection.exec('begin immediate')
  try {
    const result = write()
    connection.exec('commit')
    return result
  } catch (error) {
    rollback(connection)
    throw error
  }
}

function rollback(connection: SqliteConnection): void {
  try {
    connection.exec('rollback')
  } catch {
    // SQLite has done it by itself. What counts is why.
  }
}
