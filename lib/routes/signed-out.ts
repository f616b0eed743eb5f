import type { Request } from 'express'
import { isStored } from '../session/express-sessions'
import { setUser } from '../session/passport-session'
import type { RequestState } from '../session/request-factor'

/** Milliseconds that a pending session's code may take from the beginning of its request without another look. */
const SLOW = 1000

/**
 * A session is what it was when its request began. Before a form changes anything it is looked up again: it may
 * have been signed out while the body was held back, and what we save would bring it back to life. Half a login
 * has nothing to bring back but itself, so that its usual, quick code costs no further look.
 *
 * @throws UnavailableError when the session store does not answer
 */
export async function leaveIfSignedOut(req: Request, state: RequestState): Promise<void> {
  if (state.state === 'anonymous' || state.state === 'unavailable') return
  if (state.state === 'pending' && performance.now() - state.begunAt < SLOW) return
  if (await isStored(req)) return
  state.become('anonymous', null)
  setUser(req, undefined)
  // An empty session in its place: hosts count on there being one.
  req.sessionStore.generate(req)
}
