import type { StoredRecord } from './store'

/** A row that is there and is no record: an error, never "no second factor". Its message names no account. */
export class DamagedRowError extends TypeError {
  override readonly name = 'DamagedRowError'
}

/**
 * What a list has in the place of a damaged row: nothing opens it, so the account is told of, and hides no other.
 *
 * @throws the error, where it is another one
 */
export function inPlaceOfDamaged(error: unknown): StoredRecord {
  if (tellsOfDamage(error)) return { version: 0, activated: false, sealed: '' }
  throw error
}

/** Whether a row is damaged, and this says so. By name: the store may come from another copy of this package. */
export function tellsOfDamage(error: unknown): boolean {
  let each = error
  // An error may be its own cause.
  for (let depth = 0; each && depth < 5; depth++, each = (each as Error).cause) {
    if ((each as Error).name === 'DamagedRowError') return true
  }
  return false
}
