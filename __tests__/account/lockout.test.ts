import fc from 'fast-check'
import { enrol } from '../../lib/account/enrolment'
import { lockOf, withFailure, withoutFailures } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD } from '../../lib/account/record'
import type { TypedCode } from '../../lib/account/typed-code'
import { verify } from '../../lib/account/verification'
import { base32 } from '../../lib/authenticators/base32'
import { Authenticator } from '../support/authenticator'
import { Clock } from '../support/clock'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const secret = new TextEncoder().encode('12345678901234567890')
const noBackupCodes = { salt: '', hashes: [], total: 0, generatedAt: 0 }

/** An account, its owner's phone, and somebody at the keyboard. */
function begin() {
  const clock = new Clock()
  const phone = new Authenticator(base32(secret), clock.now)
  const { record } = enrol(EMPTY_RECORD, { secret, step: 0, clockSide: 0 }, noBackupCodes, 0)
  const user = {
    clock,
    phone,
    record,
    enter(code: string) {
      const typed: TypedCode = { method: 'totp', code }
      const verdict = verify(user.record, typed, clock.now(), null)
      user.record = verdict.record
      return verdict.outcome
    },
    /** So many wrong codes, each as soon as the lock before it is over. */
    fail(times: number) {
      for (let time = 0; time < times; time++) {
        clock.time = Math.max(clock.time, user.record.failures.totp.lockedUntil)
        expect(user.enter(phone.wrongCode())).toMatchObject({ accepted: false, reason: 'invalid' })
      }
    },
  }
  return user
}

test('four failures lock nothing, and then the right code is accepted', () => {
  const user = begin()
  user.fail(4)
  expect(lockOf(user.record, 'totp', user.clock.now())).toBeNull()
  expect(user.enter(user.phone.code()).accepted).toBe(true)
})

test('each failure from the fifth on locks: 30 s, then twice as long each time, to an hour', () => {
  const user = begin()
  user.fail(4)
  const locks = Array.from({ length: 10 }, () => {
    user.fail(1)
    return ((lockOf(user.record, 'totp', user.clock.now())?.until as number) - user.clock.now()) / SECOND
  })
  expect(locks).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600])
})

test('a lock is over at its last millisecond, not before, and the count is what it was', () => {
  const user = begin()
  user.fail(5)
  const until = user.record.failures.totp.lockedUntil
  expect(lockOf(user.record, 'totp', until - 1)).toEqual({ until })
  expect(lockOf(user.record, 'totp', until)).toBeNull()
  expect(user.record.failures.totp.count).toBe(5)
  user.clock.time = until + 365 * 24 * HOUR
  user.fail(1)
  expect(user.record.failures.totp).toEqual({ count: 6, lockedUntil: user.clock.now() + MINUTE })
})

test('while it is locked, a right, a wrong and a used code get one answer and change nothing', () => {
  const user = begin()
  user.enter(user.phone.code())
  user.fail(5)
  user.clock.forward(29)
  const locked = user.record
  const answers = [user.phone.code(), user.phone.wrongCode(), user.phone.code(-1)].map((code) =>
    user.enter(code),
  )
  expect(answers[0]).toEqual({
    accepted: false,
    reason: 'locked',
    lock: { until: locked.failures.totp.lockedUntil },
  })
  expect(answers[1]).toEqual(answers[0])
  expect(answers[2]).toEqual(answers[0])
  expect(user.record).toBe(locked)
})

test('the right code after the lock clears the count: four more failures lock nothing', () => {
  const user = begin()
  user.fail(7)
  user.clock.time = user.record.failures.totp.lockedUntil
  expect(user.enter(user.phone.code()).accepted).toBe(true)
  expect(user.record.failures.totp).toEqual({ count: 0, lockedUntil: 0 })
  user.fail(4)
  expect(lockOf(user.record, 'totp', user.clock.now())).toBeNull()
})

