import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { SqlStore } from '../stores/sql'
import type { SqlDatabase } from '../stores/sql/connect'
import { type Address, CONNECTING, type Opening, parsed, RECOVERY_TABLE, toldLater } from './address'
import { Failure, type World } from './command'
import { driver } from './drivers'
import { redis, redisCluster } from './redis-url'
import { passwordsOf } from './secrets'

/** As many as a rotation writes at once. */
const CONNECTIONS = 8

const OPENERS: Record<string, (address: Address) => Opening> = {
  sqlite,
  file: sqlite,
  postgres,
  postgresql: postgres,
  mysql,
  mariadb: mysql,
  redis,
  rediss: redis,
  'redis-cluster': redisCluster,
  'rediss-cluster': redisCluster,
}

/**
 * Opens the store at a URL, and creates nothing there. `hidden`: what must not be printed.
 *
 * @param from where the URL was read
 */
export function openStore(url: string, from: string, { cwd }: World): Opening & { hidden: string[] } {
  const [, scheme = ''] = /^([a-z][a-z\d+.-]*):/i.exec(url) ?? []
  const opener = Object.hasOwn(OPENERS, scheme.toLowerCase()) && OPENERS[scheme.toLowerCase()]
  if (!opener) {
    const found = scheme === '' ? 'no URL' : `a URL of ${scheme}:`
    throw new Failure(
      `${from} is ${found}. A store is sqlite:path/to/file.db, postgres://…, mysql://…, mariadb://…, redis://…, ` +
        'rediss://… or redis-cluster://host:port,host:port; any other is opened in a config file',
    )
  }
  return { ...opener({ url, from, cwd }), hidden: passwordsOf(url) }
}

function sqlite({ url, from, cwd }: Address): Opening {
  const path = url.replace(/^[a-z]+:(\/\/)?/i, '').replace(/\?.*$/, '')
  if (path === '' || path === ':memory:') {
    throw new Failure(`${from} names no file: write sqlite:path/to/file.db`)
  }
  const file = resolve(cwd, path)
  // The drivers would make a new database, in which nobody has a second factor.
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new Failure(
      `There is no database file ${file} (from ${from}): look at the path, which begins at ${cwd}`,
    )
  }
  const { module: Database } = driver(['better-sqlite3', 'libsql'], cwd)
  const database = new Database(file, { timeout: 2000 })
  return { ...inTables(database), close: () => database.close() }
}

function postgres({ url, from, cwd }: Address): Opening {
  parsed(url, from)
  const { module: pg } = driver(['pg'], cwd)
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: CONNECTING, max: CONNECTIONS })
  pool.on('error', toldLater)
  return { ...inTables(pool), close: () => pool.end() }
}

function mysql({ url, from, cwd }: Address): Opening {
  parsed(url, from)
  const { module: mysql2 } = driver(['mysql2'], cwd)
  const uri = url.replace(/^mariadb:/i, 'mysql:')
  const pool = mysql2.createPool({ uri, connectTimeout: CONNECTING, connectionLimit: CONNECTIONS })
  return {
    ...inTables(pool),
    close: () => new Promise<void>((closed) => pool.end(() => closed())),
  }
}

function inTables(database: SqlDatabase): Omit<Opening, 'close'> {
  return {
    store: new SqlStore(database, { migrate: false }),
    beside: (table) => new SqlStore(database, { table, migrate: false }),
    recovery: RECOVERY_TABLE,
  }
}
