import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import Database from 'libsql'
import { commandLine } from '../../lib/cli/command-line'
import { MemoryStore } from '../../lib/stores/memory'
import { appWith, enrolled, keyId, NEW, name, OLD, OTHER, put, recordsOf, run, sqliteApp } from './support'

let store: MemoryStore
beforeEach(async () => {
  store = new MemoryStore()
  await put(store, OLD, 'alice', enrolled())
})

const rows = async () => JSON.stringify(await store.list(null, 100))
const reset = (argv: string[], typed?: string) =>
  run(['reset', ...argv], { ...appWith(store), ...(typed !== undefined && { typed }) })

test.each(['y\n', 'yes\n', ' Y \n'])('asked on a terminal, %j takes everything off', async (typed) => {
  const { code, stdout, stderr } = await reset(['alice'], typed)
  expect(stderr).toContain('on since 2026-05-03 12:00:15 UTC, 3 backup codes left')
  expect(stderr).toContain('the owner who asks? [y/N]')
  expect([code, stdout]).toEqual([
    0,
    expect.stringContaining('Done: two-factor authentication of alice is off'),
  ])
  expect(await recordsOf(store, NEW).read('alice')).toMatchObject({ totp: null, backupCodes: null, epoch: 8 })
})

test.each(['n\n', '\n', 'yesterday\n', 'no\ny\n', ''])('%j changes nothing', async (typed) => {
  const before = await rows()
  const { code, stderr } = await reset(['alice'], typed)
  expect([code, stderr]).toEqual([1, expect.stringContaining('Nothing was changed.')])
  expect(await rows()).toBe(before)
})

test('without a terminal it needs --yes, and then does not ask', async () => {
  const before = await rows()
  const refused = await reset(['alice'])
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') })
  expect(await rows()).toBe(before)
  const done = await reset(['alice', '--yes'])
  expect(done).toMatchObject({ code: 0, stderr: '' })
  expect((await recordsOf(store, NEW).read('alice')).totp).toBeNull()
})

test('Ctrl-C at the question changes nothing: 130', async () => {
  const before = await rows()
  const stop = new AbortController()
  const stream = () => Object.assign(new PassThrough(), { isTTY: true })
  const stderr = stream()
  const { cwd } = appWith(store)
  const ended = commandLine(['reset', 'alice'], {
    ...{ cwd, env: {}, stdin: stream(), stdout: stream(), stderr, signal: stop.signal },
  })
  let said = ''
  for await (const chunk of stderr) {
    said += chunk
    if (said.includes('[y/N]')) break
  }
  stop.abort()
  expect(await ended).toBe(130)
  expect(await rows()).toBe(before)
})

test('an id without a record is no success: it may be mistyped', async () => {
  const before = await rows()
  const { code, stderr } = await reset(['alcie', '--yes'])
  expect([code, stderr]).toEqual([1, expect.stringContaining('alcie has no record')])
  expect(await rows()).toBe(before)
})

test('an account that has it off already loses its locks', async () => {
  await put(store, OLD, 'bob')
  const { code, stderr, stdout } = await reset(['bob'], 'y\n')
  expect(stderr).toContain('is off already')
  expect([code, stdout]).toEqual([0, expect.stringContaining('was off; its locks are gone')])
})

describe('a record whose key is lost', () => {
  beforeEach(() => put(store, OTHER, 'lost', enrolled()))

  test('is not reset: it says which key, and that --erase erases', async () => {
    const before = await rows()
    const { code, stderr } = await reset(['lost', '--yes'])
    expect(code).toBe(1)
    expect(stderr).toContain(`sealed by key ${keyId(OTHER)}`)
    expect(stderr).toContain('--erase')
    expect(await rows()).toBe(before)
  })

  test('is erased by --erase, after asking; that it was turned off is kept', async () => {
    expect((await reset(['lost', '--erase'], 'n\n')).code).toBe(1)
    expect(await store.get('lost')).not.toBeNull()
    expect((await reset(['lost', '--erase'])).code).toBe(2)
    const { code, stderr, stdout } = await reset(['lost', '--erase'], 'y\n')
    expect(stderr).toContain('This erases the record for good and resets the account')
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('Erased: two-factor authentication of lost is off'),
    ])
    // Else option isEnrolled would lock the account out.
    expect(await recordsOf(store, NEW).read('lost')).toMatchObject({
      totp: null,
      disabledAt: expect.any(Number),
    })
    expect((await recordsOf(store, OLD).read('alice')).totp).not.toBeNull()
  })

  test('that is erased, but not noted as turned off, is told', async () => {
    store.compareAndSet = () => Promise.reject(new Error('disk full'))
    const app = appWith(store, { storeTimeout: 500 })
    const { code, stdout, stderr } = await run(['reset', 'lost', '--erase', '--yes'], app)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/lost is erased, but.*(disk full|in time)/)
    expect(stderr).toContain('isEnrolled')
  })

  test('is left to hands where the store cannot erase', async () => {
    const before = await rows()
    Object.assign(store, { delete: undefined })
    const { code, stderr } = await reset(['lost', '--erase', '--yes'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('has no delete()')])
    expect(await rows()).toBe(before)
  })
})

describe('a row so damaged that the store does not hand it out', () => {
  async function damaged() {
    const app = await sqliteApp(2)
    new Database(join(app.cwd, 'app.db')).exec(
      `update second_factor_accounts set version = 0 where account_id = '${name(1)}'`,
    )
    return app
  }

  test('is not reset, and is by --erase', async () => {
    const { cwd, env, store } = await damaged()
    await expect(store.get(name(1))).rejects.toThrow(/damaged/)
    const refused = await run(['reset', name(1), '--yes'], { cwd, env })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--erase') })
    const done = await run(['reset', name(1), '--yes', '--erase'], { cwd, env })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect((await recordsOf(store, NEW).read(name(1))).disabledAt).not.toBeNull()
  })

  test('is told by status, doctor and rotate, which go on with the others', async () => {
    const { cwd, env, store } = await damaged()
    const status = await run(['status', name(1)], { cwd, env })
    expect(status).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/does not open[\s\S]*altered or damaged/),
    })
    const doctor = await run(['doctor'], { cwd, env })
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining(`1 do not open: ${name(1)}`) })
    const rotate = await run(['rotate'], { cwd, env })
    expect(rotate).toMatchObject({ code: 1, stdout: expect.stringContaining(`not be read: ${name(1)}.`) })
    expect((await recordsOf(store, NEW).read(name(0))).epoch).toBe(0)
  })

  test('a store that is away is not taken for that: --erase erases nothing', async () => {
    const before = await rows()
    const { get } = store
    store.get = () => Promise.reject(new Error('away'))
    const { code, stderr } = await reset(['alice', '--erase', '--yes'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('does not answer: away')])
    store.get = get
    expect(await rows()).toBe(before)
  })
})

test('--erase does not erase a record that opens', async () => {
  const before = await rows()
  const { code, stderr } = await reset(['alice', '--erase', '--yes'])
  expect([code, stderr]).toEqual([1, expect.stringContaining('without --erase')])
  expect(await rows()).toBe(before)
})

test('a write that fails is told, and is no success', async () => {
  store.compareAndSet = () => Promise.reject(new Error('read-only'))
  const app = appWith(store, { storeTimeout: 500 })
  const { code, stdout, stderr } = await run(['reset', 'alice', '--yes'], app)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/read-only|in time/)
})
