import { MemoryStore } from '../../lib/stores/memory'
import { appWith, fill, NEW, name, OLD, OTHER, opening, put, run, sqliteApp } from './support'

jest.setTimeout(30_000)

test('seals every account with the first key, and says so', async () => {
  const { cwd, env, store } = await sqliteApp(250)
  const { code, stdout, stderr } = await run(['rotate'], { cwd, env })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^Done: 250 accounts seen, 250 accounts sealed with the first key/)
  expect(stdout).toContain('doctor')
  expect(await opening(store, NEW)).toBe(250)
  expect((await run(['rotate'], { cwd, env })).stdout).toMatch(/250 accounts seen, 0 accounts sealed/)
})

test('tells how far it is: a line every 1,000 accounts, or one that changes on a terminal', async () => {
  const store = new MemoryStore()
  await fill(store, OLD, 2100)
  const app = appWith(store)
  const lines = (await run(['rotate'], app)).stderr.split('\n')
  expect(lines.map((line) => /^[\d,]+/.exec(line)?.[0])).toEqual(['1,000', '2,000', undefined])
  const { stdout, stderr } = await run(['rotate'], { ...app, tty: true })
  expect(stderr.split('\r\x1b[K')).toHaveLength(1 + 21 + 1)
  expect(stderr).not.toContain('\n')
  expect(stdout).toMatch(/^Done/)
})

test('--after goes on after that account', async () => {
  const { cwd, env, store } = await sqliteApp(20)
  expect((await run(['rotate', `--after=${name(14)}`], { cwd, env })).stdout).toContain('5 accounts seen')
  expect(await opening(store, NEW)).toBe(5)
})

test('accounts that cannot be read are named: exit code 1, and the others are done', async () => {
  const store = new MemoryStore()
  await fill(store, OLD, 30)
  for (let index = 0; index < 25; index++) await put(store, OTHER, `lost-${index}`)
  await put(store, OTHER, 'evil\u001b[2J\u202e')
  const { code, stdout } = await run(['rotate'], appWith(store))
  expect(code).toBe(1)
  expect(stdout).toMatch(/^Not all done: 56 accounts seen, 30 accounts sealed/)
  expect(stdout).toContain('FAILED: 26 accounts could not be read: "evil\\u001b[2J\\u202e", lost-0')
  expect(stdout).toContain('and 6 more')
  expect(stdout).not.toContain('\u001b')
  expect(await opening(store, NEW)).toBe(30)
})

describe('stopped', () => {
  /** A store that is interrupted at its so manieth write. */
  async function interrupted(ids: string[], writes: number) {
    const store = new MemoryStore()
    for (const id of ids) await put(store, OLD, id)
    const stop = new AbortController()
    const { compareAndSet } = store
    let done = 0
    store.compareAndSet = function (...write) {
      if (++done === writes) stop.abort()
      return compareAndSet.apply(this, write)
    }
    return { store, signal: stop.signal }
  }

  test('it ends with 130 and the command that goes on, which does', async () => {
    const ids = Array.from({ length: 60 }, (_, index) => name(index))
    const { store, signal } = await interrupted(ids, 20)
    const app = appWith(store)
    const config = ['--config', 'second-factor.config.cjs']
    const { code, stdout } = await run(['rotate', ...config], { ...app, signal })
    expect(code).toBe(130)
    expect(stdout).toMatch(/^Stopped: /)
    const [, typed = ''] = /^Go on with: npx express-second-factor (.*)$/m.exec(stdout) ?? []
    const argv = typed.split(' ')
    expect(argv).toEqual(['rotate', '--config=second-factor.config.cjs', expect.stringMatching(/^--after=/)])
    expect((await run(argv, app)).code).toBe(0)
    expect(await opening(store, NEW)).toBe(60)
  })

  test.each([
    ["o'brien's $(id)", `--after='o'\\''brien'\\''s $(id)'`],
    ['--yes', '--after=--yes'],
    ['a\nb', "--after=$'\\x61\\x0a\\x62'"],
    ['é', "--after='é'"],
  ])('after the account %j, quoted for the shell', async (id, quoted) => {
    const { store, signal } = await interrupted([id], 1)
    const { stdout } = await run(['rotate'], { ...appWith(store), signal })
    expect(stdout.endsWith(`rotate ${quoted}\n`)).toBe(true)
    const { execFileSync } = require('node:child_process')
    expect(execFileSync('bash', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' })).toBe(`--after=${id}`)
  })
})

test('a store that fails on the way: exit code 1, why, and the command that goes on', async () => {
  const store = new MemoryStore()
  await fill(store, OLD, 60)
  const { compareAndSet, get } = store
  let writes = 0
  Object.assign(store, {
    compareAndSet: (...write: Parameters<typeof compareAndSet>) =>
      ++writes > 30
        ? Promise.reject(new Error('no connection to redis://u:geheim@h'))
        : compareAndSet.apply(store, write),
    get: (id: string) => (writes > 30 ? Promise.reject(new Error('gone')) : get.call(store, id)),
  })
  const app = appWith(store, { storeTimeout: 2000 })
  const { code, stderr } = await run(['rotate'], app)
  expect(code).toBe(1)
  expect(stderr).toMatch(/^FAILED after this: \d+ accounts seen/m)
  expect(stderr).toContain('no connection to redis://***@h')
  expect(stderr).not.toContain('geheim')
  const [, after = ''] = /^Go on with: .* (--after=.*)$/m.exec(stderr) ?? []
  Object.assign(store, { compareAndSet, get })
  expect((await run(['rotate', after], app)).code).toBe(0)
  expect(await opening(store, NEW)).toBe(60)
})

test('a store without list() is told', async () => {
  const store = Object.assign(new MemoryStore(), { list: undefined })
  const { code, stderr } = await run(['rotate'], appWith(store as never))
  expect([code, stderr]).toEqual([1, expect.stringContaining('SF_STORE_LIST')])
})
