// PostgreSQL and Redis of the benchmarks' own: child processes on free ports of 127.0.0.1, gone with this one.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'

const { tools } = createRequire(import.meta.url)('../../__tests__/support/tools.js')

const running = new Set()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function freePort() {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Null where it is not installed; `database()` makes a fresh one. As it comes: what is committed is on the disk. */
export async function startPostgres() {
  const bin = tools.postgres.path()
  if (!bin) return missing('PostgreSQL', tools.postgres)
  const ids = idsOf('postgres')
  const folder = mkdtempSync(join(tmpdir(), 'bench-postgres-'))
  if (ids.uid !== undefined) chownSync(folder, ids.uid, ids.gid)
  const data = join(folder, 'data')
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
  execFileSync(join(bin, '../initdb'), initdb, { ...ids, stdio: 'pipe', cwd: folder })
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'max_connections=200']
  const args = ['-D', data, '-p', `${port}`, ...settings.flatMap((setting) => ['-c', setting])]
  const child = start(bin, args, ids)
  const url = (database) => `postgres://postgres@127.0.0.1:${port}/${database}`
  const query = async (text) => {
    const client = new pg.Client(url('postgres'))
    client.on('error', () => {})
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }
  await ready(child, () => query('select 1'))
  let made = 0
  return {
    async database() {
      const name = `bench_${++made}`
      await query(`create database ${name}`)
      return url(name)
    },
    stop: () => end(child, 'SIGQUIT', folder),
  }
}

/** Null where it is not installed. Append-only, every write on the disk: what docs/redis.md asks for. */
export async function startRedis() {
  const bin = tools.redis.path()
  if (!bin) return missing('Redis', tools.redis)
  const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'))
  const port = await freePort()
  const args = [
    '--bind',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'yes',
  ]
  const child = start(bin, [...args, '--appendfsync', 'always'])
  await ready(child, async () => {
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.ping()
    } finally {
      client.disconnect()
    }
  })
  return { url: `redis://127.0.0.1:${port}`, stop: () => end(child, 'SIGKILL', folder) }
}

function missing(name, { debian }) {
  console.log(`\n(${name} is not installed, so its rows are left out: apt-get install ${debian})`)
  return null
}

function start(program, args, ids = {}) {
  const child = spawn(program, args, { stdio: 'ignore', ...ids })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

async function ready(child, probe) {
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended`)
    try {
      return await probe()
    } catch (error) {
      if (tries > 600) throw error
    }
    await delay(50)
  }
}

async function end(child, signal, folder) {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
}

/** PostgreSQL may not run as root: then as its own user of the system. */
function idsOf(user) {
  if (process.getuid?.() !== 0) return {}
  const id = (flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
