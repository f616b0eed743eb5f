import fc from 'fast-check'
import { Accounts, statusOf } from '../../lib/account/accounts'
import {
  hashOfToken,
  liveDevices,
  MOST_DEVICES,
  newDevice,
  revokeDevices,
  type TrustedDevice,
  useDevice,
  withDevice,
} from '../../lib/account/devices'
import { disable, enrol, replace, reset } from '../../lib/account/enrolment'
import { lockOf, withFailure } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD, parse, revokeSessions, serialize } from '../../lib/account/record'
import { AccountRecords } from '../../lib/account/records'
import { base32 } from '../../lib/authenticators/base32'
import { stepAt } from '../../lib/authenticators/totp'
import { Keyring } from '../../lib/crypto/keyring'
import { MemoryStore } from '../../lib/stores/memory'
import { Authenticator } from '../support/authenticator'
import { Clock } from '../support/clock'

const DAY = 86_400_000
const MONTH = 30 * DAY
const SKEW = 60_000
const now = new Clock().time
const oldSecret = new TextEncoder().encode('12345678901234567890')
const newSecret = new TextEncoder().encode('09876543210987654321')
const backupCodes = { salt: 'c2FsdA==', hashes: ['YQ==', 'Yg=='], total: 5, generatedAt: 7 }
const proven = (secret: Uint8Array) => ({ secret, step: stepAt(now), clockSide: 0 as const })

const enrolled = enrol(EMPTY_RECORD, proven(oldSecret), backupCodes, now).record
const numbered = (n: number, at = now): TrustedDevice => ({
  ...newDevice('Firefox, Linux', MONTH, at).device,
  id: `device-${n}`,
  hash: `hash-${n}`,
})
const idsOf = (record: AccountRecord) => record.devices.map(({ id }) => id).sort()

/** An account that trusts two devices. */
const trusting = withDevice(withDevice(enrolled, numbered(1)), numbered(2))

describe('a device that comes to be trusted', () => {
  test('has a token of 256 random bits, of which the record keeps the hash', () => {
    const { device, token } = newDevice('Firefox, Linux', MONTH, now)
    expect(Buffer.from(token, 'base64url')).toHaveLength(32)
    expect(device).toEqual({
      id: expect.stringMatching(/^[\w-]{12}$/),
      hash: hashOfToken(token),
      label: 'Firefox, Linux',
      firstSeenAt: now,
      lastSeenAt: now,
      expiresAt: now + MONTH,
    })
    expect(JSON.stringify(device)).not.toContain(token)
  })

  test('is found by the SHA-256 of its token, in base64', () => {
    // FIPS 180-2, appendix B.1
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(hashOfToken('abc')).toBe(Buffer.from(abc, 'hex').toString('base64'))
  })

  test('is another one each time', () => {
    const made = Array.from({ length: 50 }, () => newDevice('', MONTH, now))
    expect(new Set(made.flatMap(({ device, token }) => [device.id, device.hash, token])).size).toBe(150)
  })

  test('pushes out the one that was not seen for longest, whatever the order of their coming', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000), { minLength: 11, maxLength: 30 }), (seen) => {
        let record = enrolled
        let left: number[] = []
        for (const n of seen) {
          record = withDevice(record, { ...numbered(n), lastSeenAt: now + n })
          left = [n, ...left.sort((a, b) => b - a).slice(0, MOST_DEVICES - 1)]
          expect(record.devices).toHaveLength(left.length)
          expect(idsOf(record)).toEqual(left.map((one) => `device-${one}`).sort())
        }
        expect(record.devices).toHaveLength(10)
      }),
    )
  })

  test('pushes out all whose trust is over, however late they were seen', () => {
    const ending = (n: number, expiresAt: number) => ({ ...numbered(n), expiresAt, lastSeenAt: now + MONTH })
    let record = enrolled
    for (const device of [ending(1, now + DAY - 1), ending(2, now + DAY), ending(3, now + DAY + 1)])
      record = withDevice(record, device)
    expect(idsOf(withDevice(record, numbered(4, now + DAY)))).toEqual(['device-3', 'device-4'])
  })

  test('and being seen keeps one in', () => {
    let record = enrolled
    for (let n = 0; n < 10; n++) record = withDevice(record, numbered(n, now + n))
    record = useDevice(record, ['hash-0'], MONTH, now + 20).record
    record = withDevice(record, numbered(10, now + 30))
    expect(idsOf(record)).toContain('device-0')
    expect(idsOf(record)).not.toContain('device-1')
  })
})

