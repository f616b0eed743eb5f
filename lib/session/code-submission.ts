import type { Request } from 'express'
import type { Accounts, Refusal } from '../account/accounts'
import { newDevice } from '../account/devices'
import type { TypedCode } from '../account/typed-code'
import { ConfigurationError } from '../errors'
import type { Purpose } from '../events/events'
import type { Reporter } from '../events/reporter'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'
import { deviceLabel } from './device-label'
import { sessionOf } from './express-sessions'
import { handOn } from './hand-on'
import { isHeld, type Marker } from './marker'
import { userOf } from './passport-session'
import type { Proof } from './proof'
import { knownStateOf, type RequestState, type SessionAccount } from './request-factor'

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
    const answer = await this.accounts.verify(account.id, marker.epoch, typed, trusted?.device)
    // The session is of another time of the account: whatever is remembered of it is too.
    if (!answer.accepted && answer.reason === 'revoked') this.views.forget(account.id)
    if (!answer.accepted) {
      if (answer.reason === 'invalid') {
        this.reporter.tellFailure(req, account.id, { method: typed.method, purpose, lock: answer.lock })
      }
      return answer
    }
    const { method, backupCodesRemaining, epoch } = answer
    this.reporter.tell(req, 'verified', account.id, { method, purpose })
    if (method === 'backup-code') {
      this.reporter.tell(req, 'backup-code-used', account.id, { remaining: backupCodesRemaining })
    }
    if (trusted) {
      const { id, label, expiresAt } = trusted.device
      this.reporter.tell(req, 'device-trusted', account.id, { device: id, label, until: new Date(expiresAt) })
    }
    const proof = { accountId: account.id, epoch, method, askedAt }
    return { accepted: true, proof, backupCodesRemaining, deviceToken: trusted?.token ?? null }
  }

  /** @throws ConfigurationError `SF_SESSION_MISSING`, `SF_TWO_INSTANCES` */
  stateOf(req: Request): RequestState {
    return knownStateOf(req, this.settings)
  }

  /** @see handOn */
  handOn(next: (error: unknown) => void): (error: unknown) => void {
    return handOn(this.settings, next)
  }

  /** The host's user of the session: the one of this request, or the one that half a login holds. */
  async user(req: Request): Promise<Express.User | null> {
    const marker = sessionOf(req).secondFactor
    if (!isHeld(marker)) return userOf(req) ?? null
    return new Promise((resolve, reject) =>
      this.settings.passport.deserializeUser(
        marker.user,
        req,
        (error: unknown, user?: Express.User | false | null) =>
          error ? reject(notDeserialized(error)) : resolve(user || null),
      ),
    )
  }
}

/** What another Passport than the host's answers, told in words that help. */
function notDeserialized(error: unknown): unknown {
  const message = error instanceof Error ? error.message : ''
  if (!message.startsWith('Failed to deserialize user')) return error
  return new ConfigurationError(
    'SF_PASSPORT',
    "Give your own Passport as option passport: require('passport') is another one",
  )
}
