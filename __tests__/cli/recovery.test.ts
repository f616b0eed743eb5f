import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { recoveryPlace } from '../../lib/cli/recovery-place'
import { openStore } from '../../lib/cli/store-url'
import { MemoryStore } from '../../lib/stores/memory'
import { SqlStore } from '../../lib/stores/sql'
import {
  appWith,
  ask,
  enrolled,
  fill,
  NEW,
  name,
  OLD,
  OTHER,
  opening,
  openingRequests,
  put,
  run,
  sqliteApp,
} from './support'

jest.setTimeout(30_000)

/** An app with accounts and requests in one SQLite database, all sealed by the old key. */
async function appWithRequests({ table = 'second_factor_recoveries', ids = ['alice', 'bob'] } = {}) {
  const app = await sqliteApp(3)
  const requests = new SqlStore(new Database(join(app.cwd, 'app.db'), { timeout: 5000 } as never), { table })
  await ask(requests, OLD, ...ids)
  return { ...app, requests }
}

const json = async (argv: string[], given: object) => {
  const { code, stdout } = await run(['doctor', '--json', ...argv], given)
  const { checks } = JSON.parse(stdout) as { checks: { name: string; result: string; message: string }[] }
  return { code, finding: checks.find(({ name }) => name === 'recovery keys') }
}

describe('a store at a URL', () => {
  test('rotate seals the requests beside it, too: the older key is not needed afterwards', async () => {
    const { cwd, env, store, requests } = await appWithRequests()
    expect(await openingRequests(requests, NEW)).toEqual([])
    const { code, stdout, stderr } = await run(['rotate'], { cwd, env })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Done: 3 accounts seen, 3 accounts sealed/)
    expect(stdout).toContain('Option recovery: 2 records seen, 2 records sealed with the first key.')
    expect(await openingRequests(requests, NEW)).toEqual(['alice', 'bob'])
    expect(await opening(store, NEW)).toBe(3)
  })

  test('doctor says how they are sealed, before and after', async () => {
    const { cwd, env } = await appWithRequests()
    expect(await json([], { cwd, env })).toMatchObject({
      code: 0,
      finding: {
        result: 'warning',
        message: expect.stringMatching(/all 2 records of option recovery open, 2 are/),
      },
    })
    await run(['rotate'], { cwd, env })
    expect(await json([], { cwd, env })).toMatchObject({
      code: 0,
      finding: { result: 'ok', message: 'all 2 records of option recovery open, sealed by the first key' },
    })
  })

  test('doctor fails where a key was taken out too early, and names whose requests do not open', async () => {
    const { cwd, env } = await appWithRequests()
    const { code, finding } = await json([], { cwd, env: { ...env, SECOND_FACTOR_KEY: NEW } })
    expect(code).toBe(1)
    expect(finding).toMatchObject({
      result: 'failed',
      message: expect.stringContaining('of all 2 records of option recovery 2 do not open: alice, bob'),
    })
  })

  test('where there is no such table, both say how to name another one, and make none', async () => {
    const { cwd, env } = await sqliteApp(2)
    const { code, stdout } = await run(['rotate'], { cwd, env })
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^Option recovery: nothing in table second_factor_recoveries.*--recovery-table\.$/m,
    )
    expect(await json([], { cwd, env })).toMatchObject({
      code: 0,
      finding: { result: 'skipped', message: expect.stringContaining('--recovery-table') },
    })
    const tables = new Database(join(cwd, 'app.db')).prepare(
      "select name from sqlite_master where type = 'table'",
    )
    expect(tables.all()).toEqual([{ name: 'second_factor_accounts' }])
  })

  test('--recovery-table names another one, which must be there', async () => {
    const { cwd, env, requests } = await appWithRequests({ table: 'help_wanted' })
    await run(['rotate'], { cwd, env })
    expect(await openingRequests(requests, NEW)).toEqual([])
    const named = await run(['rotate', '--recovery-table=help_wanted'], { cwd, env })
    expect(named.stdout).toContain('Option recovery: 2 records seen, 2 records sealed')
    expect(await openingRequests(requests, NEW)).toEqual(['alice', 'bob'])

    const missing = await run(['rotate', '--recovery-table=help_wnated'], { cwd, env })
    expect(missing.code).toBe(1)
    expect(missing.stderr).toContain('no such table: help_wnated')
    expect(missing.stderr).toMatch(/^Go on with: .* --recovery-table=help_wnated --after=/m)
    expect(await json(['--recovery-table', 'help_wnated'], { cwd, env })).toMatchObject({
      code: 1,
      finding: { result: 'failed', message: expect.stringContaining('no such table') },
    })
  })

  test('a config file names it, too', async () => {
    const { cwd, env, requests } = await appWithRequests({ table: 'help_wanted' })
    writeFileSync(
      join(cwd, 'second-factor.config.json'),
      '{ "store": "sqlite:app.db", "recoveryTable": "help_wanted" }',
    )
    expect((await run(['rotate'], { cwd, env })).code).toBe(0)
    expect(await openingRequests(requests, NEW)).toEqual(['alice', 'bob'])
  })

  test('the table of the second factors is no table of requests', async () => {
    const { cwd, env } = await sqliteApp(1)
    const { code, stderr } = await run(['rotate', '--recovery-table=second_factor_accounts'], { cwd, env })
    expect([code, stderr]).toEqual([1, expect.stringContaining('is that of the second factors')])
  })
})

