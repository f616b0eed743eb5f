import { resolve } from 'node:path'
import type { SqlDatabase } from './connect'
import type { SqlDialect } from './migration'

/** Where a table is: `at` is the same for what is certainly one database. */
export function placeOf(
  database: SqlDatabase,
  table: string,
  dialect: SqlDialect,
): { at: unknown; name: string; prefixes: false } {
  // What `mysql2/promise` hands out wraps the pool that others may have been given.
  const { name: file, pool } = database as { name?: unknown; pool?: unknown }
  if (dialect !== 'sqlite') {
    return { at: dialect === 'mysql' && pool ? pool : database, name: table, prefixes: false }
  }
  // Its drivers tell the file; what is in memory, or a temporary file, is the connection's own.
  const isFile = typeof file === 'string' && file !== '' && !file.startsWith(':')
  return {
    at: isFile ? resolve(file) : database,
    name: table.toLowerCase().replace(/^main\./, ''),
    prefixes: false,
  }
}
