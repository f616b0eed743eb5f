import { findStep, stepAt } from '../authenticators/totp'
import { hashBackupCode, withoutCode } from './backup-codes'
import { type Lock, lockOf, withFailure, withoutFailures } from './lockout'
import type { AccountRecord, Method, Ruling, TotpCredential } from './record'
import type { TypedCode } from './typed-code'

/** The answer to a code. Wrong, used and expired codes are one and the same. */
export type Verdict =
  | { accepted: true; method: Method; epoch: number; backupCodesRemaining: number }
  /** `lock`: the lock that this failure has brought about, if any. */
  | { accepted: false; reason: 'invalid'; lock?: Lock }
  | { accepted: false; reason: 'locked'; lock: Lock }
  | { accepted: false; reason: 'not-enrolled' }

const INVALID = { accepted: false, reason: 'invalid' } as const

/** The scrypt hash of a typed backup code, for one set of codes. */
export interface HashedCode {
  salt: string
  hash: Buffer
}

/**
 * The slow part of checking a backup code, done outside the rule. Null when there is nothing to hash for: no
 * backup code, no set, or a lock (which must cost a guesser's request nothing).
 */
export async function hashFor(
  record: AccountRecord,
  typed: TypedCode,
  now: number,
): Promise<HashedCode | null> {
  if (typed.method !== 'backup-code' || !record.backupCodes || lockOf(record, typed.method, now)) return null
  const { salt } = record.backupCodes
  return { salt, hash: await hashBackupCode(typed.code, salt) }
}

/**
 * The rule of a login, a step-up and a disabling: lock, then code, then count. An accepted step raises the
 * replay floor and an accepted backup code leaves its set, in the same write that the answer waits for.
 *
 * @param hashed from `hashFor` of this very record
 */
export function verify(
  record: AccountRecord,
  typed: TypedCode,
  now: number,
  hashed: HashedCode | null,
): Ruling<Verdict> {
  if (!record.totp) return { record, outcome: { accepted: false, reason: 'not-enrolled' } }
  const lock = lockOf(record, typed.method, now)
  if (lock) return { record, outcome: { accepted: false, reason: 'locked', lock } }
  const spent =
    typed.method === 'totp'
      ? spendStep(record, record.totp, typed.code, now)
      : spendBackupCode(record, hashed)
  if (!spent) {
    if (typed.method === 'totp' && !isCurrent(record.totp, now)) return { record, outcome: INVALID }
    const failed = withFailure(record, typed.method, now)
    const caused = lockOf(failed, typed.method, now)
    return {
      record: failed,
      outcome: { accepted: false, reason: 'invalid', ...(caused && { lock: caused }) },
    }
  }
  const next = { ...withoutFailures(spent, typed.method), lastUsedAt: now }
  return {
    record: next,
    outcome: {
      accepted: true,
      method: typed.method,
      epoch: next.epoch,
      backupCodesRemaining: next.backupCodes?.hashes.length ?? 0,
    },
  }
}

function spendStep(
  record: AccountRecord,
  totp: TotpCredential,
  digits: string,
  now: number,
): AccountRecord | null {
  const step = findStep(Buffer.from(totp.secret, 'base64'), digits, acceptedSteps(totp, now))
  return step === null ? null : { ...record, totp: { ...totp, lastStep: step } }
}

function spendBackupCode(record: AccountRecord, hashed: HashedCode | null): AccountRecord | null {
  if (!record.backupCodes || hashed?.salt !== record.backupCodes.salt) return null
  const left = withoutCode(record.backupCodes, hashed.hash)
  return left && { ...record, backupCodes: left }
}

/**
 * Whether the replay floor is where our clock can have put it. Above that the clock was set back: no code can be
 * right before that time comes again, so none is a guess, and its owner is not locked out for trying.
 */
function isCurrent(totp: TotpCredential, now: number): boolean {
  return totp.lastStep <= lastStepAt(totp, now)
}

/** The latest step that is accepted. */
function lastStepAt({ clockSide }: TotpCredential, now: number): number {
  return stepAt(now) + 1 + Math.max(clockSide, 0)
}

/** One step to either side (RFC 6238 section 5.2), one more on the phone's side, and only above the floor. */
function* acceptedSteps(totp: TotpCredential, now: number): Generator<number> {
  const { clockSide, lastStep } = totp
  const first = stepAt(now) - 1 + Math.min(clockSide, 0)
  const last = lastStepAt(totp, now)
  for (let step = Math.max(first, lastStep + 1); step <= last; step++) yield step
}
