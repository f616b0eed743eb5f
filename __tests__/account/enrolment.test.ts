import fc from 'fast-check'
import {
  beginEnrolment,
  checkFirstCode,
  disable,
  enrol,
  recover,
  replace,
  reset,
} from '../../lib/account/enrolment'
import { withFailure } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD, isEnrolled } from '../../lib/account/record'
import { base32 } from '../../lib/authenticators/base32'
import { Authenticator } from '../support/authenticator'
import { Clock } from '../support/clock'

const secret = new TextEncoder().encode('12345678901234567890')
const backupCodes = { salt: 'c2FsdA==', hashes: ['aGFzaA=='], total: 1, generatedAt: 7 }
const MINUTE = 60
const HOUR = 3600

/** What the first code says of a phone that is `fastBy` seconds ahead. */
function firstCodeOf(fastBy: number, clock = new Clock()) {
  return checkFirstCode(secret, new Authenticator(base32(secret), clock.now, fastBy).code(), clock.now())
}

describe('the first code', () => {
  test.each([
    [-60, -1],
    [-30, -1],
    [0, 0],
    [30, 1],
    [60, 1],
  ])('of a phone %i seconds ahead proves it, with the clock on side %i', (fastBy, clockSide) => {
    const clock = new Clock()
    const step = Math.floor(clock.time / 30_000) + fastBy / 30
    expect(firstCodeOf(fastBy, clock)).toEqual({ proven: true, step, clockSide })
  })

  test.each([
    ['three minutes slow', -3 * MINUTE, { direction: 'slow', seconds: 180, timeZone: false }],
    ['three minutes fast', 3 * MINUTE, { direction: 'fast', seconds: 180, timeZone: false }],
    ['90 seconds slow', -90, { direction: 'slow', seconds: 90, timeZone: false }],
    ['90 seconds fast', 90, { direction: 'fast', seconds: 90, timeZone: false }],
    ['ten minutes slow', -10 * MINUTE, { direction: 'slow', seconds: 600, timeZone: false }],
    ['ten minutes fast', 10 * MINUTE, { direction: 'fast', seconds: 600, timeZone: false }],
    ['one hour slow', -HOUR, { direction: 'slow', seconds: 3600, timeZone: true }],
    ['one hour fast', HOUR, { direction: 'fast', seconds: 3600, timeZone: true }],
    ['half an hour slow', -HOUR / 2, { direction: 'slow', seconds: 1800, timeZone: true }],
    ['five and a half hours fast', 5.5 * HOUR, { direction: 'fast', seconds: 19_800, timeZone: true }],
    ['nine and a half hours slow', -9.5 * HOUR, { direction: 'slow', seconds: 34_200, timeZone: true }],
    ['an hour and 50 seconds fast', HOUR + 50, { direction: 'fast', seconds: 3600, timeZone: true }],
    ['14 hours slow', -14 * HOUR, { direction: 'slow', seconds: 50_400, timeZone: true }],
    ['14 hours fast', 14 * HOUR, { direction: 'fast', seconds: 50_400, timeZone: true }],
  ])('of a phone %s is refused with that diagnosis', (_what, fastBy, clock) => {
    expect(firstCodeOf(fastBy)).toEqual({ proven: false, clock })
  })

  test.each([
    ['eleven minutes slow', -11 * MINUTE],
    ['eleven minutes fast', 11 * MINUTE],
    ['45 minutes fast', 45 * MINUTE],
    ['15 hours slow', -15 * HOUR],
    ['a day fast', 24 * HOUR],
  ])('of a phone %s is refused without a diagnosis', (_what, fastBy) => {
    expect(firstCodeOf(fastBy)).toEqual({ proven: false, clock: null })
  })

  test('from a minute and a half to nine and a half minutes off, the diagnosis is right within a step', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 90, max: 570 }),
        fc.constantFrom(-1, 1),
        fc.nat(86_399),
        (seconds, sign, start) => {
          const first = firstCodeOf(sign * seconds, new Clock(start * 1000 + Date.UTC(2026, 4, 3)))
          if (first.proven || !first.clock) throw new Error('no diagnosis')
          expect(first.clock).toMatchObject({ direction: sign < 0 ? 'slow' : 'fast', timeZone: false })
          expect(Math.abs(first.clock.seconds - seconds)).toBeLessThan(30)
        },
      ),
    )
  })

  test('at random is refused, and there is nothing to say about a clock', () => {
    const clock = new Clock()
    const phone = new Authenticator(base32(secret), clock.now)
    // Every code within a day to either side, so that chance has no say.
    const shown = new Set(Array.from({ length: 5761 }, (_, index) => phone.code(index - 2880)))
    const digits = fc.nat(999_999).map((number) => String(number).padStart(6, '0'))
    fc.assert(
      fc.property(
        digits.filter((code) => !shown.has(code)),
        (code) => {
          expect(checkFirstCode(secret, code, clock.now())).toEqual({ proven: false, clock: null })
        },
      ),
      { numRuns: 30 },
    )
  })
})

