import { UnavailableError } from '../errors'
import type { TrustedDevice } from './devices'

/** The kinds of second factor. Also the `method` in answers, sessions and events. */
export type Method = 'totp' | 'backup-code'

/** What failures are counted for: each second factor, and the password where it is asked again. */
export type Guarded = Method | 'password'

/** The authenticator app of an account. */
export interface TotpCredential {
  /** The shared secret, base64. */
  secret: string
  /** The side on which the phone's clock was found at enrolment: one more step is accepted there. */
  clockSide: -1 | 0 | 1
  /** The last step whose code was accepted: only later ones are accepted from now on (RFC 6238 section 5.2). */
  lastStep: number
  /** When it was enrolled, milliseconds since 1970. */
  since: number
}

/** One set of backup codes. Used codes are taken out of `hashes`. */
export interface BackupCodeSet {
  /** The salt of the whole set, base64. */
  salt: string
  /** scrypt of each code not yet used, base64. */
  hashes: string[]
  /** How many codes the set had. */
  total: number
  /** When it was made, milliseconds since 1970. */
  generatedAt: number
}

/** Failures in a row, over all sessions, processes and pages. */
export interface Failures {
  count: number
  /** Nothing is evaluated before this moment, milliseconds since 1970; 0 when never locked. */
  lockedUntil: number
}

/**
 * Everything that is known of one account. The rules of this folder are pure functions from a record and an
 * input to the next record and an outcome; `AccountRecords.transact` is what makes the next record true.
 */
export interface AccountRecord {
  /** Raised whenever the factors change; a session proves itself for one epoch only. Falls only by `forget`. */
  epoch: number
  totp: TotpCredential | null
  backupCodes: BackupCodeSet | null
  failures: Record<Guarded, Failures>
  /** When a second factor was last accepted, milliseconds since 1970, or null. */
  lastUsedAt: number | null
  /** When it was turned off or reset, on or not, milliseconds since 1970; null while it is on, and before all that. */
  disabledAt: number | null
  /** Browsers at which the user is not asked again. */
  devices: TrustedDevice[]
  /** The factors were taken off by a recovery: nothing else goes on before there is a new one. Absent: no. */
  mustEnrol?: true
}

/** A rule's answer: the next record (the very same object when nothing changes) and what to tell. */
export interface Ruling<Outcome, R = AccountRecord> {
  record: R
  outcome: Outcome
}

export const NO_FAILURES: Failures = { count: 0, lockedUntil: 0 }

/** The record of an account that has none yet. */
export const EMPTY_RECORD: AccountRecord = {
  epoch: 0,
  totp: null,
  backupCodes: null,
  failures: { totp: NO_FAILURES, 'backup-code': NO_FAILURES, password: NO_FAILURES },
  lastUsedAt: null,
  disabledAt: null,
  devices: [],
}

/** Two-factor authentication is on: there is an authenticator. */
export function isEnrolled(record: AccountRecord): boolean {
  return record.totp !== null
}

/**
 * The record as a new epoch begins: all sessions lose their proof, and all devices their trust. Where a session brings it
 * about, whoever called lets that one into the new epoch.
 */
export function inNewEpoch(record: AccountRecord): AccountRecord {
  return { ...record, epoch: record.epoch + 1, devices: [] }
}

/** All sessions lose their proof, and half logins end: no session asks for it. */
export function revokeSessions(record: AccountRecord): Ruling<{ epoch: number }> {
  const next = inNewEpoch(record)
  return { record: next, outcome: { epoch: next.epoch } }
}

export function serialize(record: AccountRecord): string {
  return JSON.stringify({ v: 1, ...record })
}

/** @throws UnavailableError when the text is not a record of a form that this version knows */
export function parse(text: string): AccountRecord {
  try {
    const { v, ...record } = JSON.parse(text)
    if (v === 1 && Number.isSafeInteger(record.epoch) && typeof record.failures === 'object') {
      // What a record of an earlier version does not have yet.
      return { ...EMPTY_RECORD, ...record }
    }
  } catch {
    // not JSON: told below, without the text
  }
  throw new UnavailableError('An account record has a form that this version does not know')
}
