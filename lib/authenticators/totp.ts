import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { crypto } from '@otplib/plugin-crypto-node'
import { generateSync } from '@otplib/totp'

/** Seconds that one code is shown (RFC 6238 section 4.1, X). */
export const STEP_SECONDS = 30
/** Length of the shared secret in bytes: the 160 bits that RFC 4226 section 4 recommends. */
const SECRET_BYTES = 20
const DIGITS = 6

/** The plugin's own HMAC looks its algorithm up and copies the result each time, which takes longer than the HMAC. */
const hmacSha1 = Object.assign(Object.create(crypto) as typeof crypto, {
  hmac: (_sha1: string, key: Uint8Array, data: Uint8Array) => createHmac('sha1', key).update(data).digest(),
})

/** A fresh shared secret. */
export function newSecret(): Uint8Array {
  return new Uint8Array(randomBytes(SECRET_BYTES))
}

/** The number of the time step (RFC 6238 section 4.2, T) at `now` milliseconds since 1970. */
export function stepAt(now: number): number {
  return Math.floor(now / 1000 / STEP_SECONDS)
}

/** The code of one time step: SHA-1, six digits (RFC 6238, RFC 4226 section 5.3). */
export function codeAt(secret: Uint8Array, step: number): string {
  return generateSync({
    secret,
    crypto: hmacSha1,
    algorithm: 'sha1',
    epoch: step * STEP_SECONDS,
    period: STEP_SECONDS,
    digits: DIGITS,
  })
}

/**
 * The first of `steps` whose code is `code`, or null. The comparison takes the same time wherever the first
 * wrong digit is; negative steps (before 1970) have no code.
 *
 * @param code six ASCII digits
 */
export function findStep(secret: Uint8Array, code: string, steps: Iterable<number>): number | null {
  const given = Buffer.from(code)
  for (const step of steps) {
    if (step < 0) continue
    const expected = Buffer.from(codeAt(secret, step))
    if (given.length === expected.length && timingSafeEqual(given, expected)) return step
  }
  return null
}
