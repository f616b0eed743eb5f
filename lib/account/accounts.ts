import { newBackupCodes } from './backup-codes'
import { type ClockDiagnosis, checkFirstCode, disable, enrol, reset, type StagedEnrolment } from './enrolment'
import { type Lock, lockOf, withFailure, withoutFailures } from './lockout'
import { type AccountRecord, isEnrolled, type Method, type Ruling, revokeSessions } from './record'
import type { AccountRecords } from './records'
import type { TypedCode } from './typed-code'
import { type HashedCode, hashFor, type Verdict, verify } from './verification'

/** What the host and the pages may know of an account. Times are milliseconds since 1970. */
export interface AccountStatus {
  /** Two-factor authentication is on. */
  enabled: boolean
  /** Raised whenever the factors change or sessions are revoked. */
  epoch: number
  /** The methods that a login may use: an authenticator, and backup codes while any are left. */
  methods: Method[]
  /** When it was enabled; null: it is not. */
  since: number | null
  /** When it was turned off; null while it is on, and where it never was. */
  disabledAt: number | null
  backupCodes: { remaining: number; total: number; generatedAt: number | null }
  /** When a second factor was last accepted; null: never. */
  lastUsedAt: number | null
  /** Per method: null while it may be tried; `until` null: suspended, waiting does not help. */
  locks: Record<Method, Lock | null>
}

/** The epoch of the asking session is over: nothing was evaluated and nothing changed. */
export type Revoked = { reason: 'revoked' }
export type Answer = Verdict | ({ accepted: false } & Revoked)
export type Refusal = Exclude<Answer, { accepted: true }>

export type Confirmation =
  | { enabled: true; epoch: number; backupCodes: string[]; madeAt: number }
  | { enabled: false; reason: 'invalid'; clock: ClockDiagnosis | null }
  | ({ enabled: false } & Revoked)

export type Disabling = { disabled: true; epoch: number } | { disabled: false; refusal: Refusal }

export type NewCodes =
  | { made: true; backupCodes: string[]; madeAt: number }
  | { made: false; reason: 'not-enrolled' | 'other-set' }
  | ({ made: false } & Revoked)

/**
 * Everything that can happen to an account, each as one recorded write. Every method throws UnavailableError
 * where the store or the keys do not answer. `epoch` is the asking session's: within the very write that it
 * asks for, a session that was revoked meanwhile gets nothing.
 */
export class Accounts {
  readonly #records: AccountRecords
  readonly #now: () => number
  readonly #backupCodeCount: number

  constructor(records: AccountRecords, now: () => number, backupCodeCount: number) {
    this.#records = records
    this.#now = now
    this.#backupCodeCount = backupCodeCount
  }

  async status(accountId: string): Promise<AccountStatus> {
    return statusOf(await this.#records.read(accountId), this.#now())
  }

  /** Checks a code and spends it. */
  verify(accountId: string, epoch: number, typed: TypedCode): Promise<Answer> {
    return this.#records.transact<Answer, HashedCode | null>(
      accountId,
      inEpoch<Answer, HashedCode | null>(
        epoch,
        { accepted: false, reason: 'revoked' },
        (record, now, hashed) => verify(record, typed, now, hashed),
      ),
      async (record, now) => (record.epoch === epoch ? hashFor(record, typed, now) : null),
    )
  }

  /** Turns two-factor authentication on with the first code of the new authenticator. */
  async confirmEnrolment(
    accountId: string,
    epoch: number,
    staged: StagedEnrolment,
    digits: string,
  ): Promise<Confirmation> {
    const now = this.#now()
    const first = checkFirstCode(staged.secret, digits, now)
    if (!first.proven) return { enabled: false, reason: 'invalid', clock: first.clock }
    const { codes, set } = await newBackupCodes(this.#backupCodeCount, now)
    return this.#records.transact<Confirmation>(
      accountId,
      inEpoch<Confirmation>(epoch, { enabled: false, reason: 'revoked' }, (record) => {
        const { record: next, outcome } = enrol(record, { ...first, secret: staged.secret }, set, now)
        return outcome.enrolled
          ? {
              record: next,
              outcome: { enabled: true, epoch: outcome.epoch, backupCodes: codes, madeAt: now },
            }
          : { record, outcome: { enabled: false, reason: 'revoked' } }
      }),
    )
  }

