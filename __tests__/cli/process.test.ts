import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { bin, folder, NEW, OLD, opening, Program, program, sqliteApp } from './support'

jest.setTimeout(60_000)

test('the built program makes keys for the shell', () => {
  const cwd = folder()
  symlinkSync(bin, join(cwd, 'express-second-factor'))
  const line = `SECOND_FACTOR_KEY=$("${process.execPath}" express-second-factor keygen); printf %s "$SECOND_FACTOR_KEY"`
  const { stdout, stderr } = spawnSync('sh', ['-c', line], { cwd, encoding: 'utf8' })
  expect([stdout, stderr]).toEqual([expect.stringMatching(/^[A-Za-z\d+/]{43}=$/), ''])
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle of a rotation: it stops, and goes on',
  async (signal) => {
    const { cwd, env, store } = await sqliteApp(3000)
    const first = new Program(['rotate'], { cwd, env })
    await first.saying(/^1,000 accounts seen/m)
    first.child.kill(signal)
    // npx hands on what the terminal has sent already.
    first.child.kill(signal)
    const stopped = await first.end()
    expect(stopped.code).toBe(130)
    const [, after] = /^Stopped: [\s\S]*? (--after=\S+)\n$/.exec(stopped.stdout) ?? []
    const done = await opening(store, NEW)
    expect(done).toBeGreaterThanOrEqual(1000)
    expect(done).toBeLessThan(3000)
    expect(await opening(store, NEW, OLD)).toBe(3000)

    const second = await program(['rotate', after as string], { cwd, env })
    expect(second).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Done: ${(3000 - done).toLocaleString('en')} accounts`),
    })
    expect(await opening(store, NEW)).toBe(3000)
  },
)

test('ends although the config file left a timer and a connection open', async () => {
  const cwd = folder({
    'second-factor.config.cjs': `setInterval(() => {}, 1000)
require('net').createServer().listen(0)
module.exports = { keys: ['${NEW}'], store: { get: async () => null, compareAndSet: async () => false }, close: () => new Promise(() => {}) }`,
  })
  expect(await program(['status', 'a'], { cwd })).toMatchObject({ code: 0 })
})

describe('a server that accepts and never answers', () => {
  let server: Server
  const sockets = new Set<Socket>()
  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  test.each([
    ['pg', 'postgres:', ''],
    ['mysql2', 'mysql:', ''],
    ['ioredis', 'redis:', ''],
    ['ioredis', 'redis-cluster:', ''],
    ['@redis/client', 'redis:', ''],
    ['@redis/client', 'redis-cluster:', ''],
  ])('%s at %s is given up, and the password not told', async (driver, scheme) => {
    const cwd = folder({}, [driver])
    const { port } = server.address() as AddressInfo
    const env = { SECOND_FACTOR_KEY: OLD, DATABASE_URL: `${scheme}//user:geheim@127.0.0.1:${port}/0` }
    const results = await Promise.all([
      program(['doctor'], { cwd, env }),
      program(['rotate'], { cwd, env }),
      program(['status', 'alice'], { cwd, env }),
    ])
    for (const { code, stdout, stderr } of results) {
      expect([code, stdout + stderr]).toEqual([1, expect.stringContaining('The factor store')])
      expect(stdout + stderr).not.toContain('geheim')
      expect(stdout + stderr).toContain('Is the store running')
    }
  })
})
