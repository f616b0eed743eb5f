import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { ConfigurationError } from '../errors'
import type { Answers } from '../pages/answers'
import { isNavigation } from '../pages/callers'
import type { Settings } from '../settings'
import { save, sessionOf } from './express-sessions'
import { handOn } from './hand-on'
import type { LoginHook } from './login-hook'
import { isHeld, ownMarker } from './marker'
import { withoutRevival } from './no-revival'
import { hasPassportUser, userOf } from './passport-session'
import { type RequestState, type Site, startState } from './request-factor'
import { ownPath } from './return-to'
import type { Settler } from './settle'

/**
 * The middleware between `passport.session()` and everything that asks who is logged in: puts every request
 * into its state, guards `req.logIn`, and leads people with half a login to the page that completes it.
 */
export function createSession(
  settings: Settings,
  site: Site,
  settler: Settler,
  loginHook: LoginHook,
  answers: Answers,
): RequestHandler {
  return function secondFactorSession(req, res, next) {
    try {
      checkOrder(req)
      const state = startState(req, site)
      if (!state) return next()
      ownMarkerOnly(req)
      withoutRevival(req, state)
      loginHook.attach(req, res, next)
      if (settler.settleAtOnce(req, state)) return goOn(req, res, state, next)
      settler
        .settle(req)
        .then(() => goOn(req, res, state, next))
        .catch(next)
    } catch (error) {
      next(error)
    }
  }

  function goOn(req: Request, res: Response, state: RequestState, next: NextFunction): void {
    if (isHeldState(state) && isNavigation(req) && !state.isExempt(req))
      leadOn(req, res, state).catch(handOn(settings, next))
    else next()
  }

  async function leadOn(req: Request, res: Response, state: RequestState): Promise<void> {
    const marker = sessionOf(req).secondFactor
    // Nobody wants to come back to signing out.
    const path = state.isOpen(req) ? null : ownPath(req.originalUrl)
    if (isHeld(marker) && path && marker.returnTo !== path) {
      marker.returnTo = path
      await save(req)
    }
    answers.redirect(req, res, state.wayTo(state.state === 'pending' ? 'challenge' : 'enable'))
  }
}

function isHeldState({ state }: RequestState): boolean {
  return state === 'pending' || state === 'must-enrol'
}

/** For all that look at this request's session after us. */
function ownMarkerOnly(req: Request): void {
  const session = sessionOf(req)
  if (session.secondFactor !== undefined && !ownMarker(session)) {
    Object.defineProperty(session, 'secondFactor', {
      value: undefined,
      configurable: true,
      enumerable: true,
      writable: true,
    })
  }
}

/** In any other order logins would go by unseen, so nothing goes on. */
function checkOrder(req: Request): void {
  if (
    !req.session ||
    typeof req.logIn !== 'function' ||
    (hasPassportUser(req) && userOf(req) === undefined)
  ) {
    throw new ConfigurationError(
      'SF_ORDER',
      'Mount secondFactor.session() after passport.session(): app.use(session(...)), app.use(passport.session()), ' +
        'app.use(secondFactor.session())',
    )
  }
}
