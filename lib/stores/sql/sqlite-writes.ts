import type { SqliteDatabase } from 'kysely'

/** An open connection of libsql or better-sqlite3. */
export interface SqliteConnection extends SqliteDatabase {
  exec(statements: string): unknown
}

/**
 * The connection, with each write in a transaction of its own.
 *
 * A write of libsql (0.5) that ends in SQLITE_BUSY stays unfinished until it is garbage collected, and so long
 * SQLite commits no later write of the connection: each claims to have changed its row, and may be rolled back
 * (tursodatabase/libsql-client-ts#352). `begin immediate` by `exec` is where a write can be busy without that
 * harm. And if the app's own writes have left the connection so, `commit` fails where autocommit is silent.
 */
export function committing(connection: SqliteConnection): SqliteDatabase {
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
