import express, { type Request, type Response } from 'express'
import type { ProblemCode } from '../errors'
import { isStored } from '../session/express-sessions'
import { setUser } from '../session/passport-session'
import type { RequestState } from '../session/request-factor'

/** Far more than any of our forms. */
const LIMIT = '16kb'
/** Milliseconds after which a session is looked up again: it may have been signed out while its body was held back. */
const SLOW = 1000

const parsers = [express.urlencoded({ extended: false, limit: LIMIT }), express.json({ limit: LIMIT })]

/** Reads a form or JSON into `req.body`, unless the host has done so; what is wrong with it, or null. */
export async function readBody(
  req: Request,
  res: Response,
  state: RequestState,
): Promise<ProblemCode | null> {
  const begun = performance.now()
  let problem: ProblemCode | null = null
  for (const parse of parsers) {
    const error = await new Promise<unknown>((resolve) => parse(req, res, resolve))
    if (error) problem ??= (error as { status?: number }).status === 413 ? 'too_large' : 'malformed'
  }
  if (performance.now() - begun > SLOW && !(await isStored(req))) leave(req, state)
  return problem
}

/** The session is no more: nobody is logged in, and nothing of it is written again. */
function leave(req: Request, state: RequestState): void {
  state.become('anonymous', null)
  setUser(req, undefined)
  Object.assign(req, { session: undefined })
}
