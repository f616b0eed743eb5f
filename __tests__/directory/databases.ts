import Database from 'libsql'
import mysql from 'mysql2/promise'
import { Pool } from 'pg'
import type { SqlDatabase } from '../../lib/stores/sql/connect'
import type { SqlDialect } from '../../lib/stores/sql/migration'
import { startMariadb } from '../support/servers/mariadb'
import { startPostgres } from '../support/servers/postgres'

const { tools } = require('../support/tools')

/** A database with a table of users, as a host has it. */
export interface HostDatabase {
  dialect: SqlDialect
  database: SqlDatabase
  run(statement: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  stop(): Promise<unknown>
}

export interface HostUser {
  id: number
  name: string | null
  email: string
}

/** Every kind of database, with the programs that it needs. */
export const databases: { name: string; needs: (keyof typeof tools)[]; start(): Promise<HostDatabase> }[] = [
  {
    name: 'SQLite',
    needs: [],
    async start() {
      const database = new Database(':memory:')
      return {
        dialect: 'sqlite',
        database,
        async run(statement, values = []) {
          const prepared = database.prepare(statement)
          if (prepared.reader) return prepared.all(values) as Record<string, unknown>[]
          prepared.run(values)
          return []
        },
        stop: async () => database.close(),
      }
    },
  },
  {
    name: 'PostgreSQL',
    needs: ['postgres'],
    async start() {
      const server = await startPostgres()
      const pool = new Pool({ connectionString: server.url })
      pool.on('error', () => {})
      return {
        dialect: 'postgres',
        database: pool,
        run: async (statement, values = []) => (await pool.query(statement, values)).rows,
        async stop() {
          await pool.end()
          await server.stop()
        },
      }
    },
  },
  {
    name: 'MariaDB',
    needs: ['mariadb', 'mariadbInstall'],
    async start() {
      const server = await startMariadb()
      const pool = mysql.createPool({ uri: server.url })
      return {
        dialect: 'mysql',
        database: pool,
        run: async (statement, values = []) =>
          (await pool.query(statement, values))[0] as Record<string, unknown>[],
        async stop() {
          await pool.end()
          await server.stop()
        },
      }
    },
  },
]

/** A table of users named `table`. */
export function createUsers({ dialect, run }: HostDatabase, table: string): Promise<unknown> {
  const text = dialect === 'mysql' ? 'varchar(200)' : 'text'
  return run(`create table ${table} (id integer not null primary key, name ${text}, email ${text} not null)`)
}

export async function putUsers(
  { dialect, run }: HostDatabase,
  table: string,
  users: HostUser[],
): Promise<void> {
  await run(`delete from ${table}`)
  if (users.length === 0) return
  const mark = (i: number) => (dialect === 'postgres' ? `$${i}` : '?')
  const rows = users.map((_user, i) => `(${mark(3 * i + 1)}, ${mark(3 * i + 2)}, ${mark(3 * i + 3)})`)
  await run(
    `insert into ${table} (id, name, email) values ${rows.join(', ')}`,
    users.flatMap(({ id, name, email }) => [id, name, email]),
  )
}
