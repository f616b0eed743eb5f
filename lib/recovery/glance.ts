import { UnavailableError } from '../errors'
import { within } from '../within'
import type { RecoveryRecords } from './recoveries'
import type { RecoveryRecord } from './request'

/**
 * How long a login waits for what it can do without, milliseconds: a store that is well answers in a few, and nobody
 * should notice one that is not.
 */
const PATIENCE = 500
/** How long a store that let somebody wait in vain is not asked again, milliseconds. */
const AWAY_FOR = 5000

/** Looks at an account's request where nothing depends on it but a convenience, and nobody is to wait for it. */
export class Glance {
  #awayUntil = Number.NEGATIVE_INFINITY

  constructor(
    private readonly records: RecoveryRecords,
    private readonly patience = PATIENCE,
  ) {}

  /**
   * Null: the store has just let somebody else wait, and is not asked now.
   *
   * @throws UnavailableError when the store does not answer at once or the row does not open
   */
  async at(accountId: string): Promise<RecoveryRecord | null> {
    if (performance.now() < this.#awayUntil) return null
    return this.waitFor(accountId, (patience) => this.records.read(accountId, patience))
  }

  /**
   * Something else that is asked of the store, for somebody who waits for it as little.
   *
   * @param ask milliseconds to wait; what stands in line before it counts as well
   * @throws UnavailableError when the store does not answer at once
   */
  async waitFor<T>(accountId: string, ask: (patience: number) => Promise<T>): Promise<T> {
    const begun = performance.now()
    const late = () =>
      Object.assign(new UnavailableError('The store of option recovery did not answer in time'), {
        accountId,
      })
    try {
      return await within(this.patience, () => ask(this.patience), late)
    } catch (error) {
      // One that says at once that it is away keeps nobody waiting.
      const now = performance.now()
      if (now - begun > this.patience / 2) this.#awayUntil = now + AWAY_FOR
      throw error
    }
  }
}
