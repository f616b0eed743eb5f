import { nodeCheck } from '../../lib/cli/doctor-checks'
import { MemoryStore } from '../../lib/stores/memory'
import type { StoreReport } from '../../lib/stores/store'
import { engines } from '../../package.json'
import { appWith, enrolled, fill, NEW, OLD, OTHER, put, run, sqliteApp } from './support'

jest.setTimeout(30_000)

let store: MemoryStore & { inspect?: () => Promise<StoreReport> }
let storeTimeout: number
beforeEach(async () => {
  store = new MemoryStore()
  storeTimeout = 30_000
})

/** The findings by name; and that the text says the same. */
async function doctor(...argv: string[]) {
  const app = appWith(store, { storeTimeout })
  const json = await run(['doctor', '--json', ...argv], app)
  const { ok, checks } = JSON.parse(json.stdout) as { ok: boolean; checks: Record<string, string>[] }
  expect(json.code).toBe(ok ? 0 : 1)
  const text = await run(['doctor', ...argv], app)
  expect(text.code).toBe(json.code)
  const words: Record<string, string> = { ok: 'ok', warning: 'warning', failed: 'FAILED', skipped: 'skipped' }
  for (const { name, result } of checks) {
    expect(text.stdout).toMatch(new RegExp(`^${words[result as string]} +${name} `, 'm'))
  }
  return { code: json.code, text, ...Object.fromEntries(checks.map((check) => [check.name, check])) } as {
    code: number
    text: { stdout: string; stderr: string }
  } & Record<string, { result: string; message: string }>
}

const at = (offset: number) => async () => ({ clock: Date.now() + offset, warnings: [] })

test('all is well', async () => {
  await put(store, NEW, 'alice', enrolled())
  store.inspect = at(0)
  const found = await doctor()
  expect(found.code).toBe(0)
  expect(found.store?.message).toMatch(/^answers in [\d.]+ ms$/)
  expect(found.keys).toMatchObject({ result: 'ok', message: 'all 1 record open, sealed by the first key' })
  for (const name of ['node', 'store', 'set-up', 'clock', 'keys', 'backup codes'])
    expect(found[name]?.result).toBe('ok')
})

test('a store without any record is warned of: it may be the wrong one', async () => {
  expect(await doctor()).toMatchObject({
    code: 0,
    keys: { result: 'warning', message: expect.stringContaining('empty or another one') },
    'backup codes': { result: 'skipped' },
  })
})

test('a real database: nothing is written to it', async () => {
  const { cwd, env, store: sql } = await sqliteApp(30)
  const before = await sql.list(null, 100)
  const { code, stdout } = await run(['doctor'], { cwd, env })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^warning +keys +all 30 records open, 30 are still sealed by an older key$/m)
  expect(await sql.list(null, 100)).toEqual(before)
})

describe('the store', () => {
  test('away: FAILED with why, and the rest is skipped', async () => {
    store.get = () =>
      Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
    const found = await doctor()
    expect(found.code).toBe(1)
    expect(found.store).toMatchObject({
      result: 'failed',
      message: expect.stringContaining('ECONNREFUSED\nIs the store running'),
    })
    for (const name of ['set-up', 'clock', 'keys', 'backup codes'])
      expect(found[name]?.result).toBe('skipped')
  })

  test('warnings of its set-up', async () => {
    store.inspect = async () => ({
      clock: null,
      warnings: ['maxmemory-policy is allkeys-lru', 'no appendonly'],
    })
    const found = await doctor()
    expect(found['set-up']).toEqual({
      name: 'set-up',
      result: 'warning',
      message: 'maxmemory-policy is allkeys-lru\nno appendonly',
    })
    expect(found.clock?.result).toBe('skipped')
    expect(found.code).toBe(0)
  })

  test('inspect() that fails or hangs, or is not there', async () => {
    store.inspect = () => Promise.reject(new Error('NOPERM'))
    expect(await doctor()).toMatchObject({
      code: 0,
      'set-up': { result: 'warning', message: expect.stringContaining('NOPERM') },
    })
    store.inspect = () => new Promise(() => {})
    storeTimeout = 1000
    expect(await doctor()).toMatchObject({ code: 0, clock: { result: 'warning' } })
    storeTimeout = 30_000
    Object.assign(store, { inspect: undefined })
    expect(await doctor()).toMatchObject({
      code: 0,
      'set-up': { result: 'skipped' },
      clock: { result: 'skipped' },
    })
  })

  test('inspect() is asked once', async () => {
    await put(store, NEW, 'alice', enrolled())
    const inspect = jest.fn(at(0))
    store.inspect = inspect
    await run(['doctor'], appWith(store))
    expect(inspect).toHaveBeenCalledTimes(1)
  })

  test('whose list() is missing or fails', async () => {
    Object.assign(store, { list: undefined })
    expect(await doctor()).toMatchObject({ code: 0, keys: { result: 'skipped' } })
    store.list = () => Promise.reject(new Error('gone'))
    expect(await doctor()).toMatchObject({
      code: 1,
      keys: { result: 'failed', message: expect.stringContaining('gone') },
    })
  })
})

