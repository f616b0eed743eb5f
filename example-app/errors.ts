import type { ErrorRequestHandler, RequestHandler } from 'express'
import { isProgram, sendProblem } from './callers'

/** What nobody else has answered. */
export const notFound: RequestHandler = (req, res) => {
  const title = res.locals.t('problems.not_found.title')
  const detail = res.locals.t('problems.not_found.detail')
  if (isProgram(req)) sendProblem(res, 404, 'not_found', title, detail)
  else res.status(404).render('problem', { title, detail })
}

/** Errors say what to do next; what happened is for the log. */
export const showError: ErrorRequestHandler = (error, req, res, next) => {
  const status = statusOf(error)
  // The stack alone: what the drivers add to an error may hold a session.
  if (status >= 500) console.error(error?.stack ?? String(error))
  if (res.headersSent) return next(error)
  const code = codeOf(status)
  const title = res.locals.t(`problems.${code}.title`)
  const detail = res.locals.t(`problems.${code}.detail`)
  if (isProgram(req)) return sendProblem(res, status, code, title, detail)
  // The page's header asks for the session, which may be what is missing.
  res.status(status).render('problem', { title, detail, bare: true })
}

function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500
}

function codeOf(status: number): string {
  if (status === 413) return 'too_large'
  if (status < 500) return 'bad_request'
  return status === 503 ? 'unavailable' : 'internal_error'
}
