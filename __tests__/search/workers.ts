import { createHash } from 'node:crypto'
import { MemoryStore, type StoredRecord } from 'express-second-factor'
import { Accounts } from '../../lib/account/accounts'
import { hashOfToken, type TrustedDevice } from '../../lib/account/devices'
import { AccountRecords } from '../../lib/account/records'
import { rotate } from '../../lib/account/rotation'
import { readTypedCode, type TypedCode } from '../../lib/account/typed-code'
import { Keyring } from '../../lib/crypto/keyring'
import { AccountViews } from '../../lib/session/account-views'
import { type Account, type Action, TRUST_AGE, toBase32 } from './oracle'

/** What the store does to the next write, or to the next question. */
export const faults = [
  'get throws',
  'throws before the write',
  'throws after the write',
  'throws after the write and is away',
  'hangs',
  'hangs and writes later',
  'answers false',
  'writes and answers false',
] as const
export type Fault = (typeof faults)[number]

const away = () => Promise.reject(new Error('the store is away'))
const never = () => new Promise<never>(() => {})

/** Breaks once when it is told to. */
export class MoodyStore extends MemoryStore {
  fault: Fault | null = null
  /** What a write that hung will do when it comes through. */
  late: (() => Promise<boolean>) | null = null
  #away = false

  /** The fault is over. */
  mend(): void {
    this.fault = null
    this.#away = false
  }

  override get(accountId: string): Promise<StoredRecord | null> {
    if (this.#away) return away()
    if (this.fault === 'get throws') return away()
    return super.get(accountId)
  }

  override async compareAndSet(id: string, version: number, next: StoredRecord): Promise<boolean> {
    const write = () => super.compareAndSet(id, version, next)
    const { fault } = this
    this.fault = null
    switch (fault) {
      case 'throws before the write':
        return away()
      case 'throws after the write':
        await write()
        return away()
      case 'throws after the write and is away':
        await write()
        this.#away = true
        return away()
      case 'hangs':
        return never()
      case 'hangs and writes later':
        this.late = write
        return never()
      case 'answers false':
        return false
      case 'writes and answers false':
        await write()
        return false
      default:
        return write()
    }
  }
}

/** Another process: its own keys, its own clock, and what it remembers of accounts. */
export class Worker {
  readonly records: AccountRecords
  readonly accounts: Accounts
  readonly views: AccountViews

  constructor(
    store: MoodyStore,
    keys: string[],
    readonly now: () => number,
    readonly revalidateAfter: number,
    patience = 20_000,
  ) {
    this.records = new AccountRecords(store, new Keyring(keys), now, patience)
    this.accounts = new Accounts(this.records, now, 2, TRUST_AGE)
    this.views = new AccountViews(this.accounts, revalidateAfter, now)
  }

  /** Carries an action out; what it was answered, and the backup codes that it made. */
  async act(id: string, action: Action): Promise<{ outcome: string; codes?: string[] }> {
    const { accounts } = this
    switch (action.do) {
      case 'verify': {
        const trusted = action.device === undefined ? undefined : deviceOf(action.device, this.now())
        const answer = await accounts.verify(id, action.epoch, typed(action), trusted)
        return { outcome: answer.accepted ? 'accepted' : answer.reason }
      }
      case 'disable': {
        const answer = await accounts.disable(id, action.epoch, typed(action))
        return { outcome: answer.disabled ? 'accepted' : answer.refusal.reason }
      }
      case 'disable fresh': {
        const answer = await accounts.disableFresh(id, action.epoch)
        return { outcome: answer.disabled ? 'accepted' : answer.refusal.reason }
      }
      case 'enrol': {
        const answer = await accounts.confirmEnrolment(id, action.epoch, staged(action.secret), action.code)
        return answer.enabled
          ? { outcome: 'accepted', codes: answer.backupCodes }
          : { outcome: answer.reason }
      }
      case 'replace': {
        const answer = await accounts.confirmReplacement(id, action.epoch, staged(action.secret), action.code)
        return { outcome: answer.replaced ? 'accepted' : answer.reason }
      }
      case 'new codes': {
        const answer = await accounts.newBackupCodes(id, action.epoch)
        return answer.made ? { outcome: 'accepted', codes: answer.backupCodes } : { outcome: answer.reason }
      }
      case 'revoke sessions':
        await accounts.revokeSessions(id)
        this.views.forget(id)
        return { outcome: 'accepted' }
      case 'reset':
        await accounts.reset(id)
        this.views.forget(id)
        return { outcome: 'accepted' }
      case 'forget':
        await accounts.forget(id)
        this.views.forget(id)
        return { outcome: 'accepted' }
      case 'password': {
        const { verdict } = await accounts.checkPassword(id, async () => action.right)
        return { outcome: verdict === 'right' ? 'accepted' : verdict === 'wrong' ? 'invalid' : 'locked' }
      }
      case 'use device':
        return { outcome: (await accounts.useDevice(id, [action.hash])) ? 'accepted' : 'unknown' }
      case 'revoke devices': {
        const answer = await accounts.revokeDevices(id, action.epoch, action.hash)
        return { outcome: Array.isArray(answer) ? 'accepted' : 'revoked' }
      }
    }
  }

  async resealAll(): Promise<void> {
    const { done, unreadable } = await rotate(this.records)
    expect([done, unreadable]).toEqual([true, []])
  }
}

/** What lies in the store, in the oracle's words; of backup codes only how many there are, and of which set. */
export async function lying(
  records: AccountRecords,
  id: string,
): Promise<Omit<Account, 'codes'> & { codes: number; salt: string | null; mustEnrol: boolean }> {
  const { epoch, totp, backupCodes, failures, devices, lastUsedAt, disabledAt, mustEnrol } =
    await records.read(id)
  const counted = ({ count, lockedUntil }: { count: number; lockedUntil: number }) => ({
    count,
    until: lockedUntil,
  })
  return {
    epoch,
    secret: totp && toBase32(Buffer.from(totp.secret, 'base64')),
    since: totp?.since ?? null,
    used: lastUsedAt,
    offSince: disabledAt,
    mustEnrol: mustEnrol === true,
    side: totp?.clockSide ?? 0,
    floor: totp?.lastStep ?? 0,
    codes: backupCodes?.hashes.length ?? 0,
    salt: backupCodes?.salt ?? null,
    failures: {
      totp: counted(failures.totp),
      'backup-code': counted(failures['backup-code']),
      password: counted(failures.password),
    },
    devices: byHash(
      devices.map(({ hash, firstSeenAt, lastSeenAt }) => ({ hash, from: firstSeenAt, seen: lastSeenAt })),
    ),
  }
}

/** Their order is nobody's business. */
export function byHash(devices: Account['devices']): Account['devices'] {
  return devices.toSorted((a, b) => (a.hash < b.hash ? -1 : 1))
}

export const secretOf = (salt: number) => toBase32(createHash('sha1').update(`secret ${salt}`).digest())
export const tokenHash = (salt: number) => hashOfToken(`token ${salt}`)

function deviceOf(hash: string, now: number): TrustedDevice {
  return { id: hash, hash, label: '', firstSeenAt: now, lastSeenAt: now, expiresAt: now + TRUST_AGE }
}

function typed({ code }: { code: string }): TypedCode {
  return readTypedCode(code) as TypedCode
}

function staged(secret: string): { secret: Uint8Array; startedAt: number } {
  let bits = ''
  for (const letter of secret) {
    bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')
  }
  return {
    secret: Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2))),
    startedAt: 0,
  }
}