test.each([
  [1000, 'ok', 'behind'],
  [-1000, 'ok', 'ahead of'],
  [5000, 'warning', 'behind'],
  [-5000, 'warning', 'ahead of'],
  [-29_000, 'warning', 'ahead of'],
  [31_000, 'failed', 'behind'],
  [-3_600_000, 'failed', 'ahead of'],
])("the store's clock %i ms ahead: %s", async (offset, result, side) => {
  store.inspect = at(offset)
  const { clock, code } = await doctor()
  expect(clock).toMatchObject({ result, message: expect.stringContaining(side) })
  if (result !== 'ok') expect(clock?.message).toContain('NTP')
  expect(code).toBe(result === 'failed' ? 1 : 0)
})

test('half of the time that the answer took is taken off the clock', async () => {
  const real = Date.now
  let now = real()
  const time = jest.spyOn(Date, 'now').mockImplementation(() => now)
  try {
    store.inspect = async () => {
      now += 3000
      const clock = now
      now += 3000
      return { clock, warnings: [] }
    }
    expect((await doctor()).clock?.message).toContain(' 0.0 s ')
  } finally {
    time.mockRestore()
  }
})

describe('the keys', () => {
  test('records sealed by an older key are a warning: rotate', async () => {
    await put(store, NEW, 'alice', enrolled())
    await put(store, OLD, 'bob', enrolled())
    const { code, keys } = await doctor()
    expect(code).toBe(0)
    expect(keys).toMatchObject({
      result: 'warning',
      message: expect.stringMatching(/2 records open, 1 are.*\n.*rotate/),
    })
  })

  test('records that do not open are a failure, and named', async () => {
    await put(store, NEW, 'alice', enrolled())
    await put(store, OTHER, 'bob', enrolled())
    const { code, keys } = await doctor()
    expect(code).toBe(1)
    expect(keys).toMatchObject({ result: 'failed', message: expect.stringContaining('1 do not open: bob') })
  })

  test('whether records that do not open have backup codes left is not known', async () => {
    await put(store, NEW, 'alice', enrolled())
    await put(store, OTHER, 'bob', enrolled())
    expect((await doctor())['backup codes']).toMatchObject({
      result: 'skipped',
      message: '1 record could not be read',
    })
    await put(store, NEW, 'carol', enrolled(0))
    expect((await doctor())['backup codes']).toMatchObject({
      result: 'warning',
      message: expect.stringContaining('carol'),
    })
  })
})

test('accounts without backup codes are counted and named', async () => {
  for (const [id, left] of [
    ['alice', 0],
    ['bob', 1],
    ['carol', 0],
  ] as const)
    await put(store, NEW, id, enrolled(left))
  await put(store, NEW, 'dora')
  const found = await doctor()
  expect(found.code).toBe(0)
  expect(found['backup codes']).toMatchObject({
    result: 'warning',
    message: expect.stringContaining(
      'of 3 accounts with two-factor authentication 2 have none left: alice, carol',
    ),
  })
})

test('goes through all accounts, with --quick through the first 200 only', async () => {
  await fill(store, NEW, 1100)
  await put(store, OTHER, 'zoe', enrolled())
  const found = await doctor()
  expect(found.keys?.message).toContain('of all 1,101 records 1 do not open: zoe')
  expect(found.text.stderr).toBe('1,000 accounts looked at\n')
  const quick = await doctor('--quick')
  expect(quick.keys).toMatchObject({
    result: 'ok',
    message: expect.stringContaining('the first 200 records (there are more)'),
  })
})

test('Ctrl-C ends it with 130', async () => {
  await fill(store, NEW, 500)
  const stop = new AbortController()
  const { list } = store
  store.list = function (...page) {
    stop.abort()
    return list.apply(this, page)
  }
  expect((await run(['doctor'], { ...appWith(store), signal: stop.signal })).code).toBe(130)
})

test.each([
  ['20.19.0', 'ok'],
  ['22.1.0', 'ok'],
  ['20.18.3', 'failed'],
  ['18.20.0', 'failed'],
])('Node %s: %s', (version, result) => {
  expect(nodeCheck(version).result).toBe(result)
})

test('the oldest Node that will do is the one that the package names', () => {
  const named = />=(\d+)\.(\d+)$/.exec(engines.node) ?? []
  const [major, minor] = named.slice(1).map(Number) as [number, number]
  expect(
    [`${major}.${minor}.0`, `${major}.${minor - 1}.9`].map((version) => nodeCheck(version).result),
  ).toEqual(['ok', 'failed'])
})
