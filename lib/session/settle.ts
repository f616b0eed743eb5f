import type { Request } from 'express'
import { UnavailableError } from '../errors'
import type { Settings } from '../options'
import type { AccountViews } from './account-views'
import { save, sessionOf } from './express-sessions'
import { type AccountView, heldGoesOn, judgeLogin } from './judge'
import { type AppSession, type HeldMarker, isHeld, newCsrfSecret, type VerifiedMarker } from './marker'
import {
  hasPassportUser,
  passportKey,
  passportUser,
  removePassportUser,
  setUser,
  userOf,
} from './passport-session'
import { type RequestState, type SessionAccount, stateOf } from './request-factor'
import { withhold } from './withhold'

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
      const required = await this.isHeldToEnrol(user, req, look)
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
          const loginAt = known ? marker.loginAt : 0
          const heldAt = this.settings.now()
          hold(req, session, heldMarker({ state: judgement.as, account, epoch: look.epoch, loginAt, heldAt }))
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
      // Nothing is known of the account, so for this request nobody is logged in. What is stored stays as it is.
      withhold(req)
      setUser(req, undefined)
      state.become('unavailable', null)
      if (!(error instanceof UnavailableError)) throw error
      this.settings.onUnavailable(error)
    }
  }

  /**
   * Whether the host demands a second factor of a user who has none.
   *
   * @throws UnavailableError when the host knows that there is one
   */
  async isHeldToEnrol(
    user: Express.User,
    req: Request,
    { enabled, disabledAt }: AccountView,
  ): Promise<boolean> {
    if (enabled) return false
    if (!disabledAt && this.settings.isEnrolled && (await this.settings.isEnrolled(user, req))) {
      throw new UnavailableError(
        'The store knows nothing of an account that has a second factor by isEnrolled: is it the right database, and whole?',
      )
    }
    return this.isRequired(user, req)
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

type HalfMarker = Omit<HeldMarker, 'user' | 'passportKey'>

/** The marker of half a login, but for Passport's user. */
export function heldMarker(
  half: Pick<HeldMarker, 'state' | 'epoch' | 'loginAt' | 'heldAt'> & { account: SessionAccount },
): HalfMarker {
  const { account, ...rest } = half
  return { ...rest, accountId: account.id, name: account.name, csrf: newCsrfSecret() }
}

/** Moves Passport's user out of everybody's sight. */
export function hold(req: Request, session: AppSession, marker: HalfMarker): void {
  const user = passportUser(req, session)
  // Passport did not get as far as serializing the user: then there is no login to hold.
  if (user === undefined) return
  removePassportUser(req, session)
  session.secondFactor = { ...marker, user, passportKey: passportKey(req) }
}

function isLoggedIn(req: Request): boolean {
  return Boolean(userOf(req)) && hasPassportUser(req)
}

function becomeVerified(state: RequestState, account: SessionAccount, marker: VerifiedMarker): void {
  state.becomeVerified(account, marker.method, marker.verifiedAt)
}
