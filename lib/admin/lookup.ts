import { accountId } from '../account/account-id'
import type { AccountStatus, Accounts } from '../account/accounts'
import type { AccountLookup } from '../directory/directory'

/** What is read of accounts for one answer: each once, also where the directory has asked before. */
export class Lookup implements AccountLookup {
  readonly #known = new Map<string, AccountStatus | null>()

  constructor(private readonly accounts: Accounts) {}

  async statusesOf(ids: readonly (string | number)[]): Promise<ReadonlyMap<string, AccountStatus | null>> {
    const all = ids.map(accountId)
    const missing = [...new Set(all)].filter((id) => !this.#known.has(id))
    if (missing.length > 0) {
      for (const [id, status] of await this.accounts.statuses(missing)) this.#known.set(id, status)
    }
    return new Map(all.map((id) => [id, this.#known.get(id) as AccountStatus | null]))
  }

  countActivated(): Promise<number | null> {
    return this.accounts.countActivated()
  }
}