describe('a device stands in for a code', () => {
  const use = (hashes: string[], at = now, maxAge = MONTH, record = trusting) =>
    useDevice(record, hashes, maxAge, at)

  test('by its token, and is seen', () => {
    const { record, outcome } = use(['another', 'hash-1'], now + DAY)
    expect(outcome).toEqual({ ...numbered(1), lastSeenAt: now + DAY })
    expect(record.devices.find(({ id }) => id === 'device-1')).toEqual(outcome)
    expect(record.devices.find(({ id }) => id === 'device-2')).toEqual(numbered(2))
    expect({ ...record, devices: [] }).toEqual({ ...trusting, devices: [] })
  })

  test('and being seen does not make the trust last longer', () => {
    const { record } = use(['hash-1'], now + MONTH - 1)
    expect(use(['hash-1'], now + MONTH, MONTH, record).outcome).toBeNull()
  })

  test.each<[string, string[]]>([
    ['no token', []],
    ['a token that is not known', ['hash-3']],
    ['the id in the place of the token', ['device-1']],
    ['the beginning of a hash', ['hash-']],
    ['nothing', ['']],
  ])('not by %s', (_what, hashes) => {
    const { record, outcome } = use(hashes)
    expect(outcome).toBeNull()
    expect(record).toBe(trusting)
  })

  test('not where there is no second factor', () => {
    const without = { ...trusting, totp: null }
    expect(use(['hash-1'], now, MONTH, without)).toEqual({ record: without, outcome: null })
  })

  test('from a minute before it was first seen (another clock) until its time is over, and not a moment longer', () => {
    const age = fc.integer({ min: 1000, max: 400 * DAY })
    const offset = fc.oneof(
      fc.integer({ min: -400 * DAY, max: 800 * DAY }),
      fc.constantFrom(-SKEW - 1, -SKEW, -SKEW + 1, -1, 0, 1),
    )
    fc.assert(
      fc.property(age, age, offset, (given, maxAge, at) => {
        const device = newDevice('', given, now).device
        const record = withDevice(enrolled, device)
        const live = at > -SKEW && at < Math.min(given, maxAge)
        expect(liveDevices(record, maxAge, now + at)).toEqual(live ? [device] : [])
        expect(useDevice(record, [device.hash], maxAge, now + at).outcome?.id).toBe(
          live ? device.id : undefined,
        )
      }),
    )
  })

  test('until the very moment at which it ends', () => {
    expect(use(['hash-1'], now + MONTH - 1).outcome).not.toBeNull()
    expect(use(['hash-1'], now + MONTH).outcome).toBeNull()
  })

  test('for a shorter time where the host made it shorter since, and never for a longer one', () => {
    expect(use(['hash-1'], now + 2 * DAY, DAY).outcome).toBeNull()
    expect(use(['hash-1'], now + DAY - 1, DAY).outcome).not.toBeNull()
    expect(use(['hash-1'], now + MONTH, 12 * MONTH).outcome).toBeNull()
    expect(use(['hash-1'], now, 0).outcome).toBeNull()
  })

  test('not when the clock was set back an hour', () => {
    expect(use(['hash-1'], now - 3_600_000).outcome).toBeNull()
  })

  test('what is over is in no list', () => {
    const record = withDevice(trusting, numbered(3, now + DAY))
    expect(statusOf(record, now + MONTH, MONTH).devices.map(({ id }) => id)).toEqual(['device-3'])
    expect(statusOf(record, now + DAY, 0).devices).toEqual([])
  })
})