describe('enrolling', () => {
  const first = { secret, step: 41, clockSide: -1 } as const

  test('begins with a new secret and the moment', () => {
    const one = beginEnrolment(5)
    expect(one).toEqual({ secret: expect.any(Uint8Array), startedAt: 5 })
    expect(beginEnrolment(5).secret).not.toEqual(one.secret)
  })

  test('keeps the authenticator with its first step used, and what was counted before is over', () => {
    let before: AccountRecord = { ...EMPTY_RECORD, epoch: 6 }
    for (const guarded of ['totp', 'backup-code', 'password'] as const)
      before = withFailure(before, guarded, 0)
    const { record, outcome } = enrol(before, first, backupCodes, 1000)
    expect(outcome).toEqual({ enrolled: true, epoch: record.epoch })
    expect(record.epoch).toBeGreaterThan(6)
    expect(record).toEqual({
      epoch: record.epoch,
      totp: { secret: Buffer.from(secret).toString('base64'), clockSide: -1, lastStep: 41, since: 1000 },
      backupCodes,
      failures: EMPTY_RECORD.failures,
      lastUsedAt: 1000,
      disabledAt: null,
      devices: [],
    })
    expect(isEnrolled(record)).toBe(true)
  })

  test('begins an epoch by the clock in seconds, and never one that was', () => {
    const epochAfter = (epoch: number) =>
      enrol({ ...EMPTY_RECORD, epoch }, first, backupCodes, 1_777_000_000_999).record.epoch
    expect(epochAfter(0)).toBe(1_777_000_001)
    expect(epochAfter(1_777_000_000)).toBe(1_777_000_001)
    expect(epochAfter(1_777_000_005)).toBe(1_777_000_006)
  })

  test('an account that is enrolled changes nothing', () => {
    const { record } = enrol(EMPTY_RECORD, first, backupCodes, 1000)
    const again = enrol(record, { ...first, secret: new Uint8Array(20) }, { ...backupCodes, total: 9 }, 2000)
    expect(again.record).toBe(record)
    expect(again.outcome).toEqual({ enrolled: false })
  })

  test('turning it off takes authenticator and backup codes, raises the epoch by one and keeps the rest', () => {
    const { record } = enrol(EMPTY_RECORD, first, backupCodes, 1000)
    const off = disable(record, 2000)
    expect(off.outcome).toEqual({ epoch: record.epoch + 1 })
    expect(off.record).toEqual({
      ...record,
      epoch: record.epoch + 1,
      totp: null,
      backupCodes: null,
      disabledAt: 2000,
    })
    expect(isEnrolled(off.record)).toBe(false)
  })

  test('a reset takes all but the epoch, which it raises', () => {
    const { record } = enrol(EMPTY_RECORD, first, backupCodes, 1000)
    const failed = withFailure(withFailure(record, 'totp', 1500), 'password', 1500)
    const done = reset(failed, 2000)
    expect(done.outcome).toEqual({ wasEnabled: true })
    expect(done.record).toEqual({ ...EMPTY_RECORD, epoch: record.epoch + 1, disabledAt: 2000 })
    expect(reset(done.record, 3000).outcome).toEqual({ wasEnabled: false })
  })
})

describe('a recovery', () => {
  const first = { secret, step: 41, clockSide: 0 } as const
  const { record: enrolled } = enrol({ ...EMPTY_RECORD, epoch: 6 }, first, backupCodes, 1000)
  const asked = { since: 1000, usedAt: 1000 }

  test('takes off the factor that it was asked for, and the user must enrol', () => {
    const { record, outcome } = recover(withFailure(enrolled, 'totp', 1500), asked, 2000)
    expect(outcome).toBe('now')
    expect(record).toEqual({
      ...EMPTY_RECORD,
      epoch: enrolled.epoch + 1,
      disabledAt: 2000,
      mustEnrol: true,
    })
    expect(recover(record, asked, 3000)).toEqual({ record, outcome: 'before' })
    expect(enrol(record, first, backupCodes, 4000).record).not.toHaveProperty('mustEnrol')
  })

  test.each<[string, AccountRecord]>([
    ['a code was accepted since', { ...enrolled, lastUsedAt: 1500 }],
    ['a new phone came since', replace(enrolled, first, 1500).record],
    [
      'a new phone came since, of which no code was asked for',
      { ...replace(enrolled, first, 1500).record, lastUsedAt: 1000 },
    ],
    ['it was turned off since', disable(enrolled, 1500).record],
  ])('spares an account where %s', (_what, record) => {
    const after = recover(record, asked, 2000)
    expect(after.outcome).toBe('spared')
    expect(after.record).toBe(record)
  })
})

describe('a new phone', () => {
  const first = { secret, step: 41, clockSide: 0 } as const
  const next = { secret: new Uint8Array(20), step: 45, clockSide: 1 } as const

  test('takes the place of the old one in a new epoch, and only where there is one', () => {
    const { record } = enrol(EMPTY_RECORD, first, backupCodes, 1000)
    expect(replace(withFailure(record, 'totp', 1500), next, 2000)).toEqual({
      record: {
        ...record,
        epoch: record.epoch + 1,
        totp: { secret: Buffer.alloc(20).toString('base64'), clockSide: 1, lastStep: 45, since: 2000 },
        lastUsedAt: 2000,
      },
      outcome: { replaced: true, epoch: record.epoch + 1 },
    })
    expect(replace(EMPTY_RECORD, next, 2000)).toEqual({ record: EMPTY_RECORD, outcome: { replaced: false } })
  })
})
