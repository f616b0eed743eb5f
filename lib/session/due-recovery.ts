import type { Request } from 'express'
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
   * Whether the account is another one now: it has just lost its factors, here or in another process.
   *
   * Where the requests cannot be read, or not at once, the account stays as protected as it was, and a code still lets its owner in.
   */
  async complete(req: Request, accountId: string, factor: FactorUse): Promise<boolean> {
    if (!factor.enabled) return false
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