  /** Turns two-factor authentication off with a code: proving it and turning it off are one write. */
  disable(accountId: string, epoch: number, typed: TypedCode): Promise<Disabling> {
    return this.#records.transact<Disabling, HashedCode | null>(
      accountId,
      inEpoch<Disabling, HashedCode | null>(
        epoch,
        { disabled: false, refusal: { accepted: false, reason: 'revoked' } },
        (record, now, hashed) => {
          const proof = verify(record, typed, now, hashed)
          if (!proof.outcome.accepted) {
            return { record: proof.record, outcome: { disabled: false, refusal: proof.outcome } }
          }
          const off = disable(proof.record, now)
          return { record: off.record, outcome: { disabled: true, epoch: off.outcome.epoch } }
        },
      ),
      async (record, now) => (record.epoch === epoch ? hashFor(record, typed, now) : null),
    )
  }

  /**
   * Replaces the backup codes. No session ends. The caller has seen to it that a second factor was proven.
   *
   * @param replacing `generatedAt` of the set that the user saw: another one by now means that this is a repeat
   */
  async newBackupCodes(accountId: string, epoch: number, replacing?: number): Promise<NewCodes> {
    const now = this.#now()
    const { codes, set } = await newBackupCodes(this.#backupCodeCount, now)
    return this.#records.transact<NewCodes>(
      accountId,
      inEpoch<NewCodes>(epoch, { made: false, reason: 'revoked' }, (record) => {
        if (!record.totp) return { record, outcome: { made: false, reason: 'not-enrolled' } }
        if (replacing !== undefined && record.backupCodes?.generatedAt !== replacing) {
          return { record, outcome: { made: false, reason: 'other-set' } }
        }
        const next = { ...withoutFailures(record, 'backup-code'), backupCodes: set }
        return { record: next, outcome: { made: true, backupCodes: codes, madeAt: now } }
      }),
    )
  }

  /**
   * Guards a password that is asked again inside a session. Every try is on record as a failure before `check` is
   * called and taken off after it was right, so that neither a burst nor a check that throws is a free guess.
   *
   * @returns whether it was right, or the lock under which it was not looked at
   */
  async checkPassword(accountId: string, check: () => Promise<boolean>): Promise<boolean | Lock> {
    const lock = await this.#records.transact<Lock | null>(accountId, (record, now) => {
      const present = lockOf(record, 'password', now)
      return { record: present ? record : withFailure(record, 'password', now), outcome: present }
    })
    if (lock) return lock
    const right = await check()
    if (right) {
      await this.#records.transact(accountId, (record) => ({
        record: withoutFailures(record, 'password'),
        outcome: null,
      }))
    }
    return right
  }

  /** Ends every session's proof and pending login; answers the new epoch. */
  async revokeSessions(accountId: string): Promise<number> {
    return (await this.#records.transact(accountId, revokeSessions)).epoch
  }

  /** Takes every factor, code and lock off, and ends all sessions; answers whether it was enabled. */
  async reset(accountId: string): Promise<boolean> {
    return (await this.#records.transact(accountId, reset)).wasEnabled
  }

  /** The account is closed: another user who is given its id inherits nothing. */
  forget(accountId: string): Promise<void> {
    return this.#records.forget(accountId)
  }
}

/** A rule that only a session of this very epoch may use. */
function inEpoch<Outcome, Prepared = undefined>(
  epoch: number,
  revoked: Outcome,
  rule: (record: AccountRecord, now: number, prepared: Prepared) => Ruling<Outcome>,
): (record: AccountRecord, now: number, prepared: Prepared) => Ruling<Outcome> {
  return (record, now, prepared) =>
    record.epoch === epoch ? rule(record, now, prepared) : { record, outcome: revoked }
}

export function statusOf(record: AccountRecord, now: number): AccountStatus {
  const remaining = record.backupCodes?.hashes.length ?? 0
  return {
    enabled: isEnrolled(record),
    epoch: record.epoch,
    methods: record.totp ? (remaining > 0 ? ['totp', 'backup-code'] : ['totp']) : [],
    since: record.totp?.since ?? null,
    disabledAt: record.disabledAt ?? null,
    backupCodes: {
      remaining,
      total: record.backupCodes?.total ?? 0,
      generatedAt: record.backupCodes?.generatedAt ?? null,
    },
    lastUsedAt: record.lastUsedAt,
    locks: { totp: lockOf(record, 'totp', now), 'backup-code': lockOf(record, 'backup-code', now) },
  }
}
