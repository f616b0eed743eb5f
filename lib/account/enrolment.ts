import { findStep, newSecret, STEP_SECONDS, stepAt } from '../authenticators/totp'
import { withoutFailures } from './lockout'
import {
  type AccountRecord,
  type BackupCodeSet,
  EMPTY_RECORD,
  inNewEpoch,
  NO_FAILURES,
  type Ruling,
  type TotpCredential,
} from './record'

/** How long an enrolment that was begun can be confirmed, milliseconds. */
export const ENROLMENT_LIFE = 15 * 60_000

/** An enrolment that was begun: held by the session, not by the account, until a code proves it. */
export interface StagedEnrolment {
  secret: Uint8Array
  /** Milliseconds since 1970; also its name. */
  startedAt: number
}

/** How the phone's clock differs from ours, as far as a refused code tells. */
export interface ClockDiagnosis {
  direction: 'slow' | 'fast'
  /** Seconds, in whole steps of 30. */
  seconds: number
  /** Off by whole half hours: it is the time zone that is wrong. */
  timeZone: boolean
}

/** What the first code of a new authenticator shows. */
export type FirstCode =
  | { proven: true; step: number; clockSide: -1 | 0 | 1 }
  | { proven: false; clock: ClockDiagnosis | null }

const TEN_MINUTES = 20
const HALF_HOUR = 60
/** The widest time zones are 14 hours from UTC. */
const ZONES = 28
/** How far the clock of a phone may differ besides its time zone, in steps. */
const NEAR = 2

export function beginEnrolment(now: number): StagedEnrolment {
  return { secret: newSecret(), startedAt: now }
}

/**
 * Checks the first code of a new authenticator, two steps to either side: a phone less than a minute off is
 * accepted. The step found tells on which side its clock is; a login accepts one step more there, and since a
 * code of the neighbouring step may come from a phone up to a minute off, that counts as a side too.
 *
 * Failures here are not counted: whoever types sees the secret.
 */
export function checkFirstCode(secret: Uint8Array, digits: string, now: number): FirstCode {
  const here = stepAt(now)
  const step = findStep(secret, digits, around(here, NEAR))
  if (step === null) return { proven: false, clock: diagnose(secret, digits, here) }
  return { proven: true, step, clockSide: Math.sign(step - here) as -1 | 0 | 1 }
}

/** Two-factor authentication goes on. The code that proved it is used; whatever was counted before is over. */
export function enrol(
  record: AccountRecord,
  first: { secret: Uint8Array; step: number; clockSide: -1 | 0 | 1 },
  backupCodes: BackupCodeSet,
  now: number,
): Ruling<{ enrolled: true; epoch: number } | { enrolled: false }> {
  if (record.totp) return { record, outcome: { enrolled: false } }
  // By the clock, so that an id which was forgotten and given away never comes to an epoch that it had.
  const epoch = Math.max(record.epoch, Math.floor(now / 1000)) + 1
  return {
    record: {
      epoch,
      totp: credential(first, now),
      backupCodes,
      failures: { totp: NO_FAILURES, 'backup-code': NO_FAILURES, password: NO_FAILURES },
      lastUsedAt: now,
      disabledAt: null,
      devices: [],
    },
    outcome: { enrolled: true, epoch },
  }
}

/**
 * A new phone in the place of the old one, whose secret works until this very write. Backup codes stay; what was
 * counted against the old one is over, since another proof of the second factor came before.
 */
export function replace(
  record: AccountRecord,
  first: { secret: Uint8Array; step: number; clockSide: -1 | 0 | 1 },
  now: number,
): Ruling<{ replaced: true; epoch: number } | { replaced: false }> {
  if (!record.totp) return { record, outcome: { replaced: false } }
  const next = withoutFailures(inNewEpoch(record), 'totp')
  return {
    record: { ...next, totp: credential(first, now), lastUsedAt: now },
    outcome: { replaced: true, epoch: next.epoch },
  }
}

/** Two-factor authentication goes off. The row and its epoch stay, so that no older session counts again. */
export function disable(record: AccountRecord, now: number): Ruling<{ epoch: number }> {
  const next = inNewEpoch(record)
  return {
    record: { ...next, totp: null, backupCodes: null, disabledAt: now },
    outcome: { epoch: next.epoch },
  }
}

/**
 * As if it had never been on, but for the epoch, which ends every session, and for `disabledAt`, by which the reset is on
 * record, also where nothing was on; for those who lost everything.
 */
export function reset(record: AccountRecord, now: number): Ruling<{ wasEnabled: boolean }> {
  return {
    record: { ...EMPTY_RECORD, epoch: record.epoch + 1, disabledAt: now },
    outcome: { wasEnabled: record.totp !== null },
  }
}

/** Whether a recovery took the factor off: in this very write, in one before it, or not at all. */
export type Recovered = 'now' | 'before' | 'spared'

/**
 * What was approved comes true: every factor, code, lock, trusted device and session is gone, and the user must enrol
 * before anything else. Only the factor that the approval was about, and only if no code was accepted since the
 * request: otherwise its owner has it after all, and it is spared.
 *
 * @param since when that factor was enrolled, milliseconds since 1970
 * @param usedAt when a code of it had last been accepted as the recovery was asked for, milliseconds since 1970
 */
export function recover(
  record: AccountRecord,
  { since, usedAt }: { since: number; usedAt: number | null },
  now: number,
): Ruling<Recovered> {
  if (record.mustEnrol) return { record, outcome: 'before' }
  if (record.totp?.since !== since || record.lastUsedAt !== usedAt) return { record, outcome: 'spared' }
  const { record: empty } = reset(record, now)
  return { record: { ...empty, mustEnrol: true }, outcome: 'now' }
}

function credential(
  { secret, step, clockSide }: { secret: Uint8Array; step: number; clockSide: -1 | 0 | 1 },
  now: number,
): TotpCredential {
  return { secret: Buffer.from(secret).toString('base64'), clockSide, lastStep: step, since: now }
}

/** Looks for the code ten minutes around, then around every whole half hour up to 14 hours. */
function diagnose(secret: Uint8Array, digits: string, here: number): ClockDiagnosis | null {
  const near = findStep(secret, digits, around(here, TEN_MINUTES))
  if (near !== null) return diagnosis(near - here, false)
  for (let zone = 1; zone <= ZONES; zone++) {
    for (const offset of [-zone * HALF_HOUR, zone * HALF_HOUR]) {
      if (findStep(secret, digits, around(here + offset, NEAR)) !== null) return diagnosis(offset, true)
    }
  }
  return null
}

function diagnosis(steps: number, timeZone: boolean): ClockDiagnosis {
  return { direction: steps < 0 ? 'slow' : 'fast', seconds: Math.abs(steps) * STEP_SECONDS, timeZone }
}

/** A step and its neighbours, the nearest first. */
function* around(step: number, reach: number): Generator<number> {
  yield step
  for (let distance = 1; distance <= reach; distance++) {
    yield step - distance
    yield step + distance
  }
}
