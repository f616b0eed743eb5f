import type { Request } from 'express'
import { UnavailableError } from '../errors'
import type { Settings } from '../options'
import type { AccountViews } from './account-views'
import { save, sessionOf } from './express-sessions'
import { type AccountView, heldGoesOn, judgeLogin } from './judge'
import { type AppSession, type HeldMarker, isHeld, newCsrfSecret, type VerifiedMarker } from './marker'
import { passportUser, removePassportUser, setUser, userOf } from './passport-session'
import { type RequestState, type SessionAccount, stateOf } from './request-factor'

/** Brings a request, its session and what Passport says into one of the session states. */
export class Settler {
  constructor(
    private readonly settings: Settings,
    private readonly views: AccountViews,
  ) {}

  /**
   * Settles without asking anybody, where that can be done: nobody is logged in, half a login goes on, or a full
   * one rests on what is remembered of its account. False: nothing was done.
   */
  settleAtOnce(req: Request, state: RequestState): boolean {
    const session = sessionOf(req)
    if (!isLoggedIn(req)) {
      this.#settleHeld(req, state)
      return true
    }
    const marker = session.secondFactor
    if (marker?.state !== 'verified') return false
    const account = this.settings.account(userOf(req))
    const view = this.views.remembered(account.id, marker.epoch)
    if (view === null || judgeLogin(marker, account.id, view, false).verdict !== 'keep') return false
    becomeVerified(state, account, marker)
    return true
  }

  /**
   * Settles with what the store says, or what is remembered of it.
   *
   * @param view what was just read of the account
   */
  async settle(req: Request, view?: AccountView): Promise<void> {
    const state = stateOf(req) as RequestState
    const session = sessionOf(req)
    if (!isLoggedIn(req)) {
      this.#settleHeld(req, state, view)
      return
    }
    const user = userOf(req) as Express.User
    try {
      const account = this.settings.account(user)
      const marker = session.secondFactor
      const known = marker?.accountId === account.id && !isHeld(marker)
      const look =
        view ??
        (known ? this.views.remembered(account.id, marker.epoch) : null) ??
        (await this.views.read(account.id))
      const required = !look.enabled && (await this.isRequired(user, req))
      const judgement = judgeLogin(marker, account.id, look, required)
      switch (judgement.verdict) {
        case 'keep':
          if (judgement.marker.state === 'verified') becomeVerified(state, account, judgement.marker)
          else state.become('unenrolled', account)
          return
        case 'adopt':
          session.secondFactor = {
            state: 'unenrolled',
            accountId: account.id,
            epoch: look.epoch,
            loginAt: 0,
            csrf: newCsrfSecret(),
          }
          state.become('unenrolled', account)
          return
        case 'hold': {
          const held = heldMarker(judgement.as, account, look.epoch, this.settings.now())
          held.loginAt = known ? marker.loginAt : 0
          hold(session, held, req)
          setUser(req, undefined)
          state.become(judgement.as, account)
          await save(req)
          return
        }
        case 'log-out':
          removePassportUser(req)
          delete session.secondFactor
          setUser(req, undefined)
          state.become('anonymous', null)
          await save(req)
          return
      }
    } catch (error) {
      // Nothing is known of the account, so for this request nobody is logged in. The session stays as it is.
      setUser(req, undefined)
      state.become('unavailable', null)
      if (!(error instanceof UnavailableError)) throw error
    }
  }

  /** The host demands a second factor of this user. */
  async isRequired(user: Express.User, req: Request): Promise<boolean> {
    return this.settings.policy !== null && (await this.settings.policy(user, req)) !== 'optional'
  }

  #settleHeld(req: Request, state: RequestState, view?: AccountView): void {
    const session = sessionOf(req)
    const marker = session.secondFactor
    if (isHeld(marker) && heldGoesOn(marker, this.settings.now(), view)) {
      state.become(marker.state, { id: marker.accountId, name: marker.name })
      return
    }
    // What is left is a proof without a login, or half a login that is over.
    if (marker) delete session.secondFactor
    state.become('anonymous', null)
  }
}

export function heldMarker(
  state: HeldMarker['state'],
  account: SessionAccount,
  epoch: number,
  now: number,
): Omit<HeldMarker, 'user'> {
  return {
    state,
    accountId: account.id,
    name: account.name,
    epoch,
    loginAt: now,
    heldAt: now,
    csrf: newCsrfSecret(),
  }
}

/** Moves Passport's user out of everybody's sight. */
export function hold(session: AppSession, held: Omit<HeldMarker, 'user'>, req: Request): void {
  const user = passportUser(req, session)
  removePassportUser(req, session)
  session.secondFactor = { ...held, user }
}

function isLoggedIn(req: Request): boolean {
  return Boolean(userOf(req)) && passportUser(req) !== undefined
}

function becomeVerified(state: RequestState, account: SessionAccount, marker: VerifiedMarker): void {
  state.becomeVerified(account, marker.method, marker.verifiedAt)
}
