import { ConfigurationError } from '../errors'

/**
 * An account id as the store keeps it. One that is none would be shared by every account without an id.
 *
 * @throws ConfigurationError `SF_ACCOUNT_ID`
 */
export function accountId(id: unknown): string {
  const text = Number.isSafeInteger(id) || typeof id === 'bigint' ? String(id) : id
  const isOne =
    typeof text === 'string' &&
    text !== '' &&
    text.length <= 255 &&
    text.isWellFormed() &&
    !text.includes('\0')
  if (isOne) return text
  throw new ConfigurationError(
    'SF_ACCOUNT_ID',
    'An account id is a whole number or a text of 1 to 255 characters; option account, or a call, gave something else',
  )
}

/** The same of what somebody else has written; null: no account id. */
export function knownAccountId(id: unknown): string | null {
  try {
    return accountId(id)
  } catch {
    return null
  }
}
