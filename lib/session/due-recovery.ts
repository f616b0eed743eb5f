import type { Request } from 'express'
import type { AccountStatus } from '../account/accounts'
import { UnavailableError } from '../errors'
import type { Reporter } from '../events/reporter'
import type { Recoveries } from '../recovery/recoveries'
import type { FactorUse } from '../recovery/request'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'

/** Carries out recoveries whose time has come, where their owners come by. */
export class DueRecovery {
  constructor(
    private readonly settings: Settings,
    private readonly recoveries: Recoveries,
    private readonly views: AccountViews,
    private readonly reporter: Reporter,
  ) {}

  /**
   * The account as it is now, where it has just lost its factors, here or in another process; null: nothing has changed.
   *
   * Where the requests cannot be read, or not at once, the account stays as protected as it was, and a code still lets its
   * owner in.
   *
   * @throws UnavailableError where it cannot be read what the account is now
   */
  async complete(req: Request, accountId: string, factor: FactorUse): Promise<AccountStatus | null> {
    if (!factor.enabled || !(await this.#carriedOut(req, accountId, factor))) return null
    try {
      return await this.views.read(accountId)
    } catch (error) {
      // An answer must not say that nothing was changed.
      if (error instanceof UnavailableError) error.uncertain = true
      throw error
    }
  }

  async #carriedOut(req: Request, accountId: string, factor: FactorUse): Promise<boolean> {
    try {
      const work = this.recoveries.complete(accountId, factor)
      const recovered = await this.reporter.evenIfLate(req, work, (outcome) => {
        if (outcome !== null) this.views.forget(accountId)
        if (outcome === 'now') this.reporter.tell(req, 'recovery-completed', accountId, {})
      })
      return recovered === 'now' || recovered === 'before'
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      this.settings.onUnavailable(error)
      return false
    }
  }
}
