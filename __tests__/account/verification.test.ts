import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { newBackupCodes } from '../../lib/account/backup-codes'
import { checkFirstCode, enrol } from '../../lib/account/enrolment'
import { type AccountRecord, EMPTY_RECORD, type TotpCredential } from '../../lib/account/record'
import { readTypedCode, type TypedCode } from '../../lib/account/typed-code'
import { hashFor, verify } from '../../lib/account/verification'
import { base32 } from '../../lib/authenticators/base32'
import { Authenticator } from '../support/authenticator'
import { Clock } from '../support/clock'

const secret = new TextEncoder().encode('12345678901234567890')
const noBackupCodes = { salt: '', hashes: [], total: 0, generatedAt: 0 }
const clock = new Clock()
const phone = new Authenticator(base32(secret), clock.now)
const here = Math.floor(clock.time / 30_000)
const totp = (code: string): TypedCode => ({ method: 'totp', code })

/** An account whose authenticator was enrolled long ago. */
function account(credential: Partial<TotpCredential> = {}): AccountRecord {
  const { record } = enrol(EMPTY_RECORD, { secret, step: 0, clockSide: 0 }, noBackupCodes, 0)
  return { ...record, totp: { ...(record.totp as TotpCredential), ...credential } }
}

/** Whether the code of `stepsLater` is accepted now. */
const accepts = (record: AccountRecord, stepsLater: number) =>
  verify(record, totp(phone.code(stepsLater)), clock.now(), null).outcome.accepted

describe('a code of the authenticator', () => {
  test.each([
    [0, [-1, 0, 1]],
    [-1, [-2, -1, 0, 1]],
    [1, [-1, 0, 1, 2]],
  ] as const)('with the clock on side %i is accepted at steps %j and at no other', (clockSide, steps) => {
    const record = account({ clockSide })
    const accepted = Array.from({ length: 81 }, (_, index) => index - 40).filter((step) =>
      accepts(record, step),
    )
    expect(accepted).toEqual(steps)
  })

  test('is accepted once; after it the one before is not, and the next is', () => {
    const { record, outcome } = verify(account(), totp(phone.code()), clock.now(), null)
    expect(outcome).toEqual({ accepted: true, method: 'totp', epoch: 1, backupCodesRemaining: 0 })
    expect(record.totp?.lastStep).toBe(here)
    expect(accepts(record, 0)).toBe(false)
    expect(accepts(record, -1)).toBe(false)
    expect(accepts(record, 1)).toBe(true)
  })

  test('of the next step uses up the present one too', () => {
    const { record } = verify(account(), totp(phone.code(1)), clock.now(), null)
    expect([-1, 0, 1].map((step) => accepts(record, step))).toEqual([false, false, false])
  })

  test('that was used gets the very answer of a wrong one, and counts like it', () => {
    const { record } = verify(account(), totp(phone.code()), clock.now(), null)
    const used = verify(record, totp(phone.code()), clock.now(), null)
    const wrong = verify(record, totp(phone.wrongCode()), clock.now(), null)
    expect(used).toEqual(wrong)
    expect(used.outcome).toEqual({ accepted: false, reason: 'invalid' })
    expect(used.record.failures.totp.count).toBe(1)
  })

  test('that was accepted is noted with its moment', () => {
    expect(verify(account(), totp(phone.code()), clock.now(), null).record.lastUsedAt).toBe(clock.time)
  })

  test('that is wrong changes nothing but the count of its method', () => {
    const before = account()
    const { record } = verify(before, totp(phone.wrongCode()), clock.now(), null)
    expect(record).toEqual({
      ...before,
      failures: { ...before.failures, totp: { count: 1, lockedUntil: 0 } },
    })
  })

  test('means nothing for an account without an authenticator', () => {
    expect(verify(EMPTY_RECORD, totp(phone.code()), clock.now(), null)).toEqual({
      record: EMPTY_RECORD,
      outcome: { accepted: false, reason: 'not-enrolled' },
    })
  })

  test('the rule leaves the record it was given alone', () => {
    const record = account()
    const before = structuredClone(record)
    verify(record, totp(phone.code()), clock.now(), null)
    verify(record, totp(phone.wrongCode()), clock.now(), null)
    expect(record).toEqual(before)
  })

  test('whatever is accepted is later than everything accepted before', () => {
    const tries = fc.array(fc.record({ seconds: fc.nat(90), step: fc.integer({ min: -3, max: 3 }) }), {
      minLength: 5,
      maxLength: 40,
    })
    fc.assert(
      fc.property(fc.constantFrom(-1, 0, 1), tries, (clockSide, tries) => {
        const clock = new Clock()
        const phone = new Authenticator(base32(secret), clock.now)
        let record = account({ clockSide })
        let last = 0
        for (const { seconds, step } of tries) {
          clock.forward(seconds)
          const verdict = verify(record, totp(phone.code(step)), clock.now(), null)
          // A lock is the business of lockout.test.ts.
          record = { ...verdict.record, failures: EMPTY_RECORD.failures }
          const tried = Math.floor(clock.time / 30_000) + step
          const inWindow = step >= -1 + Math.min(clockSide, 0) && step <= 1 + Math.max(clockSide, 0)
          expect(verdict.outcome.accepted).toBe(inWindow && tried > last)
          if (verdict.outcome.accepted) last = tried
        }
      }),
    )
  })
})