describe('a store of a config file', () => {
  async function twoStores() {
    const [store, requests] = [new MemoryStore(), new MemoryStore()]
    await fill(store, OLD, 5)
    await ask(requests, OLD, 'alice', 'bob', 'carol')
    return { store, requests, app: appWith(store, { recovery: { store: requests } }) }
  }

  test('recovery: { store } is rotated and looked at', async () => {
    const { requests, app } = await twoStores()
    expect((await json([], app)).finding).toMatchObject({ result: 'warning' })
    expect((await run(['rotate'], app)).code).toBe(0)
    expect(await openingRequests(requests, NEW)).toEqual(['alice', 'bob', 'carol'])
    expect((await json([], app)).finding).toMatchObject({ result: 'ok' })
  })

  // A page of a list is 200 rows.
  test.each<[number, string]>([
    [3, 'all 3 records of option recovery open'],
    [200, 'all 200 records of option recovery open'],
    [201, 'the first 200 records (there are more) of option recovery open'],
  ])('doctor --quick, and Ctrl-C after the first look, with %i requests: %s', async (count, said) => {
    const requests = new MemoryStore()
    const ids = Array.from({ length: count }, (_, index) => name(index))
    await ask(requests, NEW, ...ids)
    const app = appWith(new MemoryStore(), { recovery: { store: requests } })
    const quick = await json(['--quick'], app)
    expect(quick.finding).toMatchObject({ result: 'ok', message: expect.stringContaining(said) })

    const stop = new AbortController()
    const { list } = requests
    requests.list = function (...page) {
      stop.abort()
      return list.apply(this, page)
    }
    const stopped = await run(['doctor'], { ...app, signal: stop.signal })
    expect([stopped.code, stopped.stdout]).toEqual([130, expect.stringContaining(said)])
    requests.list = list
    const whole = await json([], app)
    expect(whole.finding?.message).toMatch(`all ${count} records`)
  })

  test('Ctrl-C before the first look says nothing about nobody', async () => {
    const { app } = await twoStores()
    const stop = new AbortController()
    stop.abort()
    const { code, stdout } = await run(['doctor'], { ...app, signal: stop.signal })
    expect(code).toBe(130)
    expect(stdout).toContain('all 5 records open')
    expect(stdout).toContain('all 3 records of option recovery open')
  })

  test('without it, doctor and rotate say that they did not look', async () => {
    const store = new MemoryStore()
    await put(store, NEW, 'alice', enrolled())
    expect((await run(['rotate'], appWith(store))).stdout).toMatch(
      /^Option recovery: not looked at.*recovery: \{ store/m,
    )
    expect((await json([], appWith(store))).finding).toMatchObject({ result: 'skipped' })
    const named = await run(['rotate', '--recovery-table=x'], appWith(store))
    expect([named.code, named.stderr]).toEqual([1, expect.stringContaining('where the store is a URL')])
  })

  test('the same store for both, or no store, is refused', async () => {
    const store = new MemoryStore()
    expect((await run(['doctor'], appWith(store, { recovery: { store } }))).stderr).toContain(
      'second factors',
    )
    const none = appWith(store, { recovery: { store: {} as never } })
    expect((await run(['doctor'], none)).stderr).toContain('recovery is { store }')
  })

  test('requests that cannot be read are named: exit code 1, and the others are done', async () => {
    const { requests, app } = await twoStores()
    await ask(requests, OTHER, 'mallory')
    const { code, stdout } = await run(['rotate'], app)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^Not all done: 5 accounts seen, 5 accounts sealed/)
    expect(stdout).toContain('FAILED: what option recovery keeps of 1 account could not be read: mallory.')
    expect(await openingRequests(requests, NEW)).toEqual(['alice', 'bob', 'carol'])
  })

  test('Ctrl-C among the requests: exit code 130, and the command that goes on', async () => {
    const { requests, app } = await twoStores()
    const stop = new AbortController()
    const { compareAndSet } = requests
    requests.compareAndSet = function (...write) {
      stop.abort()
      return compareAndSet.apply(this, write)
    }
    const { code, stdout } = await run(['rotate'], { ...app, signal: stop.signal })
    expect(code).toBe(130)
    expect(stdout).toMatch(/^Stopped: 5 accounts/)
    const [, argv = ''] = /^Go on with: npx express-second-factor (.*)$/m.exec(stdout) ?? []
    expect((await run(argv.split(' '), app)).code).toBe(0)
    expect(await openingRequests(requests, NEW)).toEqual(['alice', 'bob', 'carol'])
  })

  test('their store that fails: exit code 1, why, and the command that goes on', async () => {
    const { requests, app } = await twoStores()
    requests.list = () => Promise.reject(new Error('no connection'))
    const { code, stderr } = await run(['rotate'], app)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^FAILED after this: 5 accounts seen, 5 accounts sealed/)
    expect(stderr).toContain('no connection')
    expect(stderr).toMatch(/^Go on with: /m)
    expect(await json([], app)).toMatchObject({ code: 1, finding: { result: 'failed' } })
  })
})

test.each(['second-factor:', 'second-factor:more:'])(
  'the prefix %s is not beside that of the store',
  (prefix) => {
    const opening = openStore('redis://127.0.0.1:1', 'X', { cwd: process.cwd() } as never)
    opening.store.get('x').catch(() => {})
    try {
      const place = (named: string) => recoveryPlace({ store: 'X', storeFrom: 'X' } as never, opening, named)
      expect(() => place(prefix)).toThrow('their tables are two')
      expect(place('other:')).toMatchObject({ told: true, prefix: 'other:' })
    } finally {
      opening.close()
    }
  },
)
