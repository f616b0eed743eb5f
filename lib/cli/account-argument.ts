import { accountId } from '../account/account-id'
import { Misuse } from './command'

/** An account id as it was typed. @throws Misuse */
export function idOf(typed: string): string {
  try {
    return accountId(typed)
  } catch {
    throw new Misuse('An account id is a text of 1 to 255 characters')
  }
}