describe('a day with a phone whose clock is wrong', () => {
  /** Enrols at `start` and logs in after each pause: at once, or when the phone shows a code not used yet. */
  function live(fastBy: number, start: number, pauses: number[]): void {
    const clock = new Clock(start)
    const phone = new Authenticator(base32(secret), clock.now, fastBy)
    const shownStep = () => Math.floor((clock.time / 1000 + fastBy) / 30)
    const first = checkFirstCode(secret, phone.code(), clock.now())
    if (!first.proven) throw new Error(`refused at enrolment: ${JSON.stringify(first)}`)
    let used = shownStep()
    let { record } = enrol(EMPTY_RECORD, { ...first, secret }, noBackupCodes, clock.now())
    for (const pause of pauses) {
      clock.forward(pause)
      if (shownStep() <= used) clock.time = Math.ceil(((used + 1) * 30 - fastBy) * 1000 + 1)
      used = shownStep()
      const verdict = verify(record, totp(phone.code()), clock.now(), null)
      expect(verdict.outcome.accepted).toBe(true)
      record = verdict.record
    }
  }

  const midnight = Date.UTC(2026, 4, 3)
  const second = fc.integer({ min: 0, max: 86_399 })
  const pauses = fc.array(fc.oneof(fc.nat(90), fc.nat(7200)), { minLength: 1, maxLength: 20 })

  test.each([-59, 59])('%i seconds: enrolled at any second, every login works', (fastBy) => {
    fc.assert(
      fc.property(second, pauses, (start, pauses) => live(fastBy, midnight + start * 1000, pauses)),
      { numRuns: 150 },
    )
  })

  test('any difference under a minute, to the millisecond: every login works', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -59_999, max: 59_999 }),
        fc.integer({ min: 0, max: 86_399_999 }),
        pauses,
        (fastBy, start, pauses) => live(fastBy / 1000, midnight + start, pauses),
      ),
      { numRuns: 150 },
    )
  })

  test('every difference from -59 to 59 seconds, enrolled at either end of a step: a day later both ends work', () => {
    for (let fastBy = -59; fastBy <= 59; fastBy++) {
      for (const start of [0, 1, 28, 29]) {
        live(fastBy, midnight + start * 1000, [86_400 - start, 29, 30, 31])
      }
    }
  })
})

describe('a backup code', () => {
  let record: AccountRecord
  let codes: TypedCode[]
  beforeAll(async () => {
    const made = await newBackupCodes(2, clock.now())
    codes = made.codes.map((code) => readTypedCode(code) as TypedCode)
    record = { ...account(), backupCodes: made.set }
  })

  const enter = async (record: AccountRecord, typed: TypedCode) =>
    verify(record, typed, clock.now(), await hashFor(record, typed, clock.now()))

  test('is accepted once and leaves the others', async () => {
    const [first, second] = codes as [TypedCode, TypedCode]
    const once = await enter(record, first)
    expect(once.outcome).toEqual({
      accepted: true,
      method: 'backup-code',
      epoch: 1,
      backupCodesRemaining: 1,
    })
    expect(once.record.lastUsedAt).toBe(clock.time)
    const twice = await enter(once.record, first)
    expect(twice.outcome).toEqual({ accepted: false, reason: 'invalid' })
    expect(twice.record.failures['backup-code'].count).toBe(1)
    expect(twice.record.failures.totp.count).toBe(0)
    expect((await enter(twice.record, second)).outcome).toMatchObject({ backupCodesRemaining: 0 })
  })

  test('hashed for another set opens nothing', async () => {
    const [code] = codes as [TypedCode]
    const hashed = await hashFor(record, code, clock.now())
    const regenerated = { ...record, backupCodes: { ...record.backupCodes, salt: 'other' } } as AccountRecord
    expect(verify(regenerated, code, clock.now(), hashed).outcome.accepted).toBe(false)
    expect(verify(record, code, clock.now(), null).outcome.accepted).toBe(false)
  })

  test('costs nothing to refuse where there is no set, and while it is locked', async () => {
    const [code] = codes as [TypedCode]
    const locked: AccountRecord = {
      ...record,
      failures: { ...record.failures, 'backup-code': { count: 5, lockedUntil: clock.time + 1 } },
    }
    expect(await hashFor(EMPTY_RECORD, code, clock.now())).toBeNull()
    expect(await hashFor(locked, code, clock.now())).toBeNull()
    expect(await hashFor(record, totp('123456'), clock.now())).toBeNull()
    expect(await hashFor(locked, code, clock.now() + 1)).not.toBeNull()
  })

  test('of ten random characters is as good as none', async () => {
    const typed: TypedCode = { method: 'backup-code', code: randomBytes(5).toString('hex').toUpperCase() }
    expect((await enter(record, typed)).outcome.accepted).toBe(false)
  })
})
