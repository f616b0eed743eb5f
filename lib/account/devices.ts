import { createHash, randomBytes } from 'node:crypto'
import type { AccountRecord, Ruling } from './record'
import { CLOCK_SKEW } from './sound-clock'

/** A browser at which the user is not asked again for a while. Its token is known to that browser alone. */
export interface TrustedDevice {
  /** Names it in lists and forms. */
  id: string
  /** SHA-256 of the token, base64: of 256 random bits no slower hash is needed. */
  hash: string
  /** What the user knows it by: `Firefox, Windows`. */
  label: string
  /** When it came to be trusted, milliseconds since 1970. */
  firstSeenAt: number
  /** When it last stood in for a code, milliseconds since 1970. */
  lastSeenAt: number
  /** When the trust ends, milliseconds since 1970. */
  expiresAt: number
}

/** Trusted devices of one account; one more pushes out the one that was not seen for longest. */
export const MOST_DEVICES = 10

/** A device to be trusted from now on, and the token for its browser. */
export function newDevice(
  label: string,
  maxAge: number,
  now: number,
): { device: TrustedDevice; token: string } {
  const token = randomBytes(32).toString('base64url')
  const device = {
    id: randomBytes(9).toString('base64url'),
    hash: hashOfToken(token),
    label,
    firstSeenAt: now,
    lastSeenAt: now,
    expiresAt: now + maxAge,
  }
  return { device, token }
}

export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}

export function withDevice(record: AccountRecord, device: TrustedDevice): AccountRecord {
  const others = record.devices
    .filter(({ expiresAt }) => expiresAt > device.firstSeenAt)
    .sort((a, b) => b.lastSeenAt - a.lastSeenAt)
    .slice(0, MOST_DEVICES - 1)
  return { ...record, devices: [device, ...others] }
}

/**
 * The devices whose trust has not ended.
 *
 * @param maxAge milliseconds; a host that makes it shorter shortens what it gave before
 */
export function liveDevices({ devices }: AccountRecord, maxAge: number, now: number): TrustedDevice[] {
  return devices.filter(
    ({ firstSeenAt, expiresAt }) =>
      // A clock that was set back must not make trust last.
      now < Math.min(expiresAt, firstSeenAt + maxAge) && now > firstSeenAt - CLOCK_SKEW,
  )
}

/** A browser stands in for a code by one of the tokens that it has; the outcome is the device, or null. */
export function useDevice(
  record: AccountRecord,
  hashes: readonly string[],
  maxAge: number,
  now: number,
): Ruling<TrustedDevice | null> {
  const device = record.totp && liveDevices(record, maxAge, now).find(({ hash }) => hashes.includes(hash))
  if (!device) return { record, outcome: null }
  const seen = { ...device, lastSeenAt: now }
  return {
    record: { ...record, devices: record.devices.map((one) => (one.id === seen.id ? seen : one)) },
    outcome: seen,
  }
}

/** @param id of one device; null: all of them. The outcome is what is no longer trusted. */
export function revokeDevices(record: AccountRecord, id: string | null): Ruling<TrustedDevice[]> {
  const revoked = record.devices.filter((one) => id === null || one.id === id)
  if (revoked.length === 0) return { record, outcome: revoked }
  return {
    record: { ...record, devices: record.devices.filter((one) => !revoked.includes(one)) },
    outcome: revoked,
  }
}
