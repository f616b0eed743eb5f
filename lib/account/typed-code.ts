import { readBackupCode } from './backup-codes'
import type { Method } from './record'

/** A code that somebody typed, by its shape. */
export interface TypedCode {
  method: Method
  /** Six digits, or a backup code in its canonical form. */
  code: string
}

/** Longer than any code with all its spaces and hyphens. */
export const LONGEST_CODE = 64

/**
 * Reads what was typed or sent as a code: spaces and hyphens anywhere, ASCII only, either kind in either field.
 * Null is malformed: not a string, too long, of no code's shape, or a backup code with a typo. A malformed code
 * is no guess and is never counted.
 */
export function readTypedCode(input: unknown): TypedCode | null {
  if (typeof input !== 'string' || input.length > LONGEST_CODE) return null
  const text = input.replace(/[ -]/g, '')
  if (/^[0-9]{6}$/.test(text)) return { method: 'totp', code: text }
  const backupCode = /^[0-9A-Za-z]+$/.test(text) ? readBackupCode(text) : null
  return backupCode === null ? null : { method: 'backup-code', code: backupCode }
}