describe('trust ends', () => {
  test.each<[string, (record: AccountRecord) => AccountRecord]>([
    ['disabling', (record) => disable(record, now).record],
    ['a new phone', (record) => replace(record, proven(newSecret), now).record],
    ['a reset', (record) => reset(record, now).record],
    ['revokeSessions', (record) => revokeSessions(record).record],
    [
      'disabling and enabling',
      (record) => enrol(disable(record, now).record, proven(newSecret), backupCodes, now).record,
    ],
    [
      'enabling, whatever lay there',
      (record) => enrol({ ...record, totp: null }, proven(newSecret), backupCodes, now).record,
    ],
  ])('in all devices with %s', (_what, change) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), (count) => {
        let record = enrolled
        for (let n = 0; n < count; n++) record = withDevice(record, numbered(n))
        const next = change(record)
        expect(next.epoch).toBeGreaterThan(record.epoch)
        expect(next.devices).toEqual([])
      }),
    )
  })

  test('in one that is revoked, and in no other', () => {
    const { record, outcome } = revokeDevices(trusting, 'device-1')
    expect(outcome).toEqual([numbered(1)])
    expect(idsOf(record)).toEqual(['device-2'])
    expect(record.epoch).toBe(trusting.epoch)
    expect(useDevice(record, ['hash-1'], MONTH, now).outcome).toBeNull()
    expect(useDevice(record, ['hash-2'], MONTH, now).outcome).not.toBeNull()
  })

  test('in all that are revoked', () => {
    const { record, outcome } = revokeDevices(trusting, null)
    expect(outcome.map(({ id }) => id).sort()).toEqual(['device-1', 'device-2'])
    expect(record).toEqual({ ...trusting, devices: [] })
  })

  test.each([
    ['an id that is not known', trusting, 'device-9'],
    ['no id', trusting, ''],
    ['all of none', enrolled, null],
  ])('in nothing by revoking %s, which writes nothing', (_what, record, id) => {
    expect(revokeDevices(record, id)).toEqual({ record, outcome: [] })
    expect(revokeDevices(record, id).record).toBe(record)
  })
})

describe('a new phone', () => {
  const later = now + DAY
  const first = { secret: newSecret, step: stepAt(later) + 1, clockSide: 1 as const }

  test('takes the place of the old one, with its first code used and its clock noted', () => {
    const { record, outcome } = replace(trusting, first, later)
    expect(outcome).toEqual({ replaced: true, epoch: trusting.epoch + 1 })
    expect(record.totp).toEqual({
      secret: Buffer.from(newSecret).toString('base64'),
      clockSide: 1,
      lastStep: first.step,
      since: later,
    })
    expect(record.lastUsedAt).toBe(later)
    expect(record.disabledAt).toBeNull()
  })

  test('leaves the backup codes and what was counted against them; what was counted against the old one is over', () => {
    let record = trusting
    for (let n = 0; n < 7; n++) record = withFailure(record, 'totp', now)
    for (let n = 0; n < 6; n++) record = withFailure(record, 'backup-code', now)
    record = withFailure(record, 'password', now)
    const { record: next } = replace(record, first, now)
    expect(next.backupCodes).toBe(record.backupCodes)
    expect(next.failures['backup-code']).toEqual(record.failures['backup-code'])
    expect(next.failures.password).toEqual(record.failures.password)
    expect(next.failures.totp).toEqual({ count: 0, lockedUntil: 0 })
    expect(lockOf(next, 'totp', now)).toBeNull()
    expect(lockOf(next, 'backup-code', now)).not.toBeNull()
  })

  test('there is none where there was no old one', () => {
    const off = disable(trusting, now).record
    expect(replace(off, first, later)).toEqual({ record: off, outcome: { replaced: false } })
  })
})

