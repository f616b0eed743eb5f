import type { Accounts } from '../account/accounts'
import type { DirectoryTotals, UserDirectory } from '../directory/directory'
import { warnOfListener } from '../events/events'
import { Lookup } from './lookup'
import { Seldom } from './seldom'

/** How many users there are. */
export class Totals {
  readonly #seldom: Seldom<DirectoryTotals | null>
  /** The last count did: said once, until one does not. */
  #fails = false

  constructor(
    private readonly directory: UserDirectory,
    accounts: Accounts,
    now: () => number,
  ) {
    const count = async () => {
      const answer = await directory.totals?.(new Lookup(accounts))
      this.#fails = false
      return answer ? { activated: answer.activated, notActivated: answer.notActivated } : null
    }
    this.#seldom = new Seldom(count, now, (error) => {
      if (!this.#fails) warnOfListener('The directory could not count its users', error)
      this.#fails = true
    })
  }

  /** Null: this directory does not count, has failed to, or has not done so in time; the next page may have them. */
  async read(): Promise<DirectoryTotals | null> {
    return this.directory.totals ? this.#seldom.read() : null
  }

  /** Somebody's status has changed: they are counted anew when they are asked for next. */
  forget(): void {
    this.#seldom.forget()
  }
}
