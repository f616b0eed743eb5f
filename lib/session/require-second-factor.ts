import type { Request, RequestHandler, Response } from 'express'
import { type Duration, milliseconds } from '../duration'
import { ConfigurationError } from '../errors'
import type { Settings } from '../options'
import type { Answers } from '../pages/answers'
import { isNavigation, isProgram } from '../pages/callers'
import { save, sessionOf } from './express-sessions'
import { userOf } from './passport-session'
import { type RequestState, stateOf } from './request-factor'
import { ownPath, refererPath } from './return-to'

export interface RequirementOptions {
  /** How long ago the second factor may have been proven; without it, any time in this session. */
  maxAge?: Duration
}

/** Makes the gate of a route: only requests with a proven second factor pass. */
export function createGate(
  settings: Settings,
  answers: Answers,
  options: RequirementOptions = {},
): RequestHandler {
  const maxAge = options.maxAge === undefined ? null : milliseconds(options.maxAge, 'maxAge')

  return function requireSecondFactor(req, res, next) {
    const state = stateOf(req)
    if (!state) {
      return next(
        new ConfigurationError(
          'SF_SESSION_MISSING',
          'requireSecondFactor() needs app.use(secondFactor.session()) before it, after passport.session()',
        ),
      )
    }
    if (
      state.state === 'verified' &&
      userOf(req) &&
      (maxAge === null || isFresh(state, maxAge, settings.now()))
    ) {
      return next()
    }
    refuse(req, res, state).catch(next)
  }

  async function refuse(req: Request, res: Response, state: RequestState): Promise<void> {
    const { challengeUrl, enableUrl } = state
    switch (state.state) {
      case 'unavailable':
        return answers.problem(req, res, { code: 'unavailable' })
      case 'pending':
        if (isProgram(req))
          return answers.problemJson(req, res, { code: 'second_factor_required' }, { challengeUrl })
        return answers.redirect(req, res, challengeUrl)
      case 'must-enrol':
      case 'unenrolled':
        if (isProgram(req))
          return answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl })
        await rememberTarget(req, settings.returnTo)
        return answers.redirect(req, res, enableUrl)
      case 'verified':
        if (userOf(req)) {
          if (isProgram(req))
            return answers.problemJson(req, res, { code: 'step_up_required' }, { challengeUrl })
          await rememberTarget(req, settings.returnTo)
          return answers.redirect(req, res, challengeUrl)
        }
    }
    if (isProgram(req)) return answers.problemJson(req, res, { code: 'not_authenticated' })
    await rememberLoginTarget(req)
    answers.redirect(req, res, settings.loginUrl)
  }
}

export function isFresh({ verifiedAt }: RequestState, maxAge: number, now: number): boolean {
  if (verifiedAt === null) return false
  const age = now - verifiedAt.getTime()
  // A proof from the future was made under another clock: not fresh.
  return age >= 0 && age <= maxAge
}

/** A page is come back to; a form cannot be sent again, so its user returns to the page it was on. */
export async function rememberTarget(req: Request, otherwise: string): Promise<void> {
  const marker = sessionOf(req).secondFactor
  if (!marker) return
  marker.returnTo =
    (isNavigation(req) ? ownPath(req.originalUrl) : refererPath(req.headers.referer, req.headers.host)) ??
    otherwise
  await save(req)
}

/** For the host's login: the convention that Passport's `successReturnToOrRedirect` reads. */
export async function rememberLoginTarget(req: Request): Promise<void> {
  const path = isNavigation(req) ? ownPath(req.originalUrl) : null
  if (!req.session || path === null) return
  sessionOf(req).returnTo = path
  await save(req)
}
