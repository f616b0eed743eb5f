import type { Request } from 'express'
import { ConfigurationError } from '../errors'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'
import { regenerateKeeping, save, saveOnce, sessionOf } from './express-sessions'
import { isHeld, type Marker, newCsrfSecret } from './marker'
import { passportKey, passportUser, putPassportUser } from './passport-session'
import type { Proof } from './proof'
import { type RequestState, type SessionAccount, stateOf } from './request-factor'
import { leaveIfSignedOut } from './signed-out'

/** Lets a session in, or changes what it is admitted for, after the account's record has changed. */
export class Admission {
  constructor(
    private readonly settings: Settings,
    private readonly views: AccountViews,
  ) {}

  /**
   * The session becomes verified, under a new id; half a login becomes a whole one. What the host keeps in the
   * session survives.
   *
   * @returns where the user was going, if anywhere: from now on that is forgotten; null: the session was signed out
   *   meanwhile, and nobody is let in
   */
  async enter(
    req: Request,
    { accountId, epoch, method, askedAt }: Proof,
  ): Promise<{ returnTo: string | null } | null> {
    const marker = sessionOf(req).secondFactor as Marker
    const now = this.settings.now()
    const user = isHeld(marker) ? marker.user : passportUser(req)
    const state = stateOf(req) as RequestState
    const name = isHeld(marker) ? marker.name : (state.account as SessionAccount).name
    const returnTo = marker.returnTo ?? null

    // Before the session is written, which may fail: this is on record, and other sessions go by it.
    this.views.note(accountId, { epoch, enabled: true }, askedAt)
    if (isHeld(marker) && marker.passportKey !== passportKey(req)) throw otherPassport()
    if (await leaveIfSignedOut(req, state, now)) return null
    await regenerateKeeping(req)
    putPassportUser(req, user)
    sessionOf(req).secondFactor = {
      state: 'verified',
      accountId,
      epoch,
      loginAt: marker.loginAt,
      method,
      verifiedAt: now,
      // The forms of a page that was open before still post, but for those of a login that waited for its code: what it
      // has shown may be known to somebody who has the password.
      csrf: marker.state === 'pending' ? newCsrfSecret() : marker.csrf,
      ...(marker.notSent && { notSent: true }),
      // A new phone that was being set up before a step-up still is.
      ...(marker.state === 'verified' &&
        marker.epoch === epoch &&
        marker.enrolment && { enrolment: marker.enrolment }),
    }
    await saveOnce(req)
    state.becomeVerified({ id: accountId, name }, method, now)
    return { returnTo }
  }

  /** The acting session goes on after its account's second factor was turned off, if it is still there. */
  async stayWithoutFactor(req: Request, accountId: string, epoch: number, askedAt: number): Promise<void> {
    const { loginAt, csrf } = sessionOf(req).secondFactor ?? { loginAt: 0, csrf: newCsrfSecret() }
    // Before the session is written, as above.
    this.views.note(accountId, { epoch, enabled: false, disabledAt: askedAt }, askedAt)
    const state = stateOf(req) as RequestState
    if (await leaveIfSignedOut(req, state, this.settings.now())) return
    // A new id: what another request of this session writes meanwhile does not undo it.
    await regenerateKeeping(req)
    sessionOf(req).secondFactor = { state: 'unenrolled', accountId, epoch, loginAt, csrf }
    await save(req)
    state.become('unenrolled', state.account)
  }
}

function otherPassport(): ConfigurationError {
  return new ConfigurationError(
    'SF_PASSPORT',
    'The login was begun by another Passport than the one mounted last',
  )
}
