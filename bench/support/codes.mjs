import { createHmac } from 'node:crypto'

/** The code that a phone shows now, or `ahead` steps later (RFC 6238). */
export function codeOf(secret, ahead = 0) {
  return codeAtStep(secret, Math.floor(Date.now() / 30_000) + ahead)
}

export function codeAtStep(secret, step) {
  return String(numberAtStep(secret, step) % 1e6).padStart(6, '0')
}

/** The whole number of which a code is the end (RFC 4226 section 5.3). */
export function numberNow(secret) {
  return numberAtStep(secret, Math.floor(Date.now() / 30_000))
}

function numberAtStep(secret, step) {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = mac[mac.length - 1] & 15
  return mac.readUInt32BE(offset) & 0x7fffffff
}

/** The bytes of a key in base32 (RFC 4648), as otpauth URIs have it. */
export function fromBase32(text) {
  const bytes = []
  let buffer = 0
  let bits = 0
  for (const character of text.replace(/=+$/, '')) {
    buffer = (buffer << 5) | 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(character)
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push((buffer >>> bits) & 255)
      buffer &= (1 << bits) - 1
    }
  }
  return Buffer.from(bytes)
}
