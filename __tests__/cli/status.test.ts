import { newDevice } from '../../lib/account/devices'
import { reset } from '../../lib/account/enrolment'
import { withFailure } from '../../lib/account/lockout'
import type { AccountRecord } from '../../lib/account/record'
import { MemoryStore } from '../../lib/stores/memory'
import { appWith, enrolled, keyId, NEW, OLD, OTHER, put, recordsOf, run } from './support'

let store: MemoryStore
beforeEach(() => {
  store = new MemoryStore()
})

const status = (...argv: string[]) => run(['status', ...argv], appWith(store))

function failed(record: AccountRecord, times: number, now: number): AccountRecord {
  let next = record
  for (let index = 0; index < times; index++) next = withFailure(next, 'totp', now)
  return next
}

test('an account that has it on', async () => {
  await put(store, OLD, 'alice', enrolled())
  expect(await status('alice')).toEqual({
    code: 0,
    stderr: '',
    stdout: `alice
  two-factor authentication: on since 2026-05-03 12:00:15 UTC
  methods: authenticator app, backup codes
  backup codes: 3 of 5 left, made 2026-05-03 12:00:15 UTC
  last used: 2026-05-03 12:01:15 UTC
  locks: none
  trusted devices: none
  sealed by: an older key (${keyId(OLD)}): express-second-factor rotate
`,
  })
})

test('as JSON', async () => {
  await put(store, NEW, 'alice', enrolled())
  const { code, stdout } = await status('alice', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({
    accountId: 'alice',
    record: 'open',
    enabled: true,
    epoch: 7,
    methods: ['totp', 'backup-code'],
    mustEnrol: false,
    since: Date.UTC(2026, 4, 3, 12, 0, 15),
    disabledAt: null,
    devices: [],
    backupCodes: { remaining: 3, total: 5, generatedAt: Date.UTC(2026, 4, 3, 12, 0, 15) },
    lastUsedAt: Date.UTC(2026, 4, 3, 12, 1, 15),
    locks: { totp: null, 'backup-code': null },
    sealedBy: keyId(NEW),
    sealedByFirstKey: true,
  })
})

test('devices that are trusted, without their hashes, and a recovery that was carried out', async () => {
  const { device } = newDevice('Firefox, Linux', 3_600_000, Date.now())
  const over = newDevice('Safari, Mac', 1000, Date.now() - 2000).device
  await put(store, NEW, 'alice', { ...enrolled(), devices: [device, over] })
  expect((await status('alice')).stdout).toContain('\n  trusted devices: 1\n')
  const { hash: _hash, ...shown } = device
  expect(JSON.parse((await status('alice', '--json')).stdout).devices).toEqual([shown])

  await put(store, NEW, 'bob', { ...reset(enrolled(), Date.UTC(2026, 5, 1)).record, mustEnrol: true })
  expect((await status('bob')).stdout).toContain('\n  at the next login it must be set up')
  expect(JSON.parse((await status('bob', '--json')).stdout).mustEnrol).toBe(true)
})

test('locks, for a while and for good', async () => {
  await put(store, NEW, 'alice', failed(enrolled(), 8, Date.now()))
  expect((await status('alice')).stdout).toMatch(/locks: authenticator app until \d{4}-/)
  await put(store, NEW, 'bob', failed(enrolled(), 100, Date.now()))
  expect((await status('bob')).stdout).toContain('locks: authenticator app suspended')
})

test('an account that has it off, and one that never had a record', async () => {
  await put(store, NEW, 'alice', reset(enrolled(), Date.UTC(2026, 5, 1)).record)
  const { stdout } = await status('alice')
  expect(stdout).toContain('off since 2026-06-01 00:00:00 UTC')
  expect(stdout).toContain('methods: none')
  expect(stdout).toContain(`the first key (${keyId(NEW)})`)
  expect(await status('nobody')).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('nobody has no record'),
  })
  expect(await status('nobody', '--json')).toEqual({
    code: 1,
    stdout: '{"accountId":"nobody","record":"none"}\n',
    stderr: '',
  })
})

test('a record whose key is missing, and one that was altered: exit code 1, and which key it wants', async () => {
  await put(store, OTHER, 'alice', enrolled())
  const lost = await status('alice')
  expect([lost.code, lost.stdout]).toEqual([1, ''])
  expect(lost.stderr).toContain(`sealed by key ${keyId(OTHER)}`)
  expect(lost.stderr).toContain(`${keyId(NEW)}, ${keyId(OLD)}`)
  const json = await status('alice', '--json')
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stdout)).toEqual({
    accountId: 'alice',
    record: 'unreadable',
    sealedBy: keyId(OTHER),
    sealedByFirstKey: false,
  })

  await put(store, NEW, 'bob', enrolled())
  const get = store.get.bind(store)
  store.get = async (id) => {
    const row = await get(id)
    return row && { ...row, activated: false }
  }
  expect((await status('bob')).stderr).toContain('altered or damaged')
})

test('a store that is away is no record that does not open', async () => {
  await put(store, NEW, 'alice', enrolled())
  const { get } = store
  let gets = 0
  store.get = function (id) {
    return ++gets > 1 ? Promise.reject(new Error('away')) : get.call(this, id)
  }
  const { code, stdout, stderr } = await status('alice', '--json')
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain('The factor store does not answer: away')
})

test('a store that hangs is given up', async () => {
  store.get = () => new Promise(() => {})
  const { code, stderr } = await run(['status', 'alice'], appWith(store, { storeTimeout: 100 }))
  expect([code, stderr]).toEqual([1, expect.stringContaining('did not answer in time')])
})

test('nothing of the record leaves: no secret, no hash, no salt, no seal', async () => {
  await put(store, OLD, 'alice', enrolled())
  const seal = (await store.get('alice'))?.sealed.split('.')[2] as string
  for (const argv of [['alice'], ['alice', '--json']]) {
    const { stdout, stderr } = await status(...argv)
    for (const secret of ['c2VjcmV0', 'aGFzaA', 'c2FsdA', seal, OLD, NEW])
      expect(stdout + stderr).not.toContain(secret)
  }
  expect((await recordsOf(store, OLD).read('alice')).epoch).toBe(7)
})

test('an id that begins with a hyphen comes after --', async () => {
  await put(store, NEW, '-x', enrolled())
  expect((await status('--', '-x')).stdout).toMatch(/^-x\n/)
})
