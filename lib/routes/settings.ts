import type { AccountStatus } from '../account/accounts'
import type { Page, PageProblem } from '../pages/page'
import { userOf } from '../session/passport-session'
import { isFreshLogin } from './fresh-login'
import type { Route } from './route'
import { backupCodesLeft, type Visit } from './visit'

export const settingsRoutes: Route[] = [
  { method: 'get', path: '/', admits: ['unenrolled', 'verified'], reads: true, handle: show },
]

async function show(visit: Visit): Promise<void> {
  if (!visit.program) return visit.page(await settingsPage(visit))
  const status = visit.status as AccountStatus
  visit.json({
    state: visit.state.state,
    enabled: status.enabled,
    methods: status.methods,
    backupCodes: backupCodesLeft(status),
    devices: [],
    csrfToken: visit.csrfToken(),
  })
}

/** The settings, also with what the state did not allow. */
export async function settingsPage(visit: Visit, problem?: PageProblem): Promise<Page> {
  const status = visit.status ?? (await visit.rooms.views.read(visit.account.id))
  return {
    name: 'settings',
    enabled: status.enabled,
    since: status.since === null ? null : new Date(status.since),
    backupCodes: backupCodesLeft(status),
    mayDisable: !(await isRequired(visit)),
    asksFirst: !isFreshLogin(visit),
    ...(problem && { problem }),
  }
}

/** The host demands a second factor of this user: it cannot be turned off. */
export function isRequired({ rooms, req }: Visit): Promise<boolean> {
  return rooms.settler.isRequired(userOf(req) as Express.User, req)
}
