import type { NextFunction, Request, Response } from 'express'
import type { Accounts } from '../account/accounts'
import { ConfigurationError, UnavailableError } from '../errors'
import type { Reporter } from '../events/reporter'
import type { Answers } from '../pages/answers'
import { isProgram } from '../pages/callers'
import type { Settings } from '../settings'
import type { AccountViews } from './account-views'
import type { Admission } from './admission'
import { watchCookie } from './cookie-sent'
import { isHeldBy } from './demand'
import { deviceHashes } from './device-cookie'
import type { DueRecovery } from './due-recovery'
import { sessionOf, shapeNextSession } from './express-sessions'
import { handOn } from './hand-on'
import { type AccountView, heldGoesOn, judgeLogin } from './judge'
import { type HeldMarker, isHeld, type Marker, newCsrfSecret, type VerifiedMarker } from './marker'
import { noteSigningOut } from './no-revival'
import { passportUser, setUser } from './passport-session'
import { takeProof } from './proof'
import { knownStateOf, type RequestState, type SessionAccount } from './request-factor'
import { ownPath } from './return-to'
import { heldMarker, hold, type Settler, skippedMarker } from './settle'
import { isGone } from './signed-out'
import { dropWithheld } from './withhold'

/** The options of `req.logIn`; `passport.authenticate` hands over its own. */
interface LoginOptions {
  session?: boolean
  /** See `options.ts`. */
  freshLogin?: boolean
  successRedirect?: string
  successReturnToOrRedirect?: string
}

type Done = (error?: unknown) => void
type LogIn = (this: Request, user: Express.User, options: LoginOptions, done?: Done) => void
type LogOut = (this: Request, options: object, done?: Done) => void

/** One call of `req.logIn`. */
interface Login {
  req: Request
  /** When somebody has proven to the host who they are, milliseconds since 1970; 0: not at this login. */
  at: number
  user: Express.User
  account: SessionAccount
  options: LoginOptions
  /** Passport's own login: a new session with the user in it. */
  write(): Promise<void>
}

/**
 * Stands between `req.logIn` and the session. A login of an account with a second factor is written as half a
 * login from its first write on, and its callback is not called: the plugin answers the request. Only on pages
 * that half a login may use anyway the request goes on, without a user: what logs in there is no login form, but
 * something that does so at every request.
 */
export class LoginHook {
  constructor(
    private readonly settings: Settings,
    private readonly views: AccountViews,
    private readonly settler: Settler,
    private readonly admission: Admission,
    private readonly accounts: Accounts,
    private readonly answers: Answers,
    private readonly reporter: Reporter,
    private readonly due?: DueRecovery,
  ) {}

  /** Wraps the request's `logIn` and `logOut`, under all their names. */
  attach(req: Request, res: Response, next: NextFunction): void {
    const state = knownStateOf(req, this.settings)
    const logIn = req.logIn as unknown as LogIn
    const logOut = req.logout as unknown as LogOut

    const guardedLogIn = (user: Express.User, second?: LoginOptions | Done, third?: Done) => {
      const options = (typeof second === 'function' ? {} : second) ?? {}
      const done = typeof second === 'function' ? second : third
      // Passport's own test. Without a session there is nothing to hold: such a login lasts for this request.
      if (options.session !== undefined && !options.session) {
        state.become('anonymous', null)
        return logIn.call(req, user, options, done)
      }
      if (typeof done !== 'function') throw new Error('req#login requires a callback function')
      this.#logIn(req, res, user, options, logIn)
        .then((goesOn) => goesOn && done(), handOn(this.settings, done))
        .catch(next)
    }

    const guardedLogOut = (second?: object | Done, third?: Done) => {
      const options = (typeof second === 'function' ? {} : second) ?? {}
      const done = typeof second === 'function' ? (second as Done) : third
      // Before Passport copies what the session holds into the next one (keepSessionInfo).
      const takeBack = noteSigningOut(req)
      delete sessionOf(req)?.secondFactor
      dropWithheld(req)
      state.become('anonymous', null)
      const told = (error?: unknown) => {
        if (error) takeBack()
        done?.(error)
      }
      try {
        logOut.call(req, options, done && told)
      } catch (error) {
        takeBack()
        throw error
      }
    }

    req.login = req.logIn = guardedLogIn as Request['logIn']
    req.logout = req.logOut = guardedLogOut as Request['logOut']
  }

