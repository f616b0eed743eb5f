import type { Request } from 'express'
import { isStored, sessionOf } from './express-sessions'
import { heldGoesOn } from './judge'
import { isHeld } from './marker'
import { wasEnded } from './no-revival'
import { setUser } from './passport-session'
import type { RequestState } from './request-factor'

/** Milliseconds that a pending session's code may take from the beginning of its request without another look. */
const SLOW = 1000

/**
 * A session is what it was when its request began: it may have been signed out while a body was held back or a code was
 * checked, and what we save would bring it back to life. Half a login has nothing to bring back but itself, so that its
 * usual, quick code costs no look at the store.
 *
 * @param now milliseconds since 1970
 * @throws UnavailableError when the session store does not answer
 */
export async function isSignedOut(req: Request, state: RequestState, now: number): Promise<boolean> {
  if (wasEnded(req)) return true
  const marker = sessionOf(req).secondFactor
  if (isHeld(marker) && !heldGoesOn(marker, now)) return true
  if (state.state === 'pending' && performance.now() - state.begunAt < SLOW) return false
  return isGone(req)
}

/**
 * Whether the session is no longer what this request knows it as.
 *
 * @throws UnavailableError when the session store does not answer
 */
export async function isGone(req: Request): Promise<boolean> {
  return wasEnded(req) || !(await isStored(req)) || wasEnded(req)
}

/**
 * Before anything is changed or let in: a session that was signed out meanwhile is nobody's from now on. Answers whether
 * it was.
 *
 * @param now milliseconds since 1970
 * @throws UnavailableError when the session store does not answer
 */
export async function leaveIfSignedOut(req: Request, state: RequestState, now: number): Promise<boolean> {
  if (state.state === 'anonymous' || state.state === 'unavailable') return false
  if (!(await isSignedOut(req, state, now))) return false
  state.become('anonymous', null)
  setUser(req, undefined)
  // An empty session in its place: hosts count on there being one.
  req.sessionStore.generate(req)
  return true
}
