import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { ConfigurationError } from '../errors'
import type { Settings } from '../options'
import type { Answers } from '../pages/answers'
import { isNavigation } from '../pages/callers'
import { save, sessionOf } from './express-sessions'
import type { LoginHook } from './login-hook'
import { isHeld } from './marker'
import { passportUser, userOf } from './passport-session'
import { begin, type RequestState, stateOf } from './request-factor'
import { ownPath } from './return-to'
import type { Settler } from './settle'

/**
 * The middleware between `passport.session()` and everything that asks who is logged in: puts every request
 * into its state, guards `req.logIn`, and leads people with half a login to the page that completes it.
 *
 * @param isRoute whether the router serves a path (below where it is mounted)
 */
export function createSession(
  settings: Settings,
  settler: Settler,
  loginHook: LoginHook,
  answers: Answers,
  isRoute: (path: string) => boolean,
): RequestHandler {
  const loginPath = settings.loginUrl.split(/[?#]/)[0]

  return function secondFactorSession(req, res, next) {
    if (stateOf(req)) return next()
    const state = begin(req, settings.path, isRoute)
    // express-session leaves requests without a session where its store is away or the path is not its own.
    if (!req.session) return next()
    try {
      checkOrder(req)
      loginHook.attach(req, res)
      if (settler.settleAtOnce(req, state)) return goOn(req, res, state, next)
    } catch (error) {
      return next(error)
    }
    settler.settle(req).then(() => goOn(req, res, state, next), next)
  }

  function goOn(req: Request, res: Response, state: RequestState, next: NextFunction): void {
    if (isHeldState(state) && isNavigation(req) && !isExempt(req, state)) leadOn(req, res, state).catch(next)
    else next()
  }

  async function leadOn(req: Request, res: Response, state: RequestState): Promise<void> {
    const marker = sessionOf(req).secondFactor
    const path = ownPath(req.originalUrl)
    if (isHeld(marker) && path && marker.returnTo !== path) {
      marker.returnTo = path
      await save(req)
    }
    answers.redirect(req, res, state.state === 'pending' ? state.challengeUrl : state.enableUrl)
  }

  function isExempt(req: Request, state: RequestState): boolean {
    return state.isOwn(req) || req.originalUrl.split('?')[0] === loginPath
  }
}

function isHeldState({ state }: RequestState): boolean {
  return state === 'pending' || state === 'must-enrol'
}

function checkOrder(req: Request): void {
  if (typeof req.logIn !== 'function' || (passportUser(req) !== undefined && userOf(req) === undefined)) {
    throw new ConfigurationError(
      'SF_ORDER',
      'Mount secondFactor.session() after passport.session(): app.use(session(...)), app.use(passport.session()), ' +
        'app.use(secondFactor.session())',
    )
  }
}
