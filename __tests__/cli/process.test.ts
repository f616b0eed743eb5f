import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { bin, folder, NEW, OLD, opening, Program, program, type Result, run, sqliteApp } from './support'

const root = join(__dirname, '../..')

jest.setTimeout(60_000)

test('the built program makes keys for the shell', () => {
  const cwd = folder()
  symlinkSync(bin, join(cwd, 'express-second-factor'))
  const line = `SECOND_FACTOR_KEY=$("${process.execPath}" express-second-factor keygen); printf %s "$SECOND_FACTOR_KEY"`
  const { stdout, stderr } = spawnSync('sh', ['-c', line], { cwd, encoding: 'utf8' })
  expect([stdout, stderr]).toEqual([expect.stringMatching(/^[A-Za-z\d+/]{43}=$/), ''])
})

test('keygen needs no more than the package has: no passport, no driver', async () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const cwd = folder({}, Object.keys(dependencies))
  cpSync(join(root, 'dist'), join(cwd, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(cwd, 'package.json'))
  const main = join(cwd, 'dist/cli/main.js')
  expect(() => createRequire(main).resolve('passport')).toThrow(/Cannot find module/)
  const { stdout, stderr } = spawnSync(process.execPath, [main, 'keygen'], { cwd, encoding: 'utf8' })
  expect([stdout, stderr]).toEqual([expect.stringMatching(/^\S{44}\n$/), ''])
})

test('SIGTERM or SIGINT in the middle of a rotation: it stops, and goes on', async () => {
  const rows = 1500
  const { cwd, env, store } = await sqliteApp(rows)
  const first = new Program(['rotate'], { cwd, env })
  await first.saying(/^1,000 accounts seen/m)
  first.child.kill('SIGTERM')
  // The second comes at once, as npx hands on what the terminal has sent already.
  first.child.kill('SIGINT')
  const stopped = await first.end()
  expect(stopped.code).toBe(130)
  const [, after] = /^Stopped: [\s\S]*? (--after=\S+)\n$/.exec(stopped.stdout) ?? []
  const done = await opening(store, NEW)
  expect(done).toBeGreaterThanOrEqual(1000)
  expect(done).toBeLessThan(rows)
  expect(await opening(store, NEW, OLD)).toBe(rows)

  const second = await run(['rotate', after as string], { cwd, env })
  expect(second).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`Done: ${(rows - done).toLocaleString('en')} accounts`),
  })
  expect(await opening(store, NEW)).toBe(rows)
})

test.each([
  [
    'left a timer and a connection open',
    "setInterval(() => {}, 1000)\nrequire('net').createServer().listen(0)",
  ],
  ['never closes', ''],
])('ends, with its exit code, although the config file %s', async (_what, opens) => {
  const cwd = folder({
    'second-factor.config.cjs': `${opens}
module.exports = { keys: ['${NEW}'], store: { get: async () => null, compareAndSet: async () => false }, close: () => new Promise(() => {}) }`,
  })
  expect(await program(['status', 'a'], { cwd })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('has no record'),
  })
})

describe('a server that accepts and never answers', () => {
  let server: Server
  const sockets = new Set<Socket>()
  const drivers = [
    ['pg', 'postgres:'],
    ['mysql2', 'mysql:'],
    ['ioredis', 'redis:'],
    ['ioredis', 'redis-cluster:'],
    ['@redis/client', 'redis:'],
    ['@redis/client', 'redis-cluster:'],
  ] as const
  const answers = new Map<string, Result[]>()

  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')

    // All at once: each waits for seconds.
    const config = '{ "storeFrom": "DATABASE_URL", "storeTimeout": "0.5s" }'
    const asked = drivers.map(async ([driver, scheme]) => {
      const given = { cwd: folder({ 'second-factor.config.json': config }, [driver]), env: at(scheme) }
      const commands = [['doctor'], ['rotate'], ['status', 'alice']]
      answers.set(driver + scheme, await Promise.all(commands.map((argv) => run(argv, given))))
    })
    await Promise.all(asked)
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  const at = (scheme: string) => {
    const { port } = server.address() as AddressInfo
    return { SECOND_FACTOR_KEY: OLD, DATABASE_URL: `${scheme}//user:geheim@127.0.0.1:${port}/0` }
  }

  function givenUp({ code, stdout, stderr }: Result) {
    expect([code, stdout + stderr]).toEqual([1, expect.stringContaining('The factor store')])
    expect(stdout + stderr).not.toContain('geheim')
    expect(stdout + stderr).toContain('Is the store running')
  }

  test.each(drivers)('%s at %s is given up, and the password not told', (driver, scheme) => {
    const results = answers.get(driver + scheme) as Result[]
    expect(results).toHaveLength(3)
    for (const result of results) givenUp(result)
  })

  test('the process ends, after the time that it gives a server', async () => {
    givenUp(await program(['status', 'alice'], { cwd: folder({}, ['pg']), env: at('postgres:') }))
  })
})
