import { createClient, createCluster } from '@redis/client'
import { Cluster, Redis } from 'ioredis'
import mysql from 'mysql2'
import { Pool } from 'pg'
import { RedisStore } from '../../lib/stores/redis'
import type { RedisClient } from '../../lib/stores/redis/clients'
import { SqlStore } from '../../lib/stores/sql'
import type { SecondFactorStore } from '../../lib/stores/store'
import { startMariadb } from '../support/servers/mariadb'
import { startPostgres } from '../support/servers/postgres'
import { startRedis } from '../support/servers/redis'
import { startRedisCluster } from '../support/servers/redis-cluster'
import {
  ask,
  enrolled,
  fill,
  folder,
  run as inProcess,
  NEW,
  OLD,
  opening,
  openingRequests,
  program,
  put,
} from './support'

const { describeWith } = require('../support/tools')

jest.setTimeout(120_000)

interface Place {
  url: string
  store: SecondFactorStore
  /** The one of option `recovery` beside it, under its usual name. */
  requests: SecondFactorStore
}

/** What everybody does with the command line, on a real store; the first time in a process of its own. */
async function inOperation({ url, store, requests }: Place, driver: string): Promise<void> {
  const cwd = folder({}, [driver])
  const env = { SECOND_FACTOR_KEY: `${NEW},${OLD}`, SECOND_FACTOR_STORE_URL: url }
  const run = (...argv: string[]) => inProcess(argv, { cwd, env })
  for (const { accountId } of (await store.list?.(null, 10_000)) ?? []) await store.delete?.(accountId)
  await fill(store, OLD, 110)
  await put(store, OLD, 'Zoë o’Brien', enrolled(0))

  const before = JSON.parse((await program(['doctor', '--json'], { cwd, env })).stdout)
  const result = Object.fromEntries(
    before.checks.map((check: Record<string, string>) => [check.name, check.result]),
  )
  expect(before.ok).toBe(true)
  expect(result).toMatchObject({ store: 'ok', clock: 'ok', keys: 'warning', 'backup codes': 'warning' })

  expect((await run('status', 'Zoë o’Brien')).stdout).toContain('two-factor authentication: on')
  expect(await run('rotate')).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/111 accounts seen, 111 accounts sealed.*\nOption recovery: nothing in/),
  })
  await ask(requests, OLD, 'Zoë o’Brien')
  expect((await run('doctor')).stdout).toMatch(/^warning +recovery keys +all 1 record of/m)
  expect(await run('rotate')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Option recovery: 1 record seen, 1 record sealed'),
  })
  expect(await openingRequests(requests, NEW)).toEqual(['Zoë o’Brien'])
  await requests.delete?.('Zoë o’Brien')
  expect(await opening(store, NEW)).toBe(111)
  expect((await run('doctor')).stdout).toMatch(/^ok +keys +all 111 records open, sealed by the first key$/m)

  expect(await run('reset', 'Zoë o’Brien', '--yes')).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse((await run('status', 'Zoë o’Brien', '--json')).stdout)).toMatchObject({
    enabled: false,
    epoch: 8,
  })
}

function onRedis(client: RedisClient): Omit<Place, 'url'> {
  return {
    store: new RedisStore(client),
    requests: new RedisStore(client, { prefix: 'second-factor-recovery:' }),
  }
}

/** Nobody is let in with another password, and this one is not told. */
async function refused(url: string, driver: string): Promise<void> {
  const env = { SECOND_FACTOR_KEY: OLD, SECOND_FACTOR_STORE_URL: url }
  const { code, stdout, stderr } = await inProcess(['doctor'], { cwd: folder({}, [driver]), env })
  expect([code, stderr]).toEqual([1, ''])
  expect(stdout).toContain('refuses this user or password')
  expect(stdout).not.toContain('geheim')
}

async function dead(url: string, driver: string): Promise<void> {
  const env = { SECOND_FACTOR_KEY: OLD, SECOND_FACTOR_STORE_URL: url }
  const { code, stderr } = await inProcess(['rotate'], { cwd: folder({}, [driver]), env })
  expect([code, stderr]).toEqual([1, expect.stringContaining('ECONNREFUSED')])
  expect(stderr).toContain('Is the store running')
}

