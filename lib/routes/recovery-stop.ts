import type { AccountStatus } from '../account/accounts'
import { recoveryOf } from './recovery-rooms'
import type { Route } from './route'
import { refuseDisabled, settingsPage } from './settings'
import type { Visit } from './visit'

/** From the settings, by whoever has a second factor after all. */
export const recoveryStopRoutes: Route[] = [
  {
    method: 'post',
    path: '/recovery/stop',
    admits: ['verified', 'unenrolled'],
    // A code at any time, but a code: a trusted device may be in the hands of whoever has the phone.
    maxAge: Number.MAX_SAFE_INTEGER,
    reads: true,
    handle: stop,
  },
]

async function stop(visit: Visit): Promise<void> {
  if (visit.state.state === 'unenrolled') return refuseDisabled(visit)
  const { rooms, req, account } = visit
  const work = recoveryOf(visit).recoveries.cancel(account.id, visit.status as AccountStatus)
  const cancellation = await rooms.reporter.evenIfLate(req, work, ({ cancelled }) => {
    if (cancelled) rooms.reporter.tell(req, 'recovery-cancelled', account.id, { by: 'session' })
  })
  if (!cancellation.cancelled) {
    return visit.refuse({ code: 'recovery_over' }, (problem) => settingsPage(visit, problem))
  }
  if (visit.program) visit.json({ state: 'cancelled' })
  else visit.redirect(visit.url())
}
