import type { AccountStatus } from '../account/accounts'
import type { Route, SessionState } from './route'
import { refuseDisabled } from './settings'
import { shownDevice } from './shown-device'
import type { Visit } from './visit'

const admits: readonly SessionState[] = ['verified', 'unenrolled']

export const devicesRoutes: Route[] = [
  { method: 'get', path: '/devices', admits, reads: true, handle: show },
  { method: 'post', path: '/devices/revoke', admits, reads: true, handle: (visit) => revoke(visit, null) },
  {
    method: 'post',
    path: '/devices/:id/revoke',
    admits,
    reads: true,
    handle: (visit) => revoke(visit, visit.req.params.id as string),
  },
]

async function show(visit: Visit): Promise<void> {
  const { enabled, devices } = visit.status as AccountStatus
  if (!enabled) return refuseDisabled(visit)
  const shown = devices.map((device) => shownDevice(device, visit.marker))
  if (visit.program) return visit.json({ devices: shown, csrfToken: visit.csrfToken() })
  return visit.page({ name: 'devices', devices: shown })
}

/** @param id null: all. One that is not trusted any more is what was asked for. */
async function revoke(visit: Visit, id: string | null): Promise<void> {
  const { rooms, req, account, marker } = visit
  if (!(visit.status as AccountStatus).enabled) return refuseDisabled(visit)
  const work = rooms.accounts.revokeDevices(account.id, marker.epoch, id)
  const revoked = await rooms.reporter.evenIfLate(req, work, (devices) => {
    if (!Array.isArray(devices)) return
    // The sessions that they let in end with them: here at once.
    rooms.views.forget(account.id)
    for (const { id: device, label } of devices) {
      rooms.reporter.tell(req, 'device-revoked', account.id, { device, label })
    }
  })
  if (!Array.isArray(revoked)) return visit.sessionIsOver()
  if (visit.program) visit.json(null)
  else visit.redirect(visit.url('/devices'))
}
