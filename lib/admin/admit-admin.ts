import type { Request, Response } from 'express'
import type { AccountStatus } from '../account/accounts'
import { isOwner } from '../session/owner'
import type { RequestState } from '../session/request-factor'
import { isFresh } from '../session/require-second-factor'
import { turnAway } from '../session/turn-away'
import type { AdminRooms } from './admin-rooms'

/**
 * The first checks of every administrator's route: a session, the host's word that this user may, a second factor,
 * and a code of it that was accepted lately. What stands in for a code never does. Otherwise answers, and says so
 * with null.
 *
 * The host is asked before freshness, so that nobody else is led to enrol or to enter a code for nothing.
 *
 * @param page where people go on after a step-up; undefined: at the page that they asked for
 */
export async function admitAdmin(
  rooms: AdminRooms,
  req: Request,
  res: Response,
  state: RequestState,
  base: string,
  page?: string,
): Promise<{ status: AccountStatus } | null> {
  if (!isOwner(rooms.settings, req, state)) state.become('anonymous', null)
  let status: AccountStatus | null = null
  if (state.account) {
    status = await rooms.views.read(state.account.id)
    await rooms.settler.settle(req, status)
  }
  if (state.state === 'verified' || state.state === 'unenrolled') {
    if ((await rooms.authorize(req)) !== true) {
      await rooms.answers.problem(req, res, { code: 'not_authorized' })
      return null
    }
    const fresh = state.state === 'verified' && isFresh(state, rooms.maxAge, rooms.settings.now())
    if (status?.enabled && fresh) return { status }
  }
  await turnAway(rooms.settings, rooms.answers, req, res, state, { otherwise: `${base}/users`, page })
  return null
}
