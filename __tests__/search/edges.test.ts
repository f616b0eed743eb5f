import { newBackupCodes, readBackupCode } from '../../lib/account/backup-codes'
import { enrol } from '../../lib/account/enrolment'
import { endOf, lockOf } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD } from '../../lib/account/record'
import { verify } from '../../lib/account/verification'
import { base32 } from '../../lib/authenticators/base32'
import { judgeLogin } from '../../lib/session/judge'
import type { VerifiedMarker } from '../../lib/session/marker'
import { Authenticator } from '../support/authenticator'
import { Clock } from '../support/clock'

/** What could be changed in the four key places without any other test noticing: see docs/searches.md. */

const secret = new TextEncoder().encode('12345678901234567890')
const clock = new Clock()
const phone = new Authenticator(base32(secret), clock.now)
const noCodes = { salt: '', hashes: [], total: 0, generatedAt: 0 }
const { record: enrolled } = enrol(EMPTY_RECORD, { secret, step: 0, clockSide: 0 }, noCodes, 0)
const enter = (record: AccountRecord, code: string) =>
  verify(record, { method: 'totp', code }, clock.now(), null)

test('backup codes are two groups of five of the alphabet, and no longer', async () => {
  const { codes } = await newBackupCodes(3, 0)
  for (const code of codes) expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/)
})

test('a letter that is not of the alphabet makes no code, whatever check character it is given', () => {
  const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZU'
  const read: string[] = []
  for (let place = 0; place < 10; place++) {
    for (const first of letters) {
      for (const check of letters) {
        const letter = [first, ...'00000000', check]
        letter[place] = 'U'
        if (readBackupCode(letter.join('')) !== null) read.push(letter.join(''))
      }
    }
  }
  expect(read).toEqual([])
})

test('the failure that locks says so, and those before it say nothing of a lock', () => {
  let record = enrolled
  for (let guess = 1; guess <= 5; guess++) {
    const verdict = enter(record, phone.wrongCode())
    const lock = { lock: { until: clock.time + 30_000 } }
    expect(verdict.outcome).toStrictEqual({ accepted: false, reason: 'invalid', ...(guess === 5 && lock) })
    record = verdict.record
  }
})

test('an authenticator without any backup codes is enough, and none remain', () => {
  const { outcome } = enter({ ...enrolled, backupCodes: null }, phone.code())
  expect(outcome).toMatchObject({ accepted: true, backupCodesRemaining: 0 })
})

test('a floor in the last step that can be accepted is no clock set back: what is typed counts', () => {
  for (const clockSide of [-1, 0, 1] as const) {
    const here = Math.floor(clock.time / 30_000)
    const last = here + 1 + Math.max(clockSide, 0)
    const withFloor = (lastStep: number): AccountRecord => ({
      ...enrolled,
      totp: { ...(enrolled.totp as NonNullable<AccountRecord['totp']>), clockSide, lastStep },
    })
    expect(enter(withFloor(last), phone.wrongCode()).record.failures.totp.count).toBe(1)
    const before = withFloor(last + 1)
    expect(enter(before, phone.wrongCode())).toEqual({
      record: before,
      outcome: { accepted: false, reason: 'invalid' },
    })
  }
})

test('a backup code that is wrong counts also while the floor is above every step', () => {
  const totp = { ...(enrolled.totp as NonNullable<AccountRecord['totp']>), lastStep: 2 ** 40 }
  const typed = { method: 'backup-code', code: '0000000000' } as const
  const { record } = verify({ ...enrolled, totp }, typed, clock.now(), null)
  expect(record.failures['backup-code'].count).toBe(1)
})

test('a lock as long as any, set by a clock a minute fast, is one; a millisecond more is none', () => {
  const until = (lockedUntil: number): AccountRecord => ({
    ...enrolled,
    failures: { ...enrolled.failures, totp: { count: 12, lockedUntil } },
  })
  const longest = clock.time + 3_600_000 + 60_000
  expect(lockOf(until(longest), 'totp', clock.time)).toEqual({ until: longest })
  expect(lockOf(until(longest + 1), 'totp', clock.time)).toBeNull()
})

test('a lock has its end as a date; a suspension has none', () => {
  expect(endOf({ until: 5 })).toEqual(new Date(5))
  expect(endOf({ until: null })).toBeNull()
})

describe('a session', () => {
  const marker = (more: Partial<VerifiedMarker>): VerifiedMarker => ({
    state: 'verified',
    accountId: 'a',
    epoch: 3,
    loginAt: 0,
    csrf: '',
    method: 'totp',
    verifiedAt: 0,
    ...more,
  })
  const pending = { verdict: 'hold', as: 'pending' }

  test('that a device let in lasts as long as that very device is trusted', () => {
    const device = marker({ method: 'trusted-device', device: 'mine', verifiedAt: null })
    const look = (devices?: { id: string }[]) =>
      judgeLogin(device, 'a', { epoch: 3, enabled: true, ...(devices && { devices }) }, false)
    expect(look([{ id: 'other' }, { id: 'mine' }])).toEqual({ verdict: 'keep', marker: device })
    expect(look([{ id: 'mine' }])).toEqual({ verdict: 'keep', marker: device })
    expect(look([{ id: 'other' }])).toEqual(pending)
    expect(look([])).toEqual(pending)
    // Not known is not trusted.
    expect(look()).toEqual(pending)
  })

  test('that a provider let in needs no factor of ours, and one that a factor let in does', () => {
    const view = { epoch: 3, enabled: false }
    const signedOn = marker({ method: 'single-sign-on', verifiedAt: null })
    expect(judgeLogin(signedOn, 'a', view, true)).toEqual({ verdict: 'keep', marker: signedOn })
    for (const method of ['totp', 'backup-code', 'trusted-device'] as const) {
      expect(judgeLogin(marker({ method }), 'a', view, false)).toEqual({ verdict: 'log-out' })
    }
    expect(judgeLogin(signedOn, 'a', { epoch: 4, enabled: false }, false)).toEqual({ verdict: 'log-out' })
  })
})
