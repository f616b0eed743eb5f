import type { AccountRecord } from '../account/record'
import { TimeLimit } from '../account/time-limit'
import { UnavailableError } from '../errors'
import { tellsOfDamage } from '../stores/damaged'
import type { StoredRecord } from '../stores/store'
import { type Seal, sealOf } from './seal'
import type { Opened } from './with-store'
import { reasonOf } from './words'

export type Found =
  | { state: 'none' }
  | { state: 'open'; record: AccountRecord; seal: Seal }
  | { state: 'unreadable'; why: string; seal: Seal }

/** The row of one account, also one that does not open. @throws UnavailableError when the store does not answer */
export async function lookAt(opened: Opened, accountId: string): Promise<Found> {
  const { records, keyring, hidden } = opened
  let stored: StoredRecord | null
  try {
    stored = await rowOf(opened, accountId)
  } catch (error) {
    // Only where the store says so itself: one that is away is no reason to call a record unreadable.
    if (!tellsOfDamage(error)) throw error
    return { state: 'unreadable', why: reasonOf((error as Error).cause, hidden), seal: sealOf(null, keyring) }
  }
  if (stored === null) return { state: 'none' }
  const seal = sealOf(String(stored?.sealed), keyring)
  try {
    return { state: 'open', record: await records.read(accountId), seal }
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    // A store that went away in between is no reason either.
    await rowOf(opened, accountId)
    return { state: 'unreadable', why: reasonOf(error, hidden), seal }
  }
}

/** The row itself, which the account records do not hand out. @throws UnavailableError */
function rowOf({ store, patience }: Opened, accountId: string): Promise<StoredRecord | null> {
  return new TimeLimit(patience).within(async () => {
    try {
      return await store.get(accountId)
    } catch (cause) {
      throw new UnavailableError('The factor store does not answer', { cause })
    }
  })
}
