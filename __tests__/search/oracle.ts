import { base32 } from '../../lib/authenticators/base32'
import { Authenticator } from '../support/authenticator'

/**
 * What an account must do, written once more from the rules as they are told to users, as plainly as can be and
 * sharing no code with them. The search compares the two after every step.
 */
export type Kind = 'totp' | 'backup-code' | 'password'

export interface Account {
  epoch: number
  /** Base32; null: no second factor. */
  secret: string | null
  /** When it was set up; null: there is none. */
  since: number | null
  /** When a code was last accepted; null: never. */
  used: number | null
  /** When it was turned off; null: it is on, or never was. */
  offSince: number | null
  /** On which side the phone's clock was. */
  side: number
  floor: number
  /** Backup codes as they were shown, those that are left. */
  codes: string[]
  failures: Record<Kind, { count: number; until: number }>
  /** Trusted devices by the hashes of their tokens: when the trust began, and when it last served. */
  devices: { hash: string; from: number; seen: number }[]
}

export type Action =
  | { do: 'verify'; epoch: number; kind: Kind; code: string; device?: string }
  | { do: 'disable'; epoch: number; kind: Kind; code: string }
  | { do: 'disable fresh'; epoch: number }
  | { do: 'enrol' | 'replace'; epoch: number; secret: string; code: string }
  | { do: 'new codes'; epoch: number }
  | { do: 'revoke sessions' | 'reset' | 'forget' }
  | { do: 'password'; right: boolean }
  | { do: 'use device'; hash: string }
  /** Null: all of them. */
  | { do: 'revoke devices'; epoch: number; hash: string | null }

export interface Expected {
  next: Account
  outcome: string
}

export const TRUST_AGE = 3_600_000
const HOUR = 3_600_000
const none = { count: 0, until: 0 }

export function nobody(): Account {
  return {
    epoch: 0,
    secret: null,
    since: null,
    used: null,
    offSince: null,
    side: 0,
    floor: 0,
    codes: [],
    failures: { totp: none, 'backup-code': none, password: none },
    devices: [],
  }
}

export function codeOf(secret: string, step: number): string {
  return new Authenticator(secret, () => step * 30_000).code()
}

export function toBase32(bytes: Uint8Array): string {
  return base32(bytes)
}

const stepAt = (now: number) => Math.floor(now / 30_000)

function isLocked({ count, until }: { count: number; until: number }, now: number): boolean {
  if (count >= 100) return true
  // Longer than any lock, and the minute that clocks may differ: the clock was set back.
  if (until - now > HOUR + 60_000) return false
  return until > now
}

function failed({ count }: { count: number }, now: number): { count: number; until: number } {
  const length = count + 1 < 5 ? 0 : Math.min(30_000 * 2 ** (count + 1 - 5), HOUR)
  return { count: count + 1, until: length === 0 ? 0 : now + length }
}

/** A device stands in for a code for so long, and not before it was trusted, but for what clocks may differ. */
export function isTrusted({ devices }: Account, device: string, now: number): boolean {
  return devices.some(({ hash, from }) => hash === device && now < from + TRUST_AGE && now > from - 60_000)
}

