import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readConfig } from './config'
import { hostsOf } from './redis'

/**
 * The app in two processes at one port, which share sessions and second factors: sessions in Redis, second factors
 * where `SECOND_FACTOR_STORE` says. Without `REDIS_URL` it starts a Redis of its own, where one is installed.
 */
async function main(): Promise<void> {
  const config = readConfig()
  const redis = process.env.REDIS_URL ? null : await startRedis(config.dataDir)
  const redisUrl = redis?.url ?? (config.redisUrl as string)

  cluster.setupPrimary({ exec: join(__dirname, 'server.js') })
  // One after the other: the first makes the tables and the accounts.
  for (const name of ['1', '2']) await startWorker({ REDIS_URL: redisUrl, PROCESS_NAME: name })
  console.log(`  two processes, sessions in Redis at ${hostsOf(redisUrl)}\n`)

  const stop = () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill()
    redis?.child.kill()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  cluster.on('exit', (worker, code) => {
    // The first to end takes the other with it: this is for trying things out, not for running them.
    if (!worker.exitedAfterDisconnect && code !== 0) process.exitCode = 1
    stop()
  })
}

function startWorker(env: Record<string, string>): Promise<void> {
  const worker = cluster.fork(env)
  return new Promise((resolve, reject) => {
    worker.once('listening', () => resolve())
    worker.once('exit', (code) => reject(new Error(`a process of the app ended with ${code}`)))
  })
}

async function startRedis(dataDir: string): Promise<{ url: string; child: ChildProcess }> {
  if (spawnSync('redis-server', ['--version']).error) {
    throw new Error(
      'Two processes need Redis for their sessions. Set REDIS_URL, or install it: sudo apt-get install redis-server',
    )
  }
  const dir = join(dataDir, 'redis')
  mkdirSync(dir, { recursive: true })
  const port = await freePort()
  const kept = ['--appendonly', 'yes', '--appendfsync', 'always']
  const args = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dir, '--save', '', ...kept]
  const child = spawn('redis-server', args, { stdio: 'ignore' })
  await listening(port)
  return { url: `redis://127.0.0.1:${port}`, child }
}

/** Resolves when something listens there. */
async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1')
    const there = await once(socket, 'connect').catch(() => null)
    socket.destroy()
    if (there) return
    await delay(25)
  }
  throw new Error('redis-server was started, and does not answer')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

main().catch((error: Error) => {
  console.error(error.message)
  process.exit(1)
})
