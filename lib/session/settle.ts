import type { Request } from 'express'
import { UnavailableError } from '../errors'
import type { Reporter } from '../events/reporter'
import { isNavigation } from '../pages/callers'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'
import { type Demand, demandOf, isHeldBy } from './demand'
import { save, sessionOf } from './express-sessions'
import { type AccountView, heldGoesOn, judgeLogin } from './judge'
import {
  type AppSession,
  type HeldMarker,
  isHeld,
  type Marker,
  newCsrfSecret,
  type VerifiedMarker,
} from './marker'
import {
  hasPassportUser,
  passportKey,
  passportUser,
  removePassportUser,
  setUser,
  userOf,
} from './passport-session'
import { type RequestState, type SessionAccount, stateOf } from './request-factor'
import { ToldOnce } from './told-once'
import { withhold } from './withhold'

/** Brings a request, its session and what Passport says into one of the session states. */
export class Settler {
  /** Whoever brings a session into one of its states tells it by this. */
  readonly told = new ToldOnce()

  constructor(
    private readonly settings: Settings,
    private readonly views: AccountViews,
    private readonly reporter: Reporter,
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
    let account: SessionAccount
    try {
      account = this.settings.account(userOf(req))
    } catch (error) {
      closeInDoubt(req, state)
      throw error
    }
    const view = this.views.remembered(account.id, marker.epoch, marker.device)
    if (view === null || judgeLogin(marker, account.id, view, false).verdict !== 'keep') return false
    this.#becomeVerified(req, account, marker, view.enabled)
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
      const remembered = known ? this.views.remembered(account.id, marker.epoch, deviceOf(marker)) : null
      const look = view ?? (await this.lookAt(user, req, account.id, known ? marker : null, remembered))
      const demand = await this.demandOn(user, req, look)
      const judgement = judgeLogin(marker, account.id, look, isHeldBy(demand))
      // A login that went by unseen is looked at as it would have been.
      if (
        !known &&
        (judgement.verdict === 'hold' || judgement.verdict === 'adopt') &&
        (await this.isSkipped(user, req, look))
      ) {
        const adopted = skippedMarker(account, look.epoch, 0)
        session.secondFactor = adopted
        this.#becomeVerified(req, account, adopted, look.enabled)
        await save(req)
        if (this.told.isFirst(req, 'verified', look.epoch))
          this.reporter.tell(req, 'verified', account.id, { method: adopted.method, purpose: 'login' })
        return
      }
      switch (judgement.verdict) {
        case 'keep':
          if (judgement.marker.state === 'verified')
            this.#becomeVerified(req, account, judgement.marker, look.enabled)
          else this.#becomeUnenrolled(state, account, demand)
          return
        case 'adopt':
          session.secondFactor = {
            state: 'unenrolled',
            accountId: account.id,
            epoch: look.epoch,
            loginAt: 0,
            csrf: newCsrfSecret(),
          }
          this.#becomeUnenrolled(state, account, demand)
          // Whoever looks the session up meanwhile finds it as it is here.
          await save(req)
          return
        case 'hold': {
          // The password that was given for another time of the account may have been changed since.
          const loginAt = known && marker.epoch === look.epoch ? marker.loginAt : 0
          const heldAt = this.settings.now()
          hold(req, session, heldMarker({ state: judgement.as, account, epoch: look.epoch, loginAt, heldAt }))
          setUser(req, undefined)
          state.become(judgement.as, account)
          await save(req)
          const event = judgement.as === 'pending' ? 'challenged' : 'policy-held'
          if (this.told.isFirst(req, event, look.epoch)) this.reporter.tell(req, event, account.id, {})
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
      closeInDoubt(req, state)
      if (!(error instanceof UnavailableError)) throw error
      this.settings.onUnavailable(error)
    }
  }

  /**
   * The account as it is remembered; or read now, where nothing is, or the host has heard of a second factor that was
   * enabled since.
   *
   * @throws UnavailableError
   */
  async lookAt(
    user: Express.User,
    req: Request,
    accountId: string,
    own: Marker | null,
    remembered: AccountView | null,
  ): Promise<AccountView> {
    const doubted = remembered && !remembered.enabled && (await this.#testifies(user, req))
    if (remembered && !doubted) return remembered
    // What rests on a device may be newer than a read that is under way.
    const shares = own && !doubted && deviceOf(own) === undefined
    return shares ? this.views.shared(accountId, own.epoch) : this.views.read(accountId)
  }

  /** The host's own user table says that there is a second factor. */
  async #testifies(user: Express.User, req: Request): Promise<boolean> {
    return this.settings.isEnrolled !== null && Boolean(await this.settings.isEnrolled(user, req))
  }

  /**
   * What the host demands of a user without a second factor.
   *
   * @throws UnavailableError when the host knows that there is one
   */
  async demandOn(
    user: Express.User,
    req: Request,
    { enabled, disabledAt, mustEnrol }: AccountView,
  ): Promise<Demand> {
    if (enabled) return { required: false, graceUntil: null }
    if (mustEnrol) return { required: true, graceUntil: null }
    if (!disabledAt && (await this.#testifies(user, req))) {
      throw new UnavailableError(
        'By isEnrolled an account has a second factor, and the store has neither one nor its disabling on record: ' +
          'is it the right database, and whole?',
      )
    }
    return this.policyOn(user, req)
  }

  /** What the host demands of this user, enrolled or not. */
  async policyOn(user: Express.User, req: Request): Promise<Demand> {
    const { policy, now } = this.settings
    return demandOf(policy ? await policy(user, req) : 'optional', now())
  }

  /** Somebody else has asked for a second factor. Whoever was recovered enrols first all the same. */
  async isSkipped(user: Express.User, req: Request, { mustEnrol }: AccountView): Promise<boolean> {
    if (mustEnrol || this.settings.skip === null) return false
    return (await this.settings.skip(user, req)) === true
  }

  #becomeVerified(req: Request, account: SessionAccount, marker: VerifiedMarker, enrolled: boolean): void {
    const state = stateOf(req) as RequestState
    state.becomeVerified(account, marker.method, marker.verifiedAt, enrolled)
    // Told once, on the page to which the user was led back, also where that is one of ours.
    const ledBack = marker.returnTo === undefined || !state.isExempt(req)
    if (marker.notSent && isNavigation(req) && ledBack) {
      delete marker.notSent
      state.formNotSent = true
    }
  }

  #becomeUnenrolled(state: RequestState, account: SessionAccount, { graceUntil }: Demand): void {
    state.become('unenrolled', account)
    state.graceUntil = graceUntil
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

/** Nothing is known of the account, so for this request nobody is logged in. What is stored stays as it is. */
function closeInDoubt(req: Request, state: RequestState): void {
  withhold(req)
  setUser(req, undefined)
  state.become('unavailable', null)
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

/** The marker of a login whose second factor somebody else has asked for. */
export function skippedMarker(account: SessionAccount, epoch: number, loginAt: number): VerifiedMarker {
  return {
    state: 'verified',
    accountId: account.id,
    epoch,
    loginAt,
    method: 'single-sign-on',
    verifiedAt: null,
    csrf: newCsrfSecret(),
  }
}

function deviceOf(marker: Marker): string | undefined {
  return marker.state === 'verified' ? marker.device : undefined
}
