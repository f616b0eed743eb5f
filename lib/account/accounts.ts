import { newBackupCodes } from './backup-codes'
import { liveDevices, revokeDevices, type TrustedDevice, useDevice, withDevice } from './devices'
import {
  type ClockDiagnosis,
  checkFirstCode,
  disable,
  enrol,
  type Recovered,
  recover,
  replace,
  reset,
  type StagedEnrolment,
} from './enrolment'
import { asOneStep } from './late'
import { type Lock, lockOf, withFailure, withoutFailures } from './lockout'
import { type AccountRecord, isEnrolled, type Method, type Ruling, revokeSessions } from './record'
import type { AccountRecords } from './records'
import { soundClock } from './sound-clock'
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
  /** When it was turned off or reset, on or not; null while it is on, and before all that. */
  disabledAt: number | null
  backupCodes: { remaining: number; total: number; generatedAt: number | null }
  /** When a second factor was last accepted; null: never. */
  lastUsedAt: number | null
  /** Per method: null while it may be tried; `until` null: suspended, waiting does not help. */
  locks: Record<Method, Lock | null>
  /** Browsers at which the user is not asked again. */
  devices: Omit<TrustedDevice, 'hash'>[]
  /** The factors were taken off by a recovery, and the user has not enrolled since. */
  mustEnrol: boolean
}

/** The epoch of the asking session is over: nothing was evaluated and nothing changed. */
export type Revoked = { reason: 'revoked' }
export type Answer = Verdict | ({ accepted: false } & Revoked)
export type Refusal = Exclude<Answer, { accepted: true }>

export type Confirmation =
  | { enabled: true; epoch: number; backupCodes: string[]; madeAt: number }
  | { enabled: false; reason: 'invalid'; clock: ClockDiagnosis | null }
  | ({ enabled: false } & Revoked)

export type Replacement =
  | { replaced: true; epoch: number }
  | { replaced: false; reason: 'invalid'; clock: ClockDiagnosis | null }
  | { replaced: false; reason: 'not-enrolled' }
  | ({ replaced: false } & Revoked)

export type Disabling = { disabled: true; epoch: number } | { disabled: false; refusal: Refusal }

