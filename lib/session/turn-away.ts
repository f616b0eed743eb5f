import type { Request, Response } from 'express'
import type { Method } from '../account/record'
import type { Answers } from '../pages/answers'
import { isNavigation, isProgram } from '../pages/callers'
import type { Settings } from '../settings'
import { save, sessionOf } from './express-sessions'
import type { RequestState } from './request-factor'
import { ownPath, refererPath } from './return-to'

/** What a gate wants besides. */
export interface Wish {
  /** Where people return who cannot be brought back to this request: a form is not sent again. */
  otherwise: string
  /** The same, where the gate names it itself. */
  returnTo?: string | undefined
  /** The page to come back to, where the request was for none: a file that is saved. */
  page?: string | undefined
  /** The kinds of code that will do. */
  demands?: { methods: Method[] } | undefined
}

/**
 * Answers a request whose state does not get it through: people are led to where they can go on, and afterwards
 * back; programs are told.
 */
export async function turnAway(
  settings: Settings,
  answers: Answers,
  req: Request,
  res: Response,
  state: RequestState,
  wish: Wish,
): Promise<void> {
  const program = isProgram(req)
  switch (state.state) {
    case 'unavailable':
      return answers.problem(req, res, { code: 'unavailable' })
    case 'anonymous':
      if (program) return answers.problemJson(req, res, { code: 'not_authenticated' })
      await rememberForLogin(req)
      return answers.redirect(req, res, settings.loginUrl)
    case 'pending': {
      const challengeUrl = state.wayTo('challenge')
      if (program) return answers.problemJson(req, res, { code: 'second_factor_required' }, { challengeUrl })
      await remember(req, pageOf(req))
      return answers.redirect(req, res, challengeUrl)
    }
    case 'must-enrol': {
      const enableUrl = state.wayTo('enable')
      if (program) return answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl })
      return answers.redirect(req, res, enableUrl)
    }
    case 'unenrolled':
      return toEnrol(req, res, answers, state, wish)
    case 'verified': {
      // By a provider, and this asks for a code, of which there is none.
      if (!state.enrolled) return toEnrol(req, res, answers, state, wish)
      // But too long ago, or by something else.
      await rememberDemands(req, wish)
      const challengeUrl = state.wayTo('challenge')
      if (program) {
        return answers.problemJson(req, res, { code: 'step_up_required' }, { challengeUrl, ...wish.demands })
      }
      await rememberReturn(req, wish)
      return answers.redirect(req, res, challengeUrl)
    }
  }
}

async function toEnrol(
  req: Request,
  res: Response,
  answers: Answers,
  state: RequestState,
  wish: Wish,
): Promise<void> {
  const enableUrl = state.wayTo('enable')
  if (isProgram(req)) return answers.problemJson(req, res, { code: 'enrolment_required' }, { enableUrl })
  await rememberReturn(req, wish)
  answers.redirect(req, res, enableUrl)
}

/** Where a session goes on once it has what it lacks, and whether a form got lost on the way. */
async function rememberReturn(req: Request, { otherwise, returnTo, page: named }: Wish): Promise<void> {
  const marker = sessionOf(req).secondFactor
  if (!marker) return
  const page = named ?? pageOf(req)
  const path = page ?? returnTo ?? refererOf(req) ?? otherwise
  const notSent = page === null
  if (marker.returnTo === path && Boolean(marker.notSent) === notSent) return
  marker.returnTo = path
  if (notSent) marker.notSent = true
  else delete marker.notSent
  await save(req)
}

async function rememberDemands(req: Request, { demands }: Wish): Promise<void> {
  const marker = sessionOf(req).secondFactor
  if (!marker || JSON.stringify(marker.demands) === JSON.stringify(demands)) return
  // What a page asks for in the background does not lead away from where somebody is going. Where nobody is, it is a
  // single-page app that asks, and what it asked for last counts.
  if (!demands && marker.returnTo !== undefined && req.headers['sec-fetch-dest'] === 'empty') return
  if (demands) marker.demands = demands
  else delete marker.demands
  await save(req)
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
  if (!marker || path === null || marker.returnTo === path) return
  marker.returnTo = path
  await save(req)
}

/** For the host's login: the convention that Passport's `successReturnToOrRedirect` reads. */
async function rememberForLogin(req: Request): Promise<void> {
  const path = pageOf(req)
  if (path === null || sessionOf(req).returnTo === path) return
  sessionOf(req).returnTo = path
  await save(req)
}
