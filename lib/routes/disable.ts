import type { AccountStatus } from '../account/accounts'
import { readTypedCode } from '../account/typed-code'
import type { PageProblem } from '../pages/page'
import type { Route, SessionState } from './route'
import { isRequired, settingsPage } from './settings'
import { problemOf, type Visit } from './visit'

const admits: readonly SessionState[] = ['verified', 'unenrolled']

export const disableRoutes: Route[] = [
  { method: 'get', path: '/disable', admits, reads: true, handle: show },
  { method: 'post', path: '/disable', admits, reads: true, handle: submit },
]

async function show(visit: Visit): Promise<void> {
  const problem = await stateProblem(visit)
  if (problem) return refuse(visit, problem)
  if (visit.program) visit.json({ csrfToken: visit.csrfToken() })
  else await visit.page({ name: 'disable' })
}

async function submit(visit: Visit): Promise<void> {
  const { rooms, req, account, marker } = visit
  const typed = readTypedCode(visit.field('code'))
  if (!typed) return refuse(visit, { code: 'malformed' })
  const problem = await stateProblem(visit)
  if (problem) return refuse(visit, problem)
  const disabling = await rooms.accounts.disable(account.id, marker.epoch, typed)
  if (!disabling.disabled) {
    if (disabling.refusal.reason === 'revoked') return visit.sessionIsOver()
    return refuse(visit, problemOf(disabling.refusal))
  }
  await rooms.admission.stayWithoutFactor(req, account.id, disabling.epoch)
  if (visit.program) visit.json({ enabled: false })
  else visit.redirect(visit.url())
}

async function stateProblem(visit: Visit): Promise<PageProblem | null> {
  if (!(visit.status as AccountStatus).enabled) return { code: 'not_enabled' }
  // The host demands a second factor of this user.
  return (await isRequired(visit)) ? { code: 'enrolment_required' } : null
}

function refuse(visit: Visit, problem: PageProblem): Promise<void> {
  const ofState = problem.code === 'not_enabled' || problem.code === 'enrolment_required'
  return visit.refuse(problem, (shown) =>
    ofState ? settingsPage(visit, shown) : { name: 'disable', problem: shown },
  )
}
