import { PassThrough } from 'node:stream'
import { commandLine } from '../../lib/cli/command-line'
import { MemoryStore } from '../../lib/stores/memory'
import { appWith, enrolled, keyId, NEW, OLD, OTHER, put, recordsOf, run } from './support'

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

  test('is erased by --erase, after asking', async () => {
    expect((await reset(['lost', '--erase'], 'n\n')).code).toBe(1)
    expect(await store.get('lost')).not.toBeNull()
    expect((await reset(['lost', '--erase'])).code).toBe(2)
    const { code, stderr, stdout } = await reset(['lost', '--erase'], 'y\n')
    expect(stderr).toContain('This erases the record')
    expect([code, stdout]).toEqual([0, expect.stringContaining('Erased: lost')])
    expect(await store.get('lost')).toBeNull()
    expect(await store.get('alice')).not.toBeNull()
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
