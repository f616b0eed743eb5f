import { type Request, type Response, Router } from 'express'
import { answering } from '../routes/answering'
import { readBody } from '../routes/body'
import { formProblem } from '../routes/genuine'
import { knownStateOf } from '../session/request-factor'
import { leaveIfSignedOut } from '../session/signed-out'
import type { AdminRooms } from './admin-rooms'
import type { AdminRoute } from './admin-route'
import { AdminVisit } from './admin-visit'
import { admitAdmin } from './admit-admin'
import { adminRecoveryRoutes } from './recovery'
import { resetRoutes } from './reset'
import { usersRoutes } from './users'
import { usersCsvRoutes } from './users-csv'

/** Everything that the administrator's router serves. */
export const adminRoutes: readonly AdminRoute[] = [
  ...usersRoutes,
  ...usersCsvRoutes,
  ...resetRoutes,
  ...adminRecoveryRoutes,
]

export function createAdminRouter(rooms: AdminRooms): Router {
  const router = Router()
  for (const route of adminRoutes) {
    // There are none to see where the app has no option `recovery`.
    if (!rooms.recovery && adminRecoveryRoutes.includes(route)) continue
    router[route.method](
      route.path,
      answering(rooms, (req, res) => serve(rooms, route, req, res)),
    )
  }
  return router
}

/**
 * The order of checks: session, the host's permission, a fresh second factor, forgery, shape, and then what the
 * handler says: state, lock, code. The body is read before all of them, as everywhere.
 */
async function serve(rooms: AdminRooms, route: AdminRoute, req: Request, res: Response): Promise<void> {
  const state = knownStateOf(req, rooms.settings)
  // A path that begins with // would be another host's.
  const base = req.baseUrl.replace(/^\/+/, '/')
  const unread = route.method === 'post' ? await readBody(req, res) : null
  if (route.method === 'post') await leaveIfSignedOut(req, state, rooms.settings.now())
  const page = route.returnTo && `${base}${route.returnTo(req)}`
  const admitted = await admitAdmin(rooms, req, res, state, base, page)
  if (!admitted) return
  if (route.method === 'post') {
    const code = await formProblem(rooms, req, res, unread)
    if (code) {
      return rooms.answers.problem(
        req,
        res,
        code === 'malformed' ? { code, about: 'request' } : { code },
        {},
        `${base}/users`,
      )
    }
  }
  await route.handle(new AdminVisit(rooms, req, res, state, admitted.status, base))
}
