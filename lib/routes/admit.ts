import type { Request, Response } from 'express'
import type { AccountStatus } from '../account/accounts'
import { isNavigation, isProgram } from '../pages/callers'
import { save, sessionOf } from '../session/express-sessions'
import type { RequestState } from '../session/request-factor'
import { isFresh, rememberLoginTarget, rememberTarget } from '../session/require-second-factor'
import { ownPath } from '../session/return-to'
import type { Rooms } from './rooms'
import type { Route, SessionState } from './route'

/**
 * The first check of every route: is this a session that may use it? Otherwise answers, each state in its own
 * way, and says so with null.
 */
export async function admit(
  rooms: Rooms,
  route: Route,
  req: Request,
  res: Response,
  state: RequestState,
): Promise<{ status: AccountStatus | null } | null> {
  let status: AccountStatus | null = null
  if (route.reads && state.account) {
    status = await rooms.views.read(state.account.id)
    await rooms.settler.settle(req, status)
  }
  const stale =
    state.state === 'verified' &&
    route.maxAge !== undefined &&
    !isFresh(state, route.maxAge, rooms.settings.now())
  if (route.admits.includes(state.state as SessionState) && !stale) return { status }
  await turnAway(rooms, req, res, state)
  return null
}

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
