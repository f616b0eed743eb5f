import type { AdminRoute } from './admin-route'
import type { AdminVisit } from './admin-visit'
import { userJson } from './user'
import { nullWhereMadeUp, readUsers } from './user-pages'
import { readUsersQuery, usersSearch } from './users-query'

export const usersRoutes: AdminRoute[] = [{ method: 'get', path: '/users', handle: show }]

async function show(visit: AdminVisit): Promise<void> {
  const query = readUsersQuery(visit.req)
  if (!query) return visit.problem({ code: 'malformed', about: 'request' })
  const { rooms } = visit
  const page = await readUsers(rooms, { ...query, limit: rooms.limit }).catch(nullWhereMadeUp)
  if (!page) return visit.problem({ code: 'malformed', about: 'request' })
  const { users, next } = page
  const [totals, open = null] = await Promise.all([
    rooms.totals.read(),
    visit.program ? null : rooms.openRequests?.read(),
  ])
  if (visit.program) {
    return visit.json({ users: users.map(userJson), next, totals, csrfToken: visit.csrfToken() })
  }
  return visit.page({
    name: 'admin/users',
    base: visit.base,
    own: visit.account.id,
    list: usersSearch(query),
    users,
    status: query.status,
    search: query.search ?? '',
    next,
    onward: query.after !== null,
    totals,
    recovery: rooms.openRequests && { open },
    notice: visit.takeNotice(),
  })
}