export type PasswordVerdict =
  | { verdict: 'right' }
  | { verdict: 'wrong'; lock: Lock | null }
  | { verdict: 'locked'; lock: Lock }

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
  readonly #trustAge: number

  /** @param trustAge how long a device is trusted, milliseconds; 0: none is */
  constructor(records: AccountRecords, now: () => number, backupCodeCount: number, trustAge = 0) {
    this.#records = records
    this.#now = soundClock(now)
    this.#backupCodeCount = backupCodeCount
    this.#trustAge = trustAge
  }

  async status(accountId: string): Promise<AccountStatus> {
    return statusOf(await this.#records.read(accountId), this.#now(), this.#trustAge)
  }

  /** Of several accounts, read together. Null: that record cannot be read. */
  async statuses(accountIds: readonly string[]): Promise<Map<string, AccountStatus | null>> {
    const records = await this.#records.readMany(accountIds)
    const now = this.#now()
    return new Map([...records].map(([id, record]) => [id, record && statusOf(record, now, this.#trustAge)]))
  }

  /** How many have a second factor; null: the store has no `list`. */
  countActivated(): Promise<number | null> {
    return this.#records.countActivated()
  }

  /**
   * Checks a code and spends it.
   *
   * @param device to be trusted from now on, if the code is accepted
   */
  verify(accountId: string, epoch: number, typed: TypedCode, device?: TrustedDevice): Promise<Answer> {
    return this.#records.transact<Answer, HashedCode | null>(
      accountId,
      inEpoch<Answer, HashedCode | null>(
        epoch,
        { accepted: false, reason: 'revoked' },
        (record, now, hashed) => {
          const { record: next, outcome } = verify(record, typed, now, hashed)
          return { record: outcome.accepted && device ? withDevice(next, device) : next, outcome }
        },
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
    const refused: Confirmation = { enabled: false, reason: 'revoked' }
    return this.#records.transact<Confirmation, NewSet | null>(
      accountId,
      inEpoch<Confirmation, NewSet | null>(epoch, refused, (record, _now, made) => {
        if (!made) return { record, outcome: refused }
        const { record: next, outcome } = enrol(record, { ...first, secret: staged.secret }, made.set, now)
        return outcome.enrolled
          ? {
              record: next,
              outcome: { enabled: true, epoch: outcome.epoch, backupCodes: made.codes, madeAt: now },
            }
          : { record, outcome: refused }
      }),
      this.#makeCodes(now, (record) => record.epoch === epoch && !record.totp),
    )
  }

  /** Puts a new authenticator in the place of the old one, with its first code. */
  async confirmReplacement(
    accountId: string,
    epoch: number,
    staged: StagedEnrolment,
    digits: string,
  ): Promise<Replacement> {
    const now = this.#now()
    const first = checkFirstCode(staged.secret, digits, now)
    if (!first.proven) return { replaced: false, reason: 'invalid', clock: first.clock }
    return this.#records.transact<Replacement>(
      accountId,
      inEpoch<Replacement>(epoch, { replaced: false, reason: 'revoked' }, (record) => {
        const { record: next, outcome } = replace(record, { ...first, secret: staged.secret }, now)
        return {
          record: next,
          outcome: outcome.replaced ? outcome : { replaced: false, reason: 'not-enrolled' },
        }
      }),
    )
  }

  /** Turns two-factor authentication off without a code: the caller has seen to it that one was just accepted. */
  disableFresh(accountId: string, epoch: number): Promise<Disabling> {
    return this.#records.transact<Disabling>(
      accountId,
      inEpoch<Disabling>(
        epoch,
        { disabled: false, refusal: { accepted: false, reason: 'revoked' } },
        (record, now) => {
          if (!record.totp) {
            return {
              record,
              outcome: { disabled: false, refusal: { accepted: false, reason: 'not-enrolled' } },
            }
          }
          const off = disable(record, now)
          return { record: off.record, outcome: { disabled: true, epoch: off.outcome.epoch } }
        },
      ),
    )
  }

  /**
   * Lets a trusted device stand in for a code.
   *
   * @param hashes of the tokens that the browser has
   * @returns the device and the epoch in which it is trusted; null: it is not
   */
  useDevice(
    accountId: string,
    hashes: readonly string[],
  ): Promise<{ device: TrustedDevice; epoch: number } | null> {
    return this.#records.transact(accountId, (record, now) => {
      const { record: next, outcome } = useDevice(record, hashes, this.#trustAge, now)
      return { record: next, outcome: outcome && { device: outcome, epoch: record.epoch } }
    })
  }

  /**
   * Ends the trust in a device, or in all of them; answers those that it was ended in.
   *
   * @param id null: all
   */
  revokeDevices(accountId: string, epoch: number, id: string | null): Promise<TrustedDevice[] | Revoked> {
    return this.#records.transact<TrustedDevice[] | Revoked>(
      accountId,
      inEpoch<TrustedDevice[] | Revoked>(epoch, { reason: 'revoked' }, (record) => revokeDevices(record, id)),
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
    const isRepeat = (record: AccountRecord) =>
      replacing !== undefined && record.backupCodes?.generatedAt !== replacing
    return this.#records.transact<NewCodes, NewSet | null>(
      accountId,
      inEpoch<NewCodes, NewSet | null>(epoch, { made: false, reason: 'revoked' }, (record, _now, made) => {
        if (!record.totp) return { record, outcome: { made: false, reason: 'not-enrolled' } }
        if (!made) return { record, outcome: { made: false, reason: 'other-set' } }
        const next = { ...withoutFailures(record, 'backup-code'), backupCodes: made.set }
        return { record: next, outcome: { made: true, backupCodes: made.codes, madeAt: now } }
      }),
      this.#makeCodes(now, (record) => record.epoch === epoch && Boolean(record.totp) && !isRepeat(record)),
    )
  }

  /** New codes, once, and only for a record that they are for: hashing is slow, and repeats must not cost it again. */
  #makeCodes(
    now: number,
    isFor: (record: AccountRecord) => boolean,
  ): (record: AccountRecord) => Promise<NewSet | null> {
    let made: NewSet | undefined
    return async (record) => {
      if (!isFor(record)) return null
      made ??= await newBackupCodes(this.#backupCodeCount, now)
      return made
    }
  }

  /**
   * Guards a password that is asked again inside a session. Every try is on record as a failure before `check` is
   * called and taken off after it was right, so that neither a burst nor a check that throws is a free guess.
   *
   * @returns `lock`: the one under which it was not looked at, or the one that a wrong one has brought about
   */
  async checkPassword(accountId: string, check: () => Promise<boolean>): Promise<PasswordVerdict> {
    const { evaluate, lock } = await asOneStep(
      this.#records.transact(accountId, (record, now) => {
        const present = lockOf(record, 'password', now)
        if (present) return { record, outcome: { evaluate: false, lock: present } }
        const failed = withFailure(record, 'password', now)
        return { record: failed, outcome: { evaluate: true, lock: lockOf(failed, 'password', now) } }
      }),
    )
    if (!evaluate) return { verdict: 'locked', lock: lock as Lock }
    if (!(await check())) return { verdict: 'wrong', lock }
    await asOneStep(
      this.#records.transact(accountId, (record) => ({
        record: withoutFailures(record, 'password'),
        outcome: null,
      })),
    )
    return { verdict: 'right' }
  }

  /** Ends every session's proof and pending login; answers the new epoch. */
  revokeSessions(accountId: string): Promise<number> {
    return this.#records.transact(accountId, (present) => {
      const { record, outcome } = revokeSessions(present)
      return { record, outcome: outcome.epoch }
    })
  }

  /** Takes every factor, code and lock off, and ends all sessions; answers whether it was enabled. */
  reset(accountId: string): Promise<boolean> {
    return this.#records.transact(accountId, (present, now) => {
      const { record, outcome } = reset(present, now)
      return { record, outcome: outcome.wasEnabled }
    })
  }

  /**
   * Carries out an approved recovery.
   *
   * @param factor the one that it takes off: when it was enrolled, and when a code of it had last been accepted as the
   *   recovery was asked for, milliseconds since 1970
   */
  recover(accountId: string, factor: { since: number; usedAt: number | null }): Promise<Recovered> {
    return this.#records.transact<Recovered>(accountId, (record, now) => recover(record, factor, now))
  }

  /** The account is closed: another user who is given its id inherits nothing. */
  forget(accountId: string): Promise<void> {
    return this.#records.forget(accountId)
  }
}

type NewSet = Awaited<ReturnType<typeof newBackupCodes>>

/** A rule that only a session of this very epoch may use. */
function inEpoch<Outcome, Prepared = undefined>(
  epoch: number,
  revoked: Outcome,
  rule: (record: AccountRecord, now: number, prepared: Prepared) => Ruling<Outcome>,
): (record: AccountRecord, now: number, prepared: Prepared) => Ruling<Outcome> {
  return (record, now, prepared) =>
    record.epoch === epoch ? rule(record, now, prepared) : { record, outcome: revoked }
}

export function statusOf(record: AccountRecord, now: number, trustAge: number): AccountStatus {
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
    devices: liveDevices(record, trustAge, now).map(({ hash: _hash, ...device }) => device),
    mustEnrol: record.mustEnrol === true,
  }
}
