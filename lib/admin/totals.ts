import type { Accounts } from '../account/accounts'
import type { DirectoryTotals, UserDirectory } from '../directory/directory'
import { Lookup } from './lookup'
import { Seldom } from './seldom'

/** How many users there are. */
export class Totals {
  readonly #seldom: Seldom<DirectoryTotals | null>

  constructor(
    private readonly directory: UserDirectory,
    accounts: Accounts,
    now: () => number,
  ) {
    this.#seldom = new Seldom(async () => {
      const answer = await directory.totals?.(new Lookup(accounts))
      return answer ? { activated: answer.activated, notActivated: answer.notActivated } : null
    }, now)
  }

  /**
   * Null: this directory does not count, or has not done so in time; the next page may have them. Those of before a
   * change are answered where the new ones take long.
   */
  async read(): Promise<DirectoryTotals | null> {
    return this.directory.totals ? this.#seldom.read() : null
  }

  /** Somebody's status has changed: they are counted anew when they are asked for next. */
  forget(): void {
    this.#seldom.forget()
  }
}