/** A table that is not there is told, and not made. */
async function withoutTable(url: string, driver: string): Promise<void> {
  const env = { SECOND_FACTOR_KEY: OLD, SECOND_FACTOR_STORE_URL: url }
  for (let times = 0; times < 2; times++) {
    const { code, stdout } = await inProcess(['doctor'], { cwd: folder({}, [driver]), env })
    expect([code, stdout]).toEqual([1, expect.stringContaining('table is not there')])
  }
}

describeWith(['postgres'], 'PostgreSQL', () => {
  test('in operation', async () => {
    const server = await startPostgres()
    const pool = new Pool({ connectionString: server.url })
    pool.on('error', () => {})
    try {
      await withoutTable(server.url, 'pg')
      const store = new SqlStore(pool)
      await store.migrate()
      const requests = new SqlStore(pool, { table: 'second_factor_recoveries' })
      await inOperation({ url: server.url, store, requests }, 'pg')
      const missing = { SECOND_FACTOR_KEY: OLD, DATABASE_URL: `${server.url}2` }
      const { stdout } = await inProcess(['doctor'], { cwd: folder({}, ['pg']), env: missing })
      expect(stdout).toContain('no such database')
      await pool.end()
    } finally {
      await server.kill()
    }
    await dead(server.url, 'pg')
    await server.stop()
  })
})

describeWith(['mariadb', 'mariadbInstall'], 'MariaDB', () => {
  test('in operation', async () => {
    const server = await startMariadb()
    const pool = mysql.createPool(server.url)
    try {
      await withoutTable(server.url, 'mysql2')
      const store = new SqlStore(pool)
      await store.migrate()
      const url = server.url.replace('mysql:', 'mariadb:')
      const requests = new SqlStore(pool, { table: 'second_factor_recoveries' })
      await inOperation({ url, store, requests }, 'mysql2')
      await refused(url.replace('test:test', 'test:geheim'), 'mysql2')
      await new Promise((closed) => pool.end(closed))
    } finally {
      await server.kill()
    }
    await dead(server.url, 'mysql2')
    await server.stop()
  })
})

describeWith(['redis'], 'Redis', () => {
  test('in operation, by ioredis and by node-redis', async () => {
    const server = await startRedis()
    const url = `redis://:pass%3Aword@127.0.0.1:${server.port}`
    const protector = new Redis(server.port)
    await protector.config('SET', 'requirepass', 'pass:word')
    protector.disconnect()
    const ioredis = new Redis(url)
    const nodeRedis = createClient({ url })
    ioredis.on('error', () => {})
    nodeRedis.on('error', () => {})
    try {
      await nodeRedis.connect()
      await inOperation({ url, ...onRedis(ioredis) }, 'ioredis')
      await inOperation({ url, ...onRedis(nodeRedis as never) }, '@redis/client')
      const wrong = url.replace('pass%3Aword', 'geheim')
      await refused(wrong, 'ioredis')
      await refused(wrong, '@redis/client')
    } finally {
      ioredis.disconnect()
      nodeRedis.destroy()
      await server.kill()
    }
    await dead(url, 'ioredis')
    await dead(url, '@redis/client')
    await server.stop()
  })
})

describeWith(['redis', 'redisCli'], 'a Redis cluster', () => {
  test('in operation, by ioredis and by node-redis', async () => {
    const server = await startRedisCluster()
    const ioredis = new Cluster(server.nodes)
    const rootNodes = server.ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }))
    const nodeRedis = createCluster({ rootNodes })
    nodeRedis.on('error', () => {})
    const url = `redis-cluster://127.0.0.1:${server.ports[0]},127.0.0.1:${server.ports[1]}`
    try {
      await nodeRedis.connect()
      await inOperation({ url, ...onRedis(ioredis) }, 'ioredis')
      await inOperation({ url, ...onRedis(nodeRedis as never) }, '@redis/client')
    } finally {
      ioredis.disconnect()
      nodeRedis.destroy()
      await server.stop()
    }
  })
})
