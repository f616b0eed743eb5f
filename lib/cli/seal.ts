import type { Keyring } from '../crypto/keyring'

/** Which key sealed a record. */
export interface Seal {
  /** Null: the row does not say. */
  keyId: string | null
  first: boolean
}

/** @param sealed null: the row is too damaged to be read */
export function sealOf(sealed: string | null, keyring: Keyring): Seal {
  const [, keyId = ''] = (sealed ?? '').split('.')
  return {
    keyId: /^[\da-f]{12}$/.test(keyId) ? keyId : null,
    first: sealed !== null && keyring.isCurrent(sealed),
  }
}

/** What can be done about a record that does not open. */
export function keysSay({ ids }: Keyring, { keyId }: Seal): string {
  return keyId === null || ids.includes(keyId)
    ? 'It is not for want of a key: the row was altered or damaged. Take it from a backup of the database, or reset the account.'
    : `It was sealed by key ${keyId}, and these are the keys: ${ids.join(', ')}. If your app has that key, give it here, too.`
}
