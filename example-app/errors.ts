import type { ErrorRequestHandler, RequestHandler } from 'express'
import { isProgram, sendProblem } from './callers'

/** What nobody else has answered. */
export const notFound: RequestHandler = (req, res) => {
  const title = 'There is no such page'
  const detail = 'The address may be mistyped or out of date.'
  if (isProgram(req)) sendProblem(res, 404, 'not_found', title, detail)
  else res.status(404).render('problem', { title, detail })
}

/** Errors say what to do next; what happened is for the log. */
export const showError: ErrorRequestHandler = (error, req, res, next) => {
  const status = statusOf(error)
  // The stack alone: what the drivers add to an error may hold a session.
  if (status >= 500) console.error(error?.stack ?? String(error))
  if (res.headersSent) return next(error)
  const [code, title, detail] = wordsOf(status)
  if (isProgram(req)) return sendProblem(res, status, code, title, detail)
  // The page's header asks for the session, which may be what is missing.
  res.status(status).render('problem', { title, detail, bare: true })
}

function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500
}

function wordsOf(status: number): [code: string, title: string, detail: string] {
  if (status === 413) return ['too_large', 'That is too much', 'Send less and try again.']
  if (status < 500) return ['bad_request', 'We could not read that', 'Go back and try again.']
  if (status === 503) return ['unavailable', 'We cannot do that right now', 'Try again in a few minutes.']
  return ['internal_error', 'Something went wrong', 'Try again in a few minutes.']
}