describe('a new phone, in the store', () => {
  async function account() {
    const clock = new Clock()
    const store = new MemoryStore()
    const records = new AccountRecords(
      store,
      new Keyring([Buffer.from('0123456789abcdef0123456789abcdef')]),
      clock.now,
    )
    await records.transact('alice', () => ({ record: trusting, outcome: null }))
    const accounts = new Accounts(records, clock.now, 5, MONTH)
    const phone = (secret: Uint8Array) => new Authenticator(base32(secret), clock.now)
    const staged = { secret: newSecret, startedAt: clock.now() }
    clock.nextStep()
    const check = (epoch: number, code: string) =>
      accounts.verify('alice', epoch, { method: 'totp', code }).then(({ accepted }) => accepted)
    return { accounts, records, clock, staged, oldPhone: phone(oldSecret), newPhone: phone(newSecret), check }
  }

  test('the old one works until the new one is proven, and then no more', async () => {
    const { accounts, clock, staged, oldPhone, newPhone, check } = await account()
    const { epoch } = trusting
    expect(await accounts.confirmReplacement('alice', epoch, staged, newPhone.wrongCode())).toEqual({
      replaced: false,
      reason: 'invalid',
      clock: null,
    })
    expect(await check(epoch, newPhone.code())).toBe(false)
    expect(await check(epoch, oldPhone.code())).toBe(true)
    clock.nextStep()
    expect(await accounts.confirmReplacement('alice', epoch, staged, newPhone.code())).toEqual({
      replaced: true,
      epoch: epoch + 1,
    })
    // Its first code is used.
    expect(await check(epoch + 1, newPhone.code())).toBe(false)
    clock.nextStep()
    expect(await check(epoch + 1, oldPhone.code())).toBe(false)
    expect(await check(epoch + 1, newPhone.code())).toBe(true)
  })

  test('a session of another epoch puts none in its place, and no device that it trusts counts', async () => {
    const { accounts, records, staged, newPhone } = await account()
    const before = await records.read('alice')
    expect(await accounts.confirmReplacement('alice', trusting.epoch - 1, staged, newPhone.code())).toEqual({
      replaced: false,
      reason: 'revoked',
    })
    expect(await accounts.revokeDevices('alice', trusting.epoch - 1, null)).toEqual({ reason: 'revoked' })
    expect(await records.read('alice')).toEqual(before)
  })

  test('there is none where two-factor authentication was turned off meanwhile', async () => {
    const { accounts, staged, oldPhone, newPhone } = await account()
    const off = await accounts.disable('alice', trusting.epoch, { method: 'totp', code: oldPhone.code() })
    if (!off.disabled) throw new Error('not disabled')
    expect(await accounts.confirmReplacement('alice', off.epoch, staged, newPhone.code())).toEqual({
      replaced: false,
      reason: 'not-enrolled',
    })
  })

  test('a device that is trusted says so, with the epoch in which it is; one that was revoked does not', async () => {
    const { accounts, clock } = await account()
    const { epoch } = trusting
    expect(await accounts.useDevice('alice', ['hash-1'])).toEqual({
      device: { ...numbered(1), lastSeenAt: clock.now() },
      epoch,
    })
    expect(await accounts.useDevice('alice', ['hash-3'])).toBeNull()
    expect(await accounts.revokeDevices('alice', epoch, 'device-1')).toMatchObject([{ id: 'device-1' }])
    expect(await accounts.useDevice('alice', ['hash-1'])).toBeNull()
  })

  test('a device comes to be trusted with an accepted code, and with no other', async () => {
    const { accounts, records, oldPhone } = await account()
    const { device } = newDevice('', MONTH, now)
    const verify = (code: string, epoch = trusting.epoch) =>
      accounts.verify('alice', epoch, { method: 'totp', code }, device)
    const ids = async () => idsOf(await records.read('alice'))
    await verify(oldPhone.wrongCode())
    await verify(oldPhone.code(), trusting.epoch - 1)
    expect(await ids()).toEqual(['device-1', 'device-2'])
    expect(await verify(oldPhone.code())).toMatchObject({ accepted: true })
    expect(await ids()).toEqual(['device-1', 'device-2', device.id].sort())
  })
})

describe('a record that an earlier version wrote', () => {
  function earlier(record: AccountRecord): AccountRecord {
    const { devices: _devices, disabledAt: _disabledAt, ...rest } = record
    return parse(JSON.stringify({ v: 1, ...rest }))
  }

  test('without devices and without when it was disabled opens, and nothing else is lost', () => {
    expect(earlier(trusting)).toEqual({ ...trusting, devices: [], disabledAt: null })
    expect(earlier(disable(trusting, now).record)).toMatchObject({
      totp: null,
      disabledAt: null,
      devices: [],
    })
  })

  test('is one that devices can be trusted, used and revoked in', () => {
    const record = earlier(trusting)
    expect(useDevice(record, ['hash-1'], MONTH, now).outcome).toBeNull()
    expect(revokeDevices(record, null).outcome).toEqual([])
    expect(idsOf(withDevice(record, numbered(3)))).toEqual(['device-3'])
    expect(statusOf(record, now, MONTH)).toMatchObject({ enabled: true, devices: [], disabledAt: null })
  })

  test('and what this version writes it reads again', () => {
    expect(parse(serialize(trusting))).toEqual(trusting)
  })
})
