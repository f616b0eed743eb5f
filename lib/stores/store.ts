/**
 * What a store keeps of one account. Only `sealed` carries meaning; the store never looks into it.
 */
export interface StoredRecord {
  /** A positive integer that grows with every write of this row. The condition of every write. */
  version: number
  /** Whether two-factor authentication is on: for lists and reports, never for a decision. */
  activated: boolean
  /** The whole account record under authenticated encryption, as printable ASCII. */
  sealed: string
}

/**
 * Where the account records live. Two methods make a store; the others serve reports, lists and erasure.
 *
 * A store that cannot answer rejects its promise, and the account is then answered with 503. It never
 * answers `null` or `true` when it does not know.
 */
export interface SecondFactorStore {
  /** The row of an account, or `null` when there certainly is none. */
  get(accountId: string): Promise<StoredRecord | null>
  /**
   * Writes `next` if, and only if, the row still has `expectedVersion` at that moment (0: there is no row).
   * One atomic step. `false` means that somebody else wrote first: nothing was changed.
   */
  compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean>
  /**
   * Rows in the order of their account id, after `after` (null: from the first), at most `limit`: full pages until the
   * end, since a short one says that there are no more. One that `get` refuses as damaged has `sealed: ''` here, so
   * that it is told of and hides no others.
   */
  list?(after: string | null, limit: number): Promise<{ accountId: string; record: StoredRecord }[]>
  /**
   * The rows of these accounts, in the order of their ids, in one question to the database if it can: null when there
   * certainly is none, and `sealed: ''` for one that `get` refuses as damaged. Without it, each is asked for by `get`.
   */
  getMany?(accountIds: readonly string[]): Promise<(StoredRecord | null)[]>
  /** Erases the row of an account. No row is no error. */
  delete?(accountId: string): Promise<void>
  /** Asked once at the start, and by `express-second-factor doctor`. */
  inspect?(): Promise<StoreReport>
}

/** What a store can tell of itself to those who run it. */
export interface StoreReport {
  /** The store's own clock, milliseconds since 1970; null: it has none of its own. */
  clock: number | null
  /** What would lose second factors as the store is set up, and what to do: a sentence or two each. */
  warnings: string[]
}
