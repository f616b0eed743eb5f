import type { Request, Response } from 'express'
import type { AccountStatus } from '../account/accounts'
import { isOwner } from '../session/owner'
import type { RequestState } from '../session/request-factor'
import { isFresh } from '../session/require-second-factor'
import { turnAway } from '../session/turn-away'
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
  if (!isOwner(rooms.settings, req, state)) state.become('anonymous', null)
  let status: AccountStatus | null = null
  if (route.reads && state.account) {
    status = await rooms.views.read(state.account.id)
    await rooms.settler.settle(req, status)
  }
  const maxAge = typeof route.maxAge === 'function' ? route.maxAge(rooms.settings) : route.maxAge
  const stale =
    state.state === 'verified' && maxAge !== undefined && !isFresh(state, maxAge, rooms.settings.now())
  if (route.admits !== 'anybody' && route.admits.includes(state.state as SessionState) && !stale)
    return { status }
  await turnAway(rooms.settings, rooms.answers, req, res, state, { otherwise: state.base })
  return null
}