  /** Whether the login's callback is to be called: false, the answer is given. */
  async #logIn(
    req: Request,
    res: Response,
    user: Express.User,
    options: LoginOptions,
    logIn: LogIn,
  ): Promise<boolean> {
    const state = knownStateOf(req, this.settings)
    const account = this.settings.account(user)
    const proof = takeProof(req, account.id)
    if (proof) {
      const entered = await this.admission.enter(req, proof)
      if (!entered) {
        await this.answers.problem(req, res, { code: 'not_authenticated' })
        return false
      }
      const { returnTo } = entered
      // Passport reads it next.
      if (returnTo !== null && options.successReturnToOrRedirect) sessionOf(req).returnTo = returnTo
      setUser(req, user)
      return true
    }

    const at = options.freshLogin === false ? 0 : this.settings.now()
    const write = async () => {
      await promised(logIn, req, user, options)
      watchCookie(req)
    }
    const login: Login = { req, at, user, account, options, write }
    let view: AccountView
    let verdict: { as: HeldMarker['state'] } | { marker: Marker }
    try {
      view = await this.#look(login)
      verdict = await this.#judge(login, view)
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      this.settings.onUnavailable(error)
      await this.answers.problem(req, res, { code: 'unavailable' })
      return false
    }

    if ('marker' in verdict) {
      await this.#goOn(login, verdict.marker, view)
      return true
    }
    await this.#hold(login, view, verdict.as)
    if (state.isOpen(req)) return true
    await this.#answerHeld(req, res, state)
    return false
  }

  /** The account as it is now: a recovery whose time has come is carried out first. */
  async #look({ req, at, account }: Login): Promise<AccountView> {
    const status = await this.views.read(account.id)
    const present = sessionOf(req).secondFactor
    const proven =
      present?.state === 'verified' && present.accountId === account.id && present.epoch === status.epoch
    // Whoever has a second factor after all loses nothing, and nothing is lost by a cookie that logs in.
    if (!this.due || proven || at === 0) return status
    return (await this.due.complete(req, account.id, status)) ?? status
  }

  /** Held, or let in: with the proof that this session has, with what stands in for one, or since none is needed. */
  async #judge(
    { req, at: loginAt, user, account }: Login,
    view: AccountView,
  ): Promise<{ as: HeldMarker['state'] } | { marker: Marker }> {
    const { epoch } = view
    const demand = await this.settler.demandOn(user, req, view)
    const present = sessionOf(req).secondFactor
    const known = present?.accountId === account.id && present.epoch === epoch ? present : undefined
    // A proof goes into the next session only from one that is still there.
    const own = known?.state === 'verified' && (await isGone(req)) ? undefined : known
    const judged = judgeLogin(own, account.id, view, isHeldBy(demand))
    // What is over proves nothing for a new login.
    const judgement =
      judged.verdict === 'log-out' ? judgeLogin(undefined, account.id, view, isHeldBy(demand)) : judged
    if (judgement.verdict === 'keep' && judgement.marker.state === 'verified') {
      return { marker: { ...judgement.marker, loginAt } }
    }
    if (await this.settler.isSkipped(user, req, view))
      return { marker: skippedMarker(account, epoch, loginAt) }
    if (judgement.verdict !== 'hold') {
      return { marker: { state: 'unenrolled', accountId: account.id, epoch, loginAt, csrf: newCsrfSecret() } }
    }
    const trusted = judgement.as === 'pending' ? await this.#trusted(req, account) : null
    return trusted ? { marker: { ...trusted, loginAt } } : { as: judgement.as }
  }

  /** The marker of a login in a browser that is trusted, once that is on record. */
  async #trusted(req: Request, account: SessionAccount): Promise<Omit<VerifiedMarker, 'loginAt'> | null> {
    const hashes = this.settings.trustAge > 0 ? deviceHashes(req) : []
    if (hashes.length === 0) return null
    const used = await this.accounts.useDevice(account.id, hashes)
    if (!used) return null
    return {
      state: 'verified',
      accountId: account.id,
      epoch: used.epoch,
      method: 'trusted-device',
      verifiedAt: null,
      device: used.device.id,
      csrf: newCsrfSecret(),
    }
  }

  /** Half a login. One of the same account that goes on is kept by what logs in at every request. */
  async #hold(
    { req, at: loginAt, account, options, write }: Login,
    view: AccountView,
    as: HeldMarker['state'],
  ): Promise<void> {
    const now = this.settings.now()
    const present = sessionOf(req).secondFactor
    const goesOn = isHeld(present) && present.accountId === account.id && heldGoesOn(present, now, view)
    if (!goesOn || this.#beginsAnew(req, options)) {
      const returnTo = (goesOn && present.returnTo) || destination(req, options)
      const marker = heldMarker({ state: as, account, epoch: view.epoch, loginAt, heldAt: now })
      shapeNextSession(req, (session) => {
        hold(req, session, { ...marker, ...(returnTo && { returnTo }) })
        delete session.returnTo
      })
      await write()
      this.reporter.tell(req, as === 'pending' ? 'challenged' : 'policy-held', account.id, {})
    }
    if (!isHeld(sessionOf(req).secondFactor) || passportUser(req) !== undefined) throw unknownPassport()
    setUser(req, undefined)
    knownStateOf(req, this.settings).become(as, account)
  }

  /**
   * Somebody has just given a password, and gets a session of their own: the one that they came with may be known to
   * whoever put it into their browser (OWASP: session fixation). What logs in at every request says so, or asks for pages.
   */
  #beginsAnew(req: Request, { freshLogin }: LoginOptions): boolean {
    if (freshLogin !== undefined) return freshLogin
    const state = knownStateOf(req, this.settings)
    const changes = !['GET', 'HEAD', 'OPTIONS'].includes(req.method)
    return state.isLogin(req) || (changes && !state.isOpen(req))
  }

  /** A whole login. */
  async #goOn({ req, account, write }: Login, marker: Marker, { enabled }: AccountView): Promise<void> {
    const { returnTo } = sessionOf(req)
    shapeNextSession(req, (session) => {
      session.secondFactor = marker
      // Our gate may have sent the user to the login; Passport reads this for successReturnToOrRedirect.
      if (returnTo !== undefined) session.returnTo = returnTo
    })
    await write()
    if (sessionOf(req).secondFactor !== marker) throw unknownPassport()
    const state = knownStateOf(req, this.settings)
    if (marker.state !== 'verified') return state.become('unenrolled', account)
    state.becomeVerified(account, marker.method, marker.verifiedAt, enabled)
    if (marker.verifiedAt === null) {
      this.reporter.tell(req, 'verified', account.id, { method: marker.method, purpose: 'login' })
    }
  }

  async #answerHeld(req: Request, res: Response, state: RequestState): Promise<void> {
    const pending = state.state === 'pending'
    const url = state.wayTo(pending ? 'challenge' : 'enable')
    if (!isProgram(req)) return this.answers.redirect(req, res, url)
    const { token: csrfToken } = this.answers.formToken(req, res)
    if (pending)
      this.answers.problemJson(req, res, { code: 'second_factor_required' }, { challengeUrl: url, csrfToken })
    else this.answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl: url, csrfToken })
  }
}

/** Where this login is to go: where a gate stopped the user, else where the login's route would have sent it. */
function destination(req: Request, options: LoginOptions): string | null {
  const redirect = options.successReturnToOrRedirect ?? options.successRedirect
  return ownPath(sessionOf(req).returnTo) ?? (typeof redirect === 'string' ? redirect : null)
}

function promised(logIn: LogIn, req: Request, user: Express.User, options: LoginOptions): Promise<void> {
  return new Promise((resolve, reject) =>
    logIn.call(req, user, options, (error) => (error ? reject(error) : resolve())),
  )
}

function unknownPassport(): ConfigurationError {
  return new ConfigurationError(
    'SF_PASSPORT_VERSION',
    'A login did not make a new session: express-second-factor needs Passport 0.6 or later with express-session',
  )
}
