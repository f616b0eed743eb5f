import { DamagedRowError } from '../damaged'
import type { StoredRecord } from '../store'

/** A row as it is written. MySQL takes the id as bytes. */
export interface AccountRow {
  account_id: string | Buffer
  version: number
  activated: number
  sealed: string
}

/** What a database hands back is checked, not believed: a damaged row is an error, never "no second factor". */
export function toRecord(row: Omit<AccountRow, 'account_id'>, integersAsText: boolean): StoredRecord {
  const version = integer(row, 'version', integersAsText)
  const activated = integer(row, 'activated', integersAsText)
  if (version < 1 || activated < 0 || activated > 1) {
    throw new DamagedRowError('A row of a second factor table is damaged: version or activated out of range')
  }
  return { version, activated: activated === 1, sealed: text(row, 'sealed') }
}

export function toAccountId({ account_id }: Pick<AccountRow, 'account_id'>): string {
  return Buffer.isBuffer(account_id) ? account_id.toString() : text({ account_id }, 'account_id')
}

/** @param integersAsText the drivers hand out 64-bit integers so, since not all of them are safe as numbers */
export function integer<K extends string>(
  row: Record<K, unknown>,
  column: K,
  integersAsText: boolean,
): number {
  const given = row[column]
  const whole =
    typeof given === 'bigint' || (integersAsText && typeof given === 'string' && /^\d+$/.test(given))
  const value = whole ? Number(given) : given
  if (Number.isSafeInteger(value)) return value as number
  throw new DamagedRowError(`A row of a second factor table is damaged: ${column} is no integer`)
}

export function text<K extends string>(row: Record<K, unknown>, column: K): string {
  const value = row[column]
  if (typeof value === 'string') return value
  throw new DamagedRowError(`A row of a second factor table is damaged: ${column} is no text`)
}
