import type { AccountStatus } from '../account/accounts'
import type { Page, PageProblem } from '../pages/page'
import type { Demand } from '../session/demand'
import { userOf } from '../session/passport-session'
import { isFreshLogin } from './fresh-login'
import { openRequest } from './open-request'
import type { Route } from './route'
import { shownDevice } from './shown-device'
import { backupCodesLeft, type Visit } from './visit'

export const settingsRoutes: Route[] = [
  { method: 'get', path: '/', admits: ['unenrolled', 'verified'], reads: true, handle: show },
]

async function show(visit: Visit): Promise<void> {
  if (!visit.program) return visit.page(await settingsPage(visit))
  const { required, graceUntil } = await policyOn(visit)
  const status = visit.status as AccountStatus
  visit.json({
    state: visit.state.state,
    enabled: status.enabled,
    methods: status.methods,
    backupCodes: backupCodesLeft(status),
    devices: status.devices.map((device) => shownDevice(device, visit.marker)),
    required,
    graceUntil,
    ...(visit.rooms.recovery && { recovery: await openRequest(visit, status) }),
    csrfToken: visit.csrfToken(),
  })
}

/** The settings, also with what the state did not allow. */
export async function settingsPage(visit: Visit, problem?: PageProblem): Promise<Page> {
  const justReplaced = visit.marker.justReplaced === true
  // Said once; express-session saves it with the end of the request.
  delete visit.marker.justReplaced
  const status = visit.status ?? (await visit.rooms.views.read(visit.account.id))
  const { required, graceUntil } = await policyOn(visit)
  return {
    name: 'settings',
    enabled: status.enabled,
    since: status.since === null ? null : new Date(status.since),
    backupCodes: backupCodesLeft(status),
    devices: visit.rooms.settings.trustAge > 0 ? status.devices.length : null,
    mayDisable: !required,
    graceUntil,
    justReplaced: status.enabled && justReplaced,
    asksFirst: !isFreshLogin(visit),
    recovery: await openRequest(visit, status),
    ...(problem && { problem }),
  }
}

/** What the host demands of this user, enrolled or not: whoever must have a second factor cannot turn it off. */
export function policyOn({ rooms, req }: Visit): Promise<Demand> {
  return rooms.settler.policyOn(userOf(req) as Express.User, req)
}

/** There is none that the page could be about. */
export function refuseDisabled(visit: Visit): Promise<void> {
  return visit.refuse({ code: 'not_enabled' }, (problem) => settingsPage(visit, problem))
}
