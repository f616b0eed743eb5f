import type { AccountRecord } from '../account/record'
import { UnavailableError } from '../errors'
import { asked } from './asked'
import type { Opened } from './opened'
import { reasonOf } from './words'

/** Which key sealed a record. */
export interface Seal {
  keyId: string
  first: boolean
}

export type Found =
  | { state: 'none' }
  | { state: 'open'; record: AccountRecord; seal: Seal }
  | { state: 'unreadable'; why: string; seal: Seal }

/** The row of one account, also one that does not open. @throws UnavailableError when the store does not answer */
export async function lookAt(
  { store, records, keyring, hidden, patience }: Opened,
  accountId: string,
): Promise<Found> {
  const stored = await asked(patience, () => store.get(accountId))
  if (stored === null) return { state: 'none' }
  const sealed = String(stored?.sealed)
  const [, keyId = ''] = sealed.split('.')
  const seal = { keyId: /^[\da-f]{12}$/.test(keyId) ? keyId : 'unknown', first: keyring.isCurrent(sealed) }
  try {
    return { state: 'open', record: await records.read(accountId), seal }
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    // A store that went away in between is no reason to call a record unreadable.
    await asked(patience, () => store.get(accountId))
    return { state: 'unreadable', why: reasonOf(error, hidden), seal }
  }
}
