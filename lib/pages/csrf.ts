import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * A form token for a session's secret: fresh in every answer, so that compression gives nothing away of the
 * secret, and without anything to store.
 */
export function issueToken(secret: string): string {
  const nonce = randomBytes(12).toString('base64url')
  return `${nonce}.${mac(secret, nonce)}`
}

/** Whether `token` was issued for this secret. */
export function isToken(secret: string, token: unknown): boolean {
  if (typeof token !== 'string') return false
  const [nonce = '', given = '', ...rest] = token.split('.')
  const expected = Buffer.from(mac(secret, nonce))
  const bytes = Buffer.from(given)
  return rest.length === 0 && bytes.length === expected.length && timingSafeEqual(bytes, expected)
}

function mac(secret: string, nonce: string): string {
  return createHmac('sha256', secret).update(nonce).digest('base64url')
}
