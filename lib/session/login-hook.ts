import type { Request, Response } from 'express'
import { UnavailableError } from '../errors'
import type { Settings } from '../options'
import type { Answers } from '../pages/answers'
import { isProgram } from '../pages/callers'
import type { AccountViews } from './account-views'
import type { Admission, Proof } from './admission'
import { sessionOf, shapeNextSession } from './express-sessions'
import { type AccountView, heldGoesOn, judgeLogin } from './judge'
import { isHeld, type Marker, newCsrfSecret } from './marker'
import { setUser } from './passport-session'
import { type RequestState, type SessionAccount, stateOf } from './request-factor'
import { ownPath } from './return-to'
import { heldMarker, hold, type Settler } from './settle'

/** The options of `req.logIn`; `passport.authenticate` hands over its own. */
interface LoginOptions {
  session?: boolean
  keepSessionInfo?: boolean
  successRedirect?: string
  successReturnToOrRedirect?: string
}

type Done = (error?: unknown) => void
type LogIn = (this: Request, user: Express.User, options: LoginOptions, done?: Done) => void
type LogOut = (this: Request, options: object, done?: Done) => void

const proofs = new WeakMap<Request, Proof>()

/** A strategy has proven a second factor: the `req.logIn` that Passport calls next lets the session in. */
export function recordProof(req: Request, proof: Proof): void {
  proofs.set(req, proof)
}

/**
 * Stands between `req.logIn` and the session. A login of an account with a second factor is written as half a
 * login from its first write on, and its callback waits for the factor, that is: it is not called in this request.
 */
export class LoginHook {
  constructor(
    private readonly settings: Settings,
    private readonly views: AccountViews,
    private readonly settler: Settler,
    private readonly admission: Admission,
    private readonly answers: Answers,
  ) {}

  /** Wraps the request's `logIn` and `logOut`, under all their names. */
  attach(req: Request, res: Response): void {
    const logIn = req.logIn as unknown as LogIn
    const logOut = req.logout as unknown as LogOut

    const guardedLogIn = (user: Express.User, second?: LoginOptions | Done, third?: Done) => {
      const options = (typeof second === 'function' ? {} : second) ?? {}
      const done = typeof second === 'function' ? second : third
      // Without a session there is nothing to hold: such a login lasts for this request only.
      if (options.session === false) return logIn.call(req, user, options, done)
      if (typeof done !== 'function') throw new Error('req#login requires a callback function')
      this.#logIn(req, res, user, options, logIn).then((goesOn) => goesOn && done(), done)
    }

    const guardedLogOut = (second?: object | Done, third?: Done) => {
      const options = (typeof second === 'function' ? {} : second) ?? {}
      const done = typeof second === 'function' ? (second as Done) : third
      // Before Passport copies what the session holds into the next one (keepSessionInfo).
      delete sessionOf(req)?.secondFactor
      stateOf(req)?.become('anonymous', null)
      proofs.delete(req)
      logOut.call(req, options, done)
    }

    Object.assign(req, {
      login: guardedLogIn,
      logIn: guardedLogIn,
      logout: guardedLogOut,
      logOut: guardedLogOut,
    })
  }