test('the 99th failure still only locks; the 100th suspends until the method is replaced', () => {
  const user = begin()
  user.fail(99)
  const until = user.record.failures.totp.lockedUntil
  expect(lockOf(user.record, 'totp', until - 1)).toEqual({ until })
  user.fail(1)
  user.clock.forward(365 * 24 * 3600)
  expect(lockOf(user.record, 'totp', user.clock.now())).toEqual({ until: null })
  const suspended = user.record
  expect(user.enter(user.phone.code())).toEqual({ accepted: false, reason: 'locked', lock: { until: null } })
  expect(user.record).toBe(suspended)
  expect(lockOf(withoutFailures(suspended, 'totp'), 'totp', user.clock.now())).toBeNull()
})

describe('each kind is counted for itself', () => {
  const kinds = ['totp', 'backup-code', 'password'] as const
  const failed = (kind: (typeof kinds)[number], record: AccountRecord) => {
    for (let time = 0; time < 5; time++) record = withFailure(record, kind, 0)
    return record
  }

  test.each(kinds)('%s: its lock locks no other, and its success clears no other', (kind) => {
    const others = kinds.filter((other) => other !== kind)
    const one = failed(kind, EMPTY_RECORD)
    expect(lockOf(one, kind, 0)).toEqual({ until: 30 * SECOND })
    for (const other of others) expect(lockOf(one, other, 0)).toBeNull()
    const all = kinds.reduce((record, each) => failed(each, record), EMPTY_RECORD)
    const cleared = withoutFailures(all, kind)
    expect(lockOf(cleared, kind, 0)).toBeNull()
    for (const other of others) expect(cleared.failures[other]).toEqual(all.failures[other])
  })

  test('the right code of the app leaves the failures of backup codes and password', () => {
    const user = begin()
    user.record = failed('password', failed('backup-code', user.record))
    const before = user.record.failures
    user.fail(3)
    expect(user.enter(user.phone.code()).accepted).toBe(true)
    expect(user.record.failures).toEqual(before)
  })
})

test('nothing to clear is no change', () => {
  expect(withoutFailures(EMPTY_RECORD, 'totp')).toBe(EMPTY_RECORD)
})

test('who guesses every ten seconds gets 34 guesses in the first day, 100 in four days, and none after it', () => {
  const user = begin()
  const start = user.clock.now()
  const wrong = user.phone.wrongCode()
  const guesses: number[] = []
  for (let time = 0; time < 10 * 24 * HOUR; time += 10 * SECOND) {
    user.clock.time = start + time
    const verdict = user.enter(wrong)
    if (!verdict.accepted && verdict.reason === 'invalid') guesses.push(time)
  }
  expect(guesses.filter((time) => time < 24 * HOUR)).toHaveLength(34)
  expect(guesses).toHaveLength(100)
  expect(guesses.at(-1)).toBeLessThan(4 * 24 * HOUR)
})

test('whatever the order of right codes, wrong codes and waits, the budget holds and the count falls by success only', () => {
  const events = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant('wrong' as const) },
      { weight: 1, arbitrary: fc.constant('right' as const) },
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 5000 }) },
    ),
    { minLength: 20, maxLength: 120 },
  )
  fc.assert(
    fc.property(events, (events) => {
      const user = begin()
      let inRow = 0
      let mayTryAt = 0
      for (const event of events) {
        if (typeof event === 'number') {
          user.clock.forward(event)
          continue
        }
        const { totp } = user.record.failures
        expect(totp.count).toBe(inRow)
        // The code after the one used last, so that a right code is right.
        if (event === 'right') user.clock.nextStep()
        const free = user.clock.now() >= mayTryAt && inRow < 100
        const verdict = user.enter(event === 'right' ? user.phone.code() : user.phone.wrongCode())
        if (!free) {
          expect(verdict).toMatchObject({ reason: 'locked' })
        } else if (event === 'right') {
          expect(verdict.accepted).toBe(true)
          inRow = 0
        } else {
          expect(verdict).toMatchObject({ accepted: false, reason: 'invalid' })
          inRow++
          if (inRow >= 5) {
            mayTryAt = user.clock.now() + Math.min(30 * SECOND * 2 ** (inRow - 5), HOUR)
          }
        }
      }
    }),
    { numRuns: 50 },
  )
})
