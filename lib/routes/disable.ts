import type { AccountStatus } from '../account/accounts'
import { endOf } from '../account/lockout'
import type { Method } from '../account/record'
import { readTypedCode } from '../account/typed-code'
import type { Page, PageProblem } from '../pages/page'
import type { Settings } from '../settings'
import { FRESH_PROOF } from './fresh-proof'
import type { Route, SessionState } from './route'
import { policyOn, settingsPage } from './settings'
import { problemOf, type Visit } from './visit'

const admits: readonly SessionState[] = ['verified', 'unenrolled']

export const disableRoutes: Route[] = [
  { method: 'get', path: '/disable', admits, maxAge, reads: true, handle: show },
  { method: 'post', path: '/disable', admits, maxAge, reads: true, handle: submit },
]

/** Where a fresh proof is enough, it is asked for first. */
function maxAge({ disable }: Settings): number | undefined {
  return disable === 'fresh' ? FRESH_PROOF : undefined
}

async function show(visit: Visit): Promise<void> {
  const problem = await stateProblem(visit)
  if (problem) return refuse(visit, problem)
  if (visit.program) return visit.json({ csrfToken: visit.csrfToken() })
  return visit.page(await disablePage(visit))
}

async function submit(visit: Visit): Promise<void> {
  const { rooms, req, account, marker } = visit
  const byClick = rooms.settings.disable === 'fresh'
  const typed = byClick ? null : readTypedCode(visit.field('code'))
  if (!typed && !byClick) return refuse(visit, { code: 'malformed' })
  const problem = await stateProblem(visit)
  if (problem) return refuse(visit, problem)
  const askedAt = rooms.settings.now()
  const work = typed
    ? rooms.accounts.disable(account.id, marker.epoch, typed)
    : rooms.accounts.disableFresh(account.id, marker.epoch)
  const disabling = await rooms.reporter.evenIfLate(req, work, (outcome, late) => {
    if (outcome.disabled) {
      if (late) rooms.views.forget(account.id)
      rooms.reporter.tell(req, 'disabled', account.id, {})
    } else if (outcome.refusal.reason === 'invalid' && typed) {
      const failed = { method: typed.method, purpose: 'disable', lock: outcome.refusal.lock } as const
      rooms.reporter.tellFailure(req, account.id, failed)
    }
  })
  if (!disabling.disabled) {
    const { refusal } = disabling
    if (refusal.reason === 'revoked') return visit.sessionIsOver()
    return refuse(visit, problemOf(refusal))
  }
  await rooms.admission.stayWithoutFactor(req, account.id, disabling.epoch, askedAt)
  if (visit.program) visit.json({ enabled: false })
  else visit.redirect(visit.url())
}

async function stateProblem(visit: Visit): Promise<PageProblem | null> {
  if (!(visit.status as AccountStatus).enabled) return { code: 'not_enabled' }
  return (await policyOn(visit)).required ? { code: 'required_by_policy' } : null
}

function refuse(visit: Visit, problem: PageProblem): Promise<void> {
  const ofState = problem.code === 'not_enabled' || problem.code === 'required_by_policy'
  return visit.refuse(problem, (shown) => (ofState ? settingsPage(visit, shown) : disablePage(visit, shown)))
}

async function disablePage(visit: Visit, problem?: PageProblem): Promise<Page> {
  // After a refusal the locks are others than before it.
  const { locks, methods } = problem
    ? await visit.rooms.views.read(visit.account.id)
    : (visit.status as AccountStatus)
  const method: Method = !locks.totp && locks['backup-code'] ? 'backup-code' : 'totp'
  const other: Method = method === 'totp' ? 'backup-code' : 'totp'
  const lock = locks[method]
  return {
    name: 'disable',
    byClick: visit.rooms.settings.disable === 'fresh',
    ...(lock && {
      lock: {
        method,
        until: endOf(lock),
        otherMethod: methods.includes(other) && !locks[other] ? other : null,
      },
    }),
    ...(problem && { problem }),
  }
}
