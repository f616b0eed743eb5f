import type { AccountStatus, Accounts } from '../account/accounts'
import type { AccountView } from './judge'

/** Accounts remembered by one process. */
const MOST = 10_000

/** Remembers for a short while what was read of an account, so that a verified request costs no store read. */
export class AccountViews {
  readonly #accounts: Accounts
  readonly #revalidateAfter: number
  readonly #now: () => number
  readonly #views = new Map<string, AccountView & { readAt: number }>()

  /** @param revalidateAfter milliseconds; 0: nothing is remembered */
  constructor(accounts: Accounts, revalidateAfter: number, now: () => number) {
    this.#accounts = accounts
    this.#revalidateAfter = revalidateAfter
    this.#now = now
  }

  /**
   * What is known of an account, without asking the store; null when that is nothing, too old, or older than a
   * session that another process made in a newer epoch.
   */
  remembered(accountId: string, epoch: number): AccountView | null {
    const view = this.#views.get(accountId)
    if (!view || view.epoch < epoch) return null
    const age = this.#now() - view.readAt
    // A clock that was set back must not keep a view alive.
    return age >= 0 && age < this.#revalidateAfter ? view : null
  }

  /** Asks the store. @throws UnavailableError */
  async read(accountId: string): Promise<AccountStatus> {
    const readAt = this.#now()
    const status = await this.#accounts.status(accountId)
    this.#remember(accountId, status, readAt)
    return status
  }

  /** This process has just changed the account. */
  note(accountId: string, view: AccountView): void {
    this.#remember(accountId, view, this.#now())
  }

  forget(accountId: string): void {
    this.#views.delete(accountId)
  }

  /** Of two answers the one that was asked for later counts: a slow read never covers a newer write. */
  #remember(accountId: string, { epoch, enabled }: AccountView, readAt: number): void {
    const known = this.#views.get(accountId)
    if (known && (known.readAt > readAt || (known.readAt === readAt && known.epoch > epoch))) return
    this.#views.delete(accountId)
    this.#views.set(accountId, { epoch, enabled, readAt })
    if (this.#views.size > MOST) this.#views.delete(this.#views.keys().next().value as string)
  }
}
