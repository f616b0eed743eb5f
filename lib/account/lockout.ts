import { type AccountRecord, type Failures, type Guarded, NO_FAILURES } from './record'
import { CLOCK_SKEW } from './sound-clock'

/** The failure in a row that locks first. */
export const LOCK_AT = 5
/** The first lock, milliseconds; each later failure doubles it. */
export const FIRST_LOCK = 30_000
export const LONGEST_LOCK = 3_600_000
/** The failure in a row that suspends the method until it is replaced (NIST SP 800-63B section 5.2.2: 100). */
export const SUSPEND_AT = 100

/** Why nothing is evaluated now. */
export interface Lock {
  /** Milliseconds since 1970; null: suspended, waiting does not help. */
  until: number | null
}

/** When a lock ends; null: waiting does not help. */
export function endOf({ until }: Lock): Date | null {
  return until === null ? null : new Date(until)
}

/** The lock on a method at `now`, or null when it may be tried. */
export function lockOf(record: AccountRecord, guarded: Guarded, now: number): Lock | null {
  const { count, lockedUntil } = record.failures[guarded]
  if (count >= SUSPEND_AT) return { until: null }
  // No lock is that long: it was made before the clock was set back, and would last until that time comes again.
  if (lockedUntil > now + LONGEST_LOCK + CLOCK_SKEW) return null
  return now < lockedUntil ? { until: lockedUntil } : null
}

/** One more failure. The count never falls by waiting, so every guess after the first lock locks longer. */
export function withFailure(record: AccountRecord, guarded: Guarded, now: number): AccountRecord {
  const count = record.failures[guarded].count + 1
  return withFailures(record, guarded, { count, lockedUntil: count < LOCK_AT ? 0 : now + lockFor(count) })
}

/** The method succeeded, or was replaced after another factor was proven. */
export function withoutFailures(record: AccountRecord, guarded: Guarded): AccountRecord {
  return record.failures[guarded].count === 0 ? record : withFailures(record, guarded, NO_FAILURES)
}

function withFailures(record: AccountRecord, guarded: Guarded, failures: Failures): AccountRecord {
  return { ...record, failures: { ...record.failures, [guarded]: failures } }
}

function lockFor(count: number): number {
  return Math.min(FIRST_LOCK * 2 ** (count - LOCK_AT), LONGEST_LOCK)
}