  /** Whether the login's callback is to be called: false, the answer is given. */
  async #logIn(
    req: Request,
    res: Response,
    user: Express.User,
    options: LoginOptions,
    logIn: LogIn,
  ): Promise<boolean> {
    const state = stateOf(req) as RequestState
    const account = this.settings.account(user)

    const proof = proofs.get(req)
    if (proof?.accountId === account.id) {
      proofs.delete(req)
      const returnTo = await this.admission.enter(req, proof)
      // Passport reads it next.
      if (returnTo !== null && options.successReturnToOrRedirect) sessionOf(req).returnTo = returnTo
      setUser(req, user)
      return true
    }

    let view: AccountView
    try {
      view = await this.views.read(account.id)
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      await this.answers.problem(req, res, { code: 'unavailable' })
      return false
    }

    const required = !view.enabled && (await this.settler.isRequired(user, req))
    const present = sessionOf(req).secondFactor
    const judgement = judgeLogin(
      present?.epoch === view.epoch ? present : undefined,
      account.id,
      view,
      required,
    )
    if (judgement.verdict !== 'hold') {
      await this.#goOn(req, account, view.epoch, () => promised(logIn, req, user, options))
      return true
    }
    await this.#hold(
      req,
      account,
      view.epoch,
      judgement.as,
      () => promised(logIn, req, user, options),
      options,
    )
    // On our own pages the request goes on, without a user: there the callback is never that of a login form,
    // but of something that logs in at every request.
    if (state.isOwn(req)) return true
    await this.#answerHeld(req, res, state)
    return false
  }

  /** Half a login. One of the same account that goes on is kept: remember-me logs in at every request. */
  async #hold(
    req: Request,
    account: SessionAccount,
    epoch: number,
    as: 'pending' | 'must-enrol',
    logIn: () => Promise<void>,
    options: LoginOptions,
  ): Promise<void> {
    const present = sessionOf(req).secondFactor
    const view = { epoch, enabled: as === 'pending' }
    const goesOn =
      isHeld(present) &&
      present.state === as &&
      present.accountId === account.id &&
      heldGoesOn(present, this.settings.now(), view)
    if (!goesOn) {
      const returnTo = destination(req, options)
      shapeNextSession(req, (session) => {
        hold(
          session,
          { ...heldMarker(as, account, epoch, this.settings.now()), ...(returnTo && { returnTo }) },
          req,
        )
        delete session.returnTo
      })
      await logIn()
    }
    setUser(req, undefined)
    stateOf(req)?.become(as, account)
  }

  /** A whole login. A proof that this session already has of the same account stays with it. */
  async #goOn(
    req: Request,
    account: SessionAccount,
    epoch: number,
    logIn: () => Promise<void>,
  ): Promise<void> {
    const { secondFactor: present, returnTo } = sessionOf(req)
    const loginAt = this.settings.now()
    const own = present?.accountId === account.id && present.epoch === epoch ? present : null
    const marker: Marker =
      own?.state === 'verified'
        ? { ...own, loginAt }
        : { state: 'unenrolled', accountId: account.id, epoch, loginAt, csrf: newCsrfSecret() }
    shapeNextSession(req, (session) => {
      session.secondFactor = marker
      // Our gate may have sent the user to the login; Passport reads this for successReturnToOrRedirect.
      if (returnTo !== undefined) session.returnTo = returnTo
    })
    await logIn()
    const state = stateOf(req) as RequestState
    if (marker.state === 'verified') state.becomeVerified(account, marker.method, marker.verifiedAt)
    else state.become('unenrolled', account)
  }

  async #answerHeld(req: Request, res: Response, state: RequestState): Promise<void> {
    const pending = state.state === 'pending'
    const url = pending ? state.challengeUrl : state.enableUrl
    if (!isProgram(req)) this.answers.redirect(req, res, url)
    else if (pending)
      await this.answers.problem(req, res, { code: 'second_factor_required' }, { challengeUrl: url })
    else await this.answers.problem(req, res, { code: 'enrolment_required' }, { enableUrl: url })
  }
}

/** Where this login would have gone: where a gate stopped the user, else where the login's route sends it. */
function destination(req: Request, options: LoginOptions): string | null {
  const redirect = options.successReturnToOrRedirect ?? options.successRedirect
  return ownPath(sessionOf(req).returnTo) ?? (typeof redirect === 'string' ? redirect : null)
}

function promised(logIn: LogIn, req: Request, user: Express.User, options: LoginOptions): Promise<void> {
  return new Promise((resolve, reject) =>
    logIn.call(req, user, options, (error) => (error ? reject(error) : resolve())),
  )
}
