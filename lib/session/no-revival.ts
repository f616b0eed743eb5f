import type { Request } from 'express'
import { guardSave, sessionOf, storedSession } from './express-sessions'
import { type AppSession, isHeld } from './marker'
import { hasPassportUser } from './passport-session'
import type { RequestState } from './request-factor'

/** Milliseconds within which a request without a body writes its session without another look. */
const QUICK = 1000

/**
 * A session is what it was when its request began, and express-session writes it whole: a request that is held back,
 * by a slow body or a slow answer, would bring a session back to life that was signed out meanwhile, its proof
 * included. So before such a request writes the session of somebody who is logged in, the store is asked whether it
 * is still there; if not, nothing is written.
 */
export function withoutRevival(req: Request, state: RequestState): void {
  const session = sessionOf(req)
  if (!isSomebodys(req, session)) return
  guardSave(session, () => {
    const quick = !hasBody(req) && performance.now() - state.begunAt < QUICK
    return (
      quick || storedSession(req, session.id).then((stored) => stored !== null && isSomebodys(req, stored))
    )
  })
}

/** Somebody is logged in with it, or half so. */
function isSomebodys(req: Request, session: AppSession): boolean {
  return hasPassportUser(req, session) || isHeld(session.secondFactor)
}

function hasBody(req: Request): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
}
