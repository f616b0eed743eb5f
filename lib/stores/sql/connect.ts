import {
  Kysely,
  MysqlDialect,
  type MysqlPool,
  PostgresDialect,
  type SqliteDatabase,
  SqliteDialect,
} from 'kysely'
import { ConfigurationError } from '../../errors'
import type { Tables } from './dialects'
import { type PgPool, surviving } from './pg-pool'
import type { SqliteConnection } from './sqlite-statements'
import { committing } from './sqlite-writes'

/**
 * A Kysely instance, described by what we ask of it: the host's copy of Kysely may be another version than
 * ours, or the ES module of the same one.
 */
export interface KyselyInstance {
  selectFrom(...tables: never[]): unknown
  getExecutor(): { adapter: object }
}

/** A pool of `mysql2`, or of `mysql2/promise`. */
export interface Mysql2Pool {
  getConnection(...callback: never[]): unknown
}

/** What SqlStore and SqlAuditLog take. */
export type SqlDatabase = KyselyInstance | SqliteConnection | PgPool | Mysql2Pool

/** Runs one write, and resolves only when it is committed. */
export type Committed<DB = Tables> = <T>(write: (db: Kysely<DB>) => Promise<T>) => Promise<T>

/** @throws ConfigurationError `SF_SQL_DATABASE` */
export function connect(database: SqlDatabase): { db: Kysely<Tables>; committed: Committed } {
  if (hasMethod(database, 'selectFrom')) {
    // The host's plugins, which may rename columns, are for its own tables.
    const db = (database as unknown as Kysely<Tables>).withoutPlugins()
    // See committing() for why a transaction.
    const sqlite = /sqlite/i.test(db.getExecutor().adapter.constructor.name)
    return { db, committed: sqlite ? (write) => db.transaction().execute(write) : (write) => write(db) }
  }
  const dialect = dialectFor(database)
  const db = new Kysely<Tables>({ dialect })
  return { db, committed: (write) => write(db) }
}

function dialectFor(database: SqlDatabase) {
  if (hasMethod(database, 'prepare') && hasMethod(database, 'exec')) {
    return new SqliteDialect({ database: committing(database as SqliteConnection) as SqliteDatabase })
  }
  if (hasMethod(database, 'connect') && typeof (database as PgPool).totalCount === 'number') {
    return new PostgresDialect({ pool: surviving(database as PgPool) })
  }
  if (hasMethod(database, 'getConnection')) {
    // What `mysql2/promise` hands out wraps the pool that Kysely works with.
    const { pool } = database as { pool?: unknown }
    return new MysqlDialect({ pool: (hasMethod(pool, 'getConnection') ? pool : database) as MysqlPool })
  }
  throw new ConfigurationError(
    'SF_SQL_DATABASE',
    'What is kept in SQL needs an open SQLite database (libsql, better-sqlite3), a Pool of pg, a pool of mysql2, ' +
      'or a Kysely instance',
  )
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function'
}
