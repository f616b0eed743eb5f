import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Kysely, MysqlDialect, PostgresDialect, SqliteDialect } from 'kysely'
import Database from 'libsql'
import mysql from 'mysql2'
import { Pool } from 'pg'
import type { TransfersTable } from './transfers'
import type { UserLanguagesTable, UsersTable } from './users'

export interface Tables {
  users: UsersTable
  user_languages: UserLanguagesTable
  transfers: TransfersTable
  /** The plugin's own: only the seeding of users writes to it. */
  second_factor_accounts: { account_id: string | Buffer; version: number; activated: number; sealed: string }
}

export type Db = Kysely<Tables>

/** PostgreSQL or MySQL where a URL says so, else a SQLite file in the data folder. */
export function openDatabase({ dataDir, databaseUrl }: { dataDir: string; databaseUrl: string | null }): Db {
  if (databaseUrl?.startsWith('postgres')) {
    const pool = new Pool({ connectionString: databaseUrl, connectionTimeoutMillis: 2000 })
    // Without these a connection that is lost, idle or in use, would end the process.
    pool.on('error', () => {})
    pool.on('connect', (client) => client.on('error', () => {}))
    return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  }
  if (databaseUrl) {
    return new Kysely<Tables>({
      dialect: new MysqlDialect({ pool: mysql.createPool({ uri: databaseUrl, connectTimeout: 2000 }) }),
    })
  }
  mkdirSync(dataDir, { recursive: true })
  // WAL and a timeout: several processes may share the file.
  const file = new Database(join(dataDir, 'quayside.db'), { timeout: 5000 })
  file.exec('pragma journal_mode = wal')
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: file }) })
}

/** Creating what is there already, perhaps by another process at this very moment, is no error. */
export async function unlessThere(create: () => Promise<unknown>): Promise<void> {
  try {
    await create()
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string }
    const known = ['23505', '42P07', 'ER_DUP_ENTRY', 'ER_TABLE_EXISTS_ERROR']
    if (
      known.includes(String(code)) ||
      /^SQLITE_CONSTRAINT/.test(String(code)) ||
      /UNIQUE constraint/.test(String(message))
    )
      return
    throw error
  }
}