/** What an action makes of an account, and what it is answered. Never changes what it is given. */
export function expected(account: Account, action: Action, now: number, newCodes: string[] = []): Expected {
  const stays = (outcome: string): Expected => ({ next: account, outcome })
  // Whoever sets up an authenticator sees its secret: a wrong first code is told before anything else.
  const isSetUp = action.do === 'enrol' || action.do === 'replace'
  if (!isSetUp && 'epoch' in action && action.epoch !== account.epoch) return stays('revoked')
  switch (action.do) {
    case 'verify':
      return entered(account, action.kind, action.code, now, (next) =>
        action.device === undefined ? next : trusting(next, action.device, now),
      )
    case 'disable':
      return entered(account, action.kind, action.code, now, (next) => off(next, now))
    case 'disable fresh':
      return account.secret === null
        ? stays('not-enrolled')
        : { next: off(account, now), outcome: 'accepted' }
    case 'enrol':
    case 'replace': {
      const here = stepAt(now)
      const step = [0, -1, 1, -2, 2].find((away) => codeOf(action.secret, here + away) === action.code)
      if (step === undefined) return stays('invalid')
      if (action.epoch !== account.epoch) return stays('revoked')
      if (action.do === 'enrol' ? account.secret !== null : account.secret === null) {
        return stays(action.do === 'enrol' ? 'revoked' : 'not-enrolled')
      }
      const set = {
        secret: action.secret,
        side: Math.sign(step),
        floor: here + step,
        since: now,
        used: now,
        devices: [],
      }
      if (action.do === 'replace') {
        const failures = { ...account.failures, totp: none }
        return { next: { ...account, ...set, epoch: account.epoch + 1, failures }, outcome: 'accepted' }
      }
      const epoch = Math.max(account.epoch, Math.floor(now / 1000)) + 1
      return { next: { ...nobody(), ...set, epoch, codes: newCodes }, outcome: 'accepted' }
    }
    case 'new codes': {
      if (account.secret === null) return stays('not-enrolled')
      const failures = { ...account.failures, 'backup-code': none }
      return { next: { ...account, codes: newCodes, failures }, outcome: 'accepted' }
    }
    case 'revoke sessions':
      return { next: { ...account, epoch: account.epoch + 1, devices: [] }, outcome: 'accepted' }
    case 'reset':
      return { next: { ...nobody(), epoch: account.epoch + 1, offSince: now }, outcome: 'accepted' }
    case 'forget':
      return { next: nobody(), outcome: 'accepted' }
    case 'password': {
      if (isLocked(account.failures.password, now)) return stays('locked')
      const password = action.right ? none : failed(account.failures.password, now)
      const failures = { ...account.failures, password }
      return { next: { ...account, failures }, outcome: action.right ? 'accepted' : 'invalid' }
    }
    case 'use device': {
      if (account.secret === null || !isTrusted(account, action.hash, now)) return stays('unknown')
      const devices = account.devices.map((one) => (one.hash === action.hash ? { ...one, seen: now } : one))
      return { next: { ...account, devices }, outcome: 'accepted' }
    }
    case 'revoke devices': {
      const devices = account.devices.filter(({ hash }) => action.hash !== null && hash !== action.hash)
      return { next: { ...account, devices }, outcome: 'accepted' }
    }
  }
}

function entered(
  account: Account,
  kind: Kind,
  code: string,
  now: number,
  then: (next: Account) => Account,
): Expected {
  if (account.secret === null) return { next: account, outcome: 'not-enrolled' }
  if (isLocked(account.failures[kind], now)) return { next: account, outcome: 'locked' }
  const cleared = { ...account, failures: { ...account.failures, [kind]: none } }
  if (kind === 'backup-code') {
    if (account.codes.includes(code)) {
      const codes = account.codes.filter((one) => one !== code)
      return { next: then({ ...cleared, codes, used: now }), outcome: 'accepted' }
    }
  } else {
    const first = stepAt(now) - 1 - (account.side < 0 ? 1 : 0)
    const last = stepAt(now) + 1 + (account.side > 0 ? 1 : 0)
    // The clock was set back: nothing can be right, and nothing is counted.
    if (account.floor > last) return { next: account, outcome: 'invalid' }
    for (let step = Math.max(first, account.floor + 1); step <= last; step++) {
      if (step >= 0 && codeOf(account.secret, step) === code) {
        return { next: then({ ...cleared, floor: step, used: now }), outcome: 'accepted' }
      }
    }
  }
  const failures = { ...account.failures, [kind]: failed(account.failures[kind], now) }
  return { next: { ...account, failures }, outcome: 'invalid' }
}

function off(account: Account, now: number): Account {
  const { epoch, failures, used } = account
  return { ...nobody(), epoch: epoch + 1, failures, used, offSince: now }
}

/** Ten at most: one more pushes out the one that has not served for longest. */
function trusting(account: Account, hash: string, now: number): Account {
  const others = account.devices
    .filter(({ from }) => from + TRUST_AGE > now)
    .sort((a, b) => b.seen - a.seen)
    .slice(0, 9)
  return { ...account, devices: [{ hash, from: now, seen: now }, ...others] }
}
