import type { Request, Response } from 'express'
import type { Settings } from '../options'
import type { Answers } from '../pages/answers'
import { isNavigation, isProgram } from '../pages/callers'
import { save, sessionOf } from './express-sessions'
import type { RequestState } from './request-factor'
import { ownPath, refererPath } from './return-to'

/**
 * Answers a request whose state does not get it through: people are led to where they can go on, and afterwards
 * back; programs are told.
 *
 * @param otherwise where people return who cannot be brought back to this request: a form is not sent again
 */
export async function turnAway(
  settings: Settings,
  answers: Answers,
  req: Request,
  res: Response,
  state: RequestState,
  otherwise: string,
): Promise<void> {
  const { challengeUrl, enableUrl } = state
  const program = isProgram(req)
  switch (state.state) {
    case 'unavailable':
      return answers.problem(req, res, { code: 'unavailable' })
    case 'anonymous':
      if (program) return answers.problemJson(req, res, { code: 'not_authenticated' })
      await rememberForLogin(req)
      return answers.redirect(req, res, settings.loginUrl)
    case 'pending':
      if (program) return answers.problemJson(req, res, { code: 'second_factor_required' }, { challengeUrl })
      await remember(req, pageOf(req))
      return answers.redirect(req, res, challengeUrl)
    case 'must-enrol':
      if (program) return answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl })
      return answers.redirect(req, res, enableUrl)
    case 'unenrolled':
      if (program) return answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl })
      await remember(req, pageOf(req) ?? refererOf(req) ?? otherwise)
      return answers.redirect(req, res, enableUrl)
    case 'verified':
      // But too long ago.
      if (program) return answers.problemJson(req, res, { code: 'step_up_required' }, { challengeUrl })
      await remember(req, pageOf(req) ?? refererOf(req) ?? otherwise)
      return answers.redirect(req, res, challengeUrl)
  }
}

/** The page that somebody is on the way to. */
function pageOf(req: Request): string | null {
  return isNavigation(req) ? ownPath(req.originalUrl) : null
}

/** The page that a form was sent from. */
function refererOf(req: Request): string | null {
  return refererPath(req.headers.referer, req.headers.host)
}

async function remember(req: Request, path: string | null): Promise<void> {
  const marker = sessionOf(req).secondFactor
  if (!marker || path === null) return
  marker.returnTo = path
  await save(req)
}

/** For the host's login: the convention that Passport's `successReturnToOrRedirect` reads. */
async function rememberForLogin(req: Request): Promise<void> {
  const path = pageOf(req)
  if (path === null) return
  sessionOf(req).returnTo = path
  await save(req)
}
