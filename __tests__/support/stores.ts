import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import Database from 'libsql'
import mysql from 'mysql2/promise'
import { Pool } from 'pg'
import { RedisStore } from '../../lib/stores/redis'
import { SqlStore } from '../../lib/stores/sql'
import type { SecondFactorStore } from '../../lib/stores/store'
import { startMariadb } from './servers/mariadb'
import { startPostgres } from './servers/postgres'
import { startRedis } from './servers/redis'
import { startRedisCluster } from './servers/redis-cluster'

const { tools } = require('./tools')

/** A place that several processes can open a store at, by its URL. */
export interface Place {
  url: string
  stop(): Promise<void>
}

/** Every kind of place, with the programs that it needs. */
export const places: { name: string; needs: (keyof typeof tools)[]; start(): Promise<Place> }[] = [
  {
    name: 'SQLite',
    needs: [],
    async start() {
      const folder = mkdtempSync(join(tmpdir(), 'place-'))
      return {
        url: `sqlite:${join(folder, 'test.db')}`,
        stop: async () => rmSync(folder, { recursive: true, force: true }),
      }
    },
  },
  { name: 'PostgreSQL', needs: ['postgres'], start: startPostgres },
  { name: 'MariaDB', needs: ['mariadb', 'mariadbInstall'], start: startMariadb },
  { name: 'Redis', needs: ['redis'], start: () => startRedis() },
  {
    name: 'Redis Cluster',
    needs: ['redis', 'redisCli'],
    async start() {
      const { ports, stop } = await startRedisCluster()
      return { url: `redis-cluster:${ports.join(',')}`, stop }
    },
  },
]

export interface OpenStore {
  store: Required<SecondFactorStore>
  close(): Promise<unknown>
}

/**
 * A client of its own.
 *
 * @param via of each server's port, the port of the proxy to reach it by
 */
export function openStore(url: string, via: ReadonlyMap<number, number> = new Map()): OpenStore {
  const [scheme, rest = ''] = url.split(/:(.*)/s)
  const proxied = url.replace(/:(\d+)/, (whole, port) => (via.has(+port) ? `:${via.get(+port)}` : whole))
  switch (scheme) {
    case 'sqlite': {
      const database = new Database(rest, { timeout: 5000 })
      return { store: new SqlStore(database), close: async () => database.close() }
    }
    case 'postgres': {
      const pool = new Pool({ connectionString: proxied, max: 10, connectionTimeoutMillis: 2000 })
      // A connection that breaks while nobody uses it.
      pool.on('error', () => {})
      return { store: new SqlStore(pool), close: () => pool.end() }
    }
    case 'mysql': {
      const pool = mysql.createPool({ uri: proxied, connectionLimit: 10 })
      return { store: new SqlStore(pool), close: () => pool.end() }
    }
    case 'redis': {
      const client = new Redis(proxied, { maxRetriesPerRequest: 1 })
      client.on('error', () => {})
      return { store: new RedisStore(client), close: async () => client.disconnect() }
    }
    case 'redis-cluster': {
      const nodes = rest.split(',').map((port) => ({ host: '127.0.0.1', port: Number(port) }))
      const natMap = Object.fromEntries(
        [...via].map(([port, proxy]) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxy }]),
      )
      const client = new Cluster(nodes, { ...(via.size > 0 && { natMap }) })
      client.on('error', () => {})
      return { store: new RedisStore(client), close: async () => client.disconnect() }
    }
    default:
      throw new Error(`no store at ${url}`)
  }
}
