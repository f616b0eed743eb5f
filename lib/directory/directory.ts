import type { AccountStatus } from '../account/accounts'

/** A user of the host's, as the administrator's lists show one. */
export interface DirectoryUser {
  /** The account's id, the same that option `account` answers. */
  id: string | number
  name: string
  email: string
  /** What the directory itself keeps of the second factor; null: nothing yet. Told when it is wrong, by `note`. */
  activated?: boolean | null
}

export type DirectoryStatus = 'activated' | 'not-activated'

export interface DirectoryQuery {
  /** Null: all users. */
  status: DirectoryStatus | null
  /** What names or other columns begin with, in any case; null: all users. */
  search: string | null
  /** The `next` of the page before; null: the first page. */
  after: string | null
  /** Users a page. */
  limit: number
}

export interface DirectoryPage {
  users: DirectoryUser[]
  /** Where the next page begins; null: this is the last one. */
  next: string | null
}

export interface DirectoryTotals {
  activated: number
  notActivated: number
}

/** What the factor store knows, for a directory that cannot tell by itself who has a second factor. */
export interface AccountLookup {
  /**
   * Read together, in as few questions as the store takes. Null: the record cannot be read.
   *
   * @throws UnavailableError when the store does not answer
   */
  statusesOf(ids: readonly (string | number)[]): Promise<ReadonlyMap<string, AccountStatus | null>>
  /** How many accounts have a second factor, by going through all of them; null: the store cannot be gone through. */
  countActivated(): Promise<number | null>
}

/** Where the host's users are found. What is shown of their second factors always comes from their records. */
export interface UserDirectory {
  /**
   * One page. Each user is on one page, however often the list changes meanwhile: a cursor names a place in the order,
   * not a number of rows.
   *
   * @throws BadCursorError when `after` was not answered by this directory
   */
  list(query: DirectoryQuery, accounts: AccountLookup): Promise<DirectoryPage>
  /** Null: there is no such user. Without it, who has an account in the factor store is one. */
  get?(id: string): Promise<DirectoryUser | null>
  /**
   * Without it, or with null, none are shown. Asked for when a list is looked at and the last answer is a minute old or
   * somebody's status has changed since; at most once a second and one at a time, and where an answer takes longer than
   * 100 ms, ten times that from one question to the next.
   */
  totals?(accounts: AccountLookup): Promise<DirectoryTotals | null>
  /** Told whenever it is known who has a second factor, for a directory that keeps it in a column. */
  note?(id: string, activated: boolean): Promise<void> | void
}

/** A cursor that no page had: answered with 400. */
export class BadCursorError extends Error {
  override readonly name = 'BadCursorError'
}
