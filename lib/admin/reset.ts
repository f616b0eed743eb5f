import type { DirectoryUser } from '../directory/directory'
import type { Page, PageProblem } from '../pages/page'
import { endRequestByReset } from '../routes/recovery-rooms'
import type { AdminRoute } from './admin-route'
import type { AdminVisit } from './admin-visit'
import { inTime } from './in-time'
import { findUser, shownUser, userJson } from './user'
import { listSearch } from './users-query'

export const resetRoutes: AdminRoute[] = [
  { method: 'get', path: '/users/:id/reset', handle: show },
  {
    method: 'post',
    path: '/users/:id/reset',
    // What was sent is not sent again: the form is shown, where the user is still named.
    returnTo: (req) => `/users/${encodeURIComponent(String(req.params.id))}/reset${listSearch(req)}`,
    handle: submit,
  },
]

async function show(visit: AdminVisit): Promise<void> {
  const found = await find(visit)
  if ('code' in found) return refuse(visit, found)
  const page = await resetPage(visit, found)
  if (page.user.status === 'not-activated') return refuse(visit, { code: 'not_enabled', about: 'user' })
  if (visit.program) return visit.json({ user: userJson(page.user), csrfToken: visit.csrfToken() })
  return visit.page(page)
}

async function submit(visit: AdminVisit): Promise<void> {
  const { rooms, req } = visit
  const [typed, reason] = [visit.typedCode(), visit.reason()]
  const found = await find(visit)
  if (!typed || reason === null) {
    const problem: PageProblem =
      reason === null ? { code: 'malformed', about: 'reason' } : { code: 'malformed' }
    if (visit.program || 'code' in found) return refuse(visit, problem)
    return visit.refuse(problem, (shown) => resetPage(visit, found, shown))
  }
  if ('code' in found) return refuse(visit, found)
  const id = String(found.id)
  if (!(await rooms.accounts.status(id)).enabled) return refuse(visit, { code: 'not_enabled', about: 'user' })
  if (!(await visit.proveWith(typed, (problem) => resetPage(visit, found, problem)))) return

  await rooms.reporter.evenIfLate(req, rooms.accounts.reset(id), (wasEnabled) => {
    rooms.views.forget(id)
    rooms.reporter.tell(req, 'reset', id, { wasEnabled, by: visit.account.id, reason })
  })
  // So that the list shows it at once; a directory that takes longer is put right when it is shown.
  await inTime(Promise.all([rooms.settled(id), endRequestByReset(rooms, id)]))
  if (visit.program) return visit.json({ id, status: 'not-activated' })
  return visit.goWithNotice(listPath(visit), { what: 'reset', about: found.name })
}

/** The list that the administrator came from. */
function listPath({ req }: AdminVisit): string {
  return `/users${listSearch(req)}`
}

function refuse(visit: AdminVisit, problem: PageProblem): Promise<void> {
  return visit.problem(problem, listPath(visit))
}

/** The user whom the path names, unless it is the administrator's own account: then why not. */
async function find(visit: AdminVisit): Promise<DirectoryUser | PageProblem> {
  const { id } = visit.req.params
  if (id === visit.account.id) return { code: 'own_account' }
  return (await findUser(visit.rooms, id)) ?? { code: 'unknown_user' }
}

async function resetPage(
  visit: AdminVisit,
  user: DirectoryUser,
  problem?: PageProblem,
): Promise<Extract<Page, { name: 'admin/reset' }>> {
  const reason = visit.field('reason')
  return {
    name: 'admin/reset',
    base: visit.base,
    list: listSearch(visit.req),
    user: shownUser(user, await visit.rooms.accounts.status(String(user.id))),
    reason: typeof reason === 'string' ? reason : '',
    ...(problem && { problem }),
  }
}
