import type { Request, Response } from 'express'
import { isNavigation, isProgram } from '../pages/callers'
import { save, sessionOf } from '../session/express-sessions'
import type { RequestState } from '../session/request-factor'
import { rememberLoginTarget, rememberTarget } from '../session/require-second-factor'
import { ownPath } from '../session/return-to'
import type { Rooms } from './rooms'

/** Leads a session to where it can go on: people are sent there, programs are told. */
export async function turnAway(
  rooms: Rooms,
  req: Request,
  res: Response,
  state: RequestState,
): Promise<void> {
  const { answers, settings } = rooms
  const { challengeUrl, enableUrl } = state
  const program = isProgram(req)
  switch (state.state) {
    case 'unavailable':
      return answers.problem(req, res, { code: 'unavailable' })
    case 'anonymous':
      if (program) return answers.problemJson(req, res, { code: 'not_authenticated' })
      await rememberLoginTarget(req)
      return answers.redirect(req, res, settings.loginUrl)
    case 'pending':
      if (program) return answers.problemJson(req, res, { code: 'second_factor_required' }, { challengeUrl })
      await comeBack(req)
      return answers.redirect(req, res, challengeUrl)
    case 'must-enrol':
      if (program) return answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl })
      return answers.redirect(req, res, enableUrl)
    default:
      // Verified, but too long ago.
      if (program) return answers.problemJson(req, res, { code: 'step_up_required' }, { challengeUrl })
      await rememberTarget(req, state.base)
      return answers.redirect(req, res, challengeUrl)
  }
}

async function comeBack(req: Request): Promise<void> {
  const marker = sessionOf(req).secondFactor
  const path = isNavigation(req) ? ownPath(req.originalUrl) : null
  if (!marker || !path) return
  marker.returnTo = path
  await save(req)
}
