import { randomBytes, randomInt, scrypt, timingSafeEqual } from 'node:crypto'
import type { BackupCodeSet } from './record'

/** Crockford's base32: no I, L, O, U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Characters of a code: nine random ones (45 bits) and one that checks them. */
const BACKUP_CODE_LENGTH = 10
/** Interactive cost (NIST SP 800-63B section 5.1.2.2: look-up secrets under 112 bits are salted and hashed). */
const SCRYPT = { N: 2 ** 14, r: 8, p: 1 }
const SALT_BYTES = 16
const HASH_BYTES = 32

/** New codes to show once, and the set to keep. Slow on purpose (scrypt, asynchronous). */
export async function newBackupCodes(
  count: number,
  now: number,
): Promise<{ codes: string[]; set: BackupCodeSet }> {
  const salt = randomBytes(SALT_BYTES).toString('base64')
  const codes = new Set<string>()
  while (codes.size < count) codes.add(newCode())
  const hashes: string[] = []
  for (const code of codes) hashes.push((await hashBackupCode(code, salt)).toString('base64'))
  return {
    codes: [...codes].map((code) => `${code.slice(0, 5)}-${code.slice(5)}`),
    set: { salt, hashes, total: count, generatedAt: now },
  }
}

/**
 * The canonical form of a backup code that somebody typed: upper case, look-alikes (O, I, L) read as Crockford
 * does. `text` is ASCII without spaces and hyphens. Null when it is no backup code or has a typo.
 */
export function readBackupCode(text: string): string | null {
  if (text.length !== BACKUP_CODE_LENGTH) return null
  const code = text.toUpperCase().replaceAll('O', '0').replace(/[IL]/g, '1')
  for (const character of code) if (!ALPHABET.includes(character)) return null
  return code.at(-1) === checkCharacter(code.slice(0, -1)) ? code : null
}

/** Slow on purpose: scrypt of a canonical code. */
export function hashBackupCode(code: string, salt: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(code, Buffer.from(salt, 'base64'), HASH_BYTES, SCRYPT, (error, hash) =>
      error ? reject(error) : resolve(hash),
    )
  })
}

/** The set without the code of this hash, or null when the hash is of none. Every hash is compared. */
export function withoutCode(set: BackupCodeSet, hash: Buffer): BackupCodeSet | null {
  const left = set.hashes.filter((one) => !timingSafeEqual(Buffer.from(one, 'base64'), hash))
  return left.length === set.hashes.length ? null : { ...set, hashes: left }
}

function newCode(): string {
  let code = ''
  while (code.length < BACKUP_CODE_LENGTH - 1) code += ALPHABET[randomInt(ALPHABET.length)]
  return code + checkCharacter(code)
}

/**
 * A weighted sum over GF(32), the weights being the powers of its generator: every wrong character and every
 * two characters swapped give another check character.
 */
function checkCharacter(text: string): string {
  let sum = 0
  for (const character of text) sum = double(sum) ^ ALPHABET.indexOf(character)
  return ALPHABET[double(sum)] as string
}

/** Multiplies by the generator x in GF(2)[x] / (x^5 + x^2 + 1). */
function double(value: number): number {
  return value & 16 ? ((value << 1) ^ 0b100101) & 31 : value << 1
}
