import type { Request } from 'express'
import type { Accounts, Answer, Refusal } from '../account/accounts'
import { newDevice, type TrustedDevice } from '../account/devices'
import type { Method } from '../account/record'
import type { TypedCode } from '../account/typed-code'
import type { Purpose } from '../events/events'
import type { Reporter } from '../events/reporter'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'
import { deviceLabel } from './device-label'
import { sessionOf } from './express-sessions'
import { handOn } from './hand-on'
import { isHeld, type Marker } from './marker'
import { isOwner } from './owner'
import { deserialized, userOf } from './passport-session'
import type { Proof } from './proof'
import { knownStateOf, type RequestState, type SessionAccount } from './request-factor'
import { isSignedOut } from './signed-out'

export type Submitted =
  /** `deviceToken`: for the browser's cookie, where it is to be trusted. */
  { accepted: true; proof: Proof; backupCodesRemaining: number; deviceToken: string | null } | Refusal

/** Checks a code for the account of a request's session, and nobody else's. */
export class CodeSubmission {
  constructor(
    private readonly settings: Settings,
    private readonly accounts: Accounts,
    private readonly views: AccountViews,
    private readonly reporter: Reporter,
  ) {}

  /**
   * @param trust this browser is not to be asked again
   * @param asked what the code is for; without it, the login or the step-up that the session is in
   * @throws UnavailableError
   */
  async submit(
    req: Request,
    account: SessionAccount,
    typed: TypedCode,
    trust = false,
    asked?: Purpose,
  ): Promise<Submitted> {
    const marker = sessionOf(req).secondFactor as Marker
    const { trustAge, now } = this.settings
    const askedAt = now()
    // Trust belongs to a login; whoever is in already has nothing to gain by it but a thief.
    const trusted =
      trust && trustAge > 0 && isHeld(marker)
        ? newDevice(deviceLabel(req.headers['user-agent']), trustAge, askedAt)
        : null
    const purpose = asked ?? (isHeld(marker) ? 'login' : 'step-up')
    const work = this.accounts.verify(account.id, marker.epoch, typed, trusted?.device)
    const answer = await this.reporter.evenIfLate(req, work, (outcome, late) =>
      this.#tell(req, account.id, typed.method, purpose, outcome, trusted?.device, late),
    )
    if (!answer.accepted) return answer
    const { method, backupCodesRemaining, epoch } = answer
    const proof = { accountId: account.id, epoch, method, askedAt }
    return { accepted: true, proof, backupCodesRemaining, deviceToken: trusted?.token ?? null }
  }

  /** @throws ConfigurationError `SF_SESSION_MISSING`, `SF_TWO_INSTANCES` */
  stateOf(req: Request): RequestState {
    return knownStateOf(req, this.settings)
  }

  /**
   * @see isSignedOut
   * @throws UnavailableError when the session store does not answer
   */
  isSignedOut(req: Request, state: RequestState): Promise<boolean> {
    return isSignedOut(req, state, this.settings.now())
  }

  /** @see isOwner */
  isOwner(req: Request, state: RequestState): boolean {
    return isOwner(this.settings, req, state)
  }

  /** @see handOn */
  handOn(next: (error: unknown) => void): (error: unknown) => void {
    return handOn(this.settings, next)
  }

  /** @param late whoever entered the code was told that it is not known: nobody was let in by it */
  #tell(
    req: Request,
    accountId: string,
    method: Method,
    purpose: Purpose,
    answer: Answer,
    trusted: TrustedDevice | undefined,
    late: boolean,
  ): void {
    // The session is of another time of the account: whatever is remembered of it is too.
    if (!answer.accepted && answer.reason === 'revoked') this.views.forget(accountId)
    if (!answer.accepted) {
      if (answer.reason === 'invalid') {
        this.reporter.tellFailure(req, accountId, { method, purpose, lock: answer.lock })
      }
      return
    }
    if (!late) this.reporter.tell(req, 'verified', accountId, { method, purpose })
    if (method === 'backup-code') {
      this.reporter.tell(req, 'backup-code-used', accountId, { remaining: answer.backupCodesRemaining })
    }
    if (trusted) {
      const { id, label, expiresAt } = trusted
      this.reporter.tell(req, 'device-trusted', accountId, { device: id, label, until: new Date(expiresAt) })
    }
  }

  /** The host's user of the session: the one of this request, or the one that half a login holds. */
  async user(req: Request): Promise<Express.User | null> {
    const marker = sessionOf(req).secondFactor
    if (!isHeld(marker)) return userOf(req) ?? null
    return deserialized(this.settings.passport, marker.user, req)
  }
}
