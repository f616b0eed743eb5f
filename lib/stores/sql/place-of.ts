import type { SqlDatabase } from './connect'
import type { SqlDialect } from './migration'

/** Where a table is: the same for what is certainly one table, over one connection or pool. */
export function placeOf(
  database: SqlDatabase,
  table: string,
  dialect: SqlDialect,
): { at: unknown; name: string; prefixes: false } {
  // SQLite does not tell names by their case, and its own schema need not be named.
  const name = dialect === 'sqlite' ? table.toLowerCase().replace(/^main\./, '') : table
  // What `mysql2/promise` hands out wraps the pool, which another store may have been given.
  const { pool } = database as { pool?: unknown }
  return { at: (dialect === 'mysql' && pool) || database, name, prefixes: false }
}
