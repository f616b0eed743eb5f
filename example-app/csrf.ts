import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Request, RequestHandler } from 'express'
import { isProgram, sendProblem } from './callers'

declare module 'express-session' {
  interface SessionData {
    /** What the form tokens are made from. */
    csrf?: string
  }
}

/** Gives the views `csrfToken()`. Only who calls it gets a session: a visitor of the home page needs none. */
export const csrfTokens: RequestHandler = (req, res, next) => {
  res.locals.csrfToken = () => {
    req.session.csrf ??= randomBytes(24).toString('base64url')
    return tokenOf(req)
  }
  next()
}

/** Lets a form pass that carries the session's token: as field `_csrf`, or as header from a program. */
export const checkCsrf: RequestHandler = (req, res, next) => {
  const given = req.get('x-csrf-token') ?? req.body?._csrf
  if (equal(given, tokenOf(req))) return next()
  const title = res.locals.t('problems.csrf.title')
  const detail = res.locals.t('problems.csrf.detail')
  if (isProgram(req)) return sendProblem(res, 403, 'csrf', title, detail)
  res.status(403).render('problem', { title, detail })
}

/** Of the session's secret and its id: with the id, which every login changes, the token changes too. */
function tokenOf(req: Request): string | null {
  const { csrf } = req.session
  return csrf ? createHmac('sha256', csrf).update(req.sessionID).digest('base64url') : null
}

function equal(given: unknown, expected: string | null): boolean {
  if (typeof given !== 'string' || !expected) return false
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
