import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '../free-port'
import { type DatabaseServer, ServerProcess } from './server-process'

const { tools } = require('../tools')

/** A Redis that keeps what it was told (append-only, every write on the disk), unless `args` say otherwise. */
export async function startRedis(args: string[] = []): Promise<DatabaseServer> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const server = new ServerProcess(redisCommand(port, folder, ['--appendonly', 'yes', ...args]), () =>
    ping(port),
  )
  await server.start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => server.end('SIGKILL'),
    restart: () => server.start(),
    async stop() {
      await server.end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function redisCommand(port: number, folder: string, args: string[]) {
  const always = [
    '--bind',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--dir',
    folder,
    '--save',
    '',
    '--appendfsync',
    'always',
  ]
  return { program: tools.redis.path() as string, args: [...always, ...args] }
}

/** Rejects when the server does not answer, or is still loading its data. */
export async function ping(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1', {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    // A connection that was refused leaves a timer of this length, which keeps the process.
    disconnectTimeout: 100,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.ping()
  } finally {
    client.disconnect()
  }
}
