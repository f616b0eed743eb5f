import { dateOf } from '../date-of'
import type { ShownRequest } from '../pages/admin-pages'
import type { Page, PageProblem } from '../pages/page'
import { compareAnswer } from '../recovery/comparison'
import type { Deciding, ListedRequest } from '../recovery/recoveries'
import type { Decision, Refused } from '../recovery/request'
import { cursorOf, readCursor, readRequestId } from '../recovery/ticket'
import { recoveryOf } from '../routes/recovery-rooms'
import type { AdminRooms } from './admin-rooms'
import type { AdminRoute } from './admin-route'
import type { AdminVisit } from './admin-visit'
import { fewAtATime } from './few-at-a-time'
import { Registered } from './registered'
import { findUser } from './user'

/** Requests a page. */
const LIMIT = 50

const decides = (kind: 'approve' | 'reject'): AdminRoute => ({
  method: 'post',
  path: `/recovery/:id/${kind}`,
  returnTo: (req) => `/recovery/${encodeURIComponent(String(req.params.id))}`,
  handle: (visit) => decide(visit, kind),
})

/** Requests of users who have lost everything: there only where option `recovery` is set. */
export const adminRecoveryRoutes: AdminRoute[] = [
  { method: 'get', path: '/recovery', handle: list },
  { method: 'get', path: '/recovery/:id', handle: show },
  decides('approve'),
  decides('reject'),
]

async function list(visit: AdminVisit): Promise<void> {
  const { rooms } = visit
  const { after: asked, state = '' } = visit.req.query
  const after = readCursor(asked)
  const known = state === '' || state === 'open' || state === 'ended'
  if ((asked && !after) || !known) return visit.problem({ code: 'malformed', about: 'request' })
  const ended = state === 'ended'
  const listed = await recoveryOf(visit).recoveries.list({ ended, after, limit: LIMIT })
  const registered = new Registered(rooms.recovery)
  const requests = await fewAtATime(listed.requests, (one) => shown(rooms, one, registered))
  const next = listed.next && cursorOf(listed.next)
  if (visit.program) return visit.json({ requests, next, csrfToken: visit.csrfToken() })
  const notice = visit.takeNotice()
  return visit.page({
    name: 'admin/recovery',
    base: visit.base,
    ended,
    requests,
    next,
    onward: after !== null,
    notice,
  })
}

async function show(visit: AdminVisit): Promise<void> {
  const listed = await find(visit)
  if (!listed) return visit.problem({ code: 'unknown_request' })
  const request = await shown(visit.rooms, listed)
  if (visit.program) return visit.json({ ...request, csrfToken: visit.csrfToken() })
  return visit.page(decisionPage(visit, request))
}

async function decide(visit: AdminVisit, kind: 'approve' | 'reject'): Promise<void> {
  const { rooms, req, account } = visit
  const { recoveries } = recoveryOf(visit)
  const [typed, reason] = [visit.typedCode(), visit.reason()]
  const listed = await find(visit)
  const page = async (problem: PageProblem): Promise<Page> => {
    const latest = await find(visit)
    return latest
      ? decisionPage(visit, await shown(rooms, latest), problem)
      : { name: 'problem', problem, wayBack: visit.url('/recovery') }
  }
  if (!typed || reason === null) {
    return visit.refuse(
      reason === null ? { code: 'malformed', about: 'reason' } : { code: 'malformed' },
      page,
    )
  }
  const named = readRequestId(req.params.id)
  if (!named || !listed) return visit.problem({ code: 'unknown_request' })
  const deciding: Omit<Deciding, 'reason'> = { ...named, by: account.id }
  // Before a code is spent: what fails after the decision must not read as if there were none.
  const about = visit.program ? null : (await userOf(rooms, named.accountId)).name
  // The write looks once more.
  const refusal = await recoveries.whyNotDecided(kind, deciding)
  if (refusal) return visit.refuse(problemOf(refusal), page)
  if (!(await visit.proveWith(typed, page))) return

  const decision = await rooms.reporter.evenIfLate(
    req,
    kind === 'approve' ? recoveries.approve({ ...deciding, reason }) : recoveries.reject(deciding),
    (decision) => tellOf(visit, { ...deciding, reason }, decision),
  )
  if (!decision.decided) return visit.refuse(problemOf(decision.reason), page)
  const { state } = decision.request
  const effectiveAt = dateOf(decision.request.effectiveAt)
  if (about === null) return visit.json({ id: listed.id, state, effectiveAt })
  const what =
    kind === 'reject'
      ? 'recovery-rejected'
      : state === 'approved'
        ? 'recovery-approved'
        : 'recovery-first-approval'
  return visit.goWithNotice('/recovery', { what, about })
}

/** @param decision with a ticket where it is an approval */
function tellOf(
  { rooms, req }: AdminVisit,
  { accountId, by, reason }: Deciding,
  decision: Decision & { ticket?: string },
): void {
  if (!decision.decided) return
  const { ticket, request } = decision
  if (ticket === undefined) {
    rooms.reporter.tell(req, 'recovery-rejected', accountId, { by, reason })
    return
  }
  const effectiveAt = dateOf(request.effectiveAt)
  const details = { by, reason, effectiveAt, approvals: request.approvals.length }
  rooms.reporter.tell(req, 'recovery-approved', accountId, details, { ticket })
}

function problemOf(refusal: Refused): PageProblem {
  switch (refusal) {
    case 'own-account':
      return { code: 'own_account' }
    case 'unknown':
      return { code: 'unknown_request' }
    case 'over':
      return { code: 'recovery_over' }
    default:
      return { code: 'already_approved' }
  }
}

/** The request that the path names; null: there is none. */
async function find(visit: AdminVisit): Promise<ListedRequest | null> {
  const named = readRequestId(visit.req.params.id)
  return named && recoveryOf(visit).recoveries.find(named)
}

function decisionPage(visit: AdminVisit, request: ShownRequest, problem?: PageProblem): Page {
  const reason = visit.field('reason')
  return {
    name: 'admin/recovery-request',
    base: visit.base,
    request,
    own: request.user.id === visit.account.id,
    needed: recoveryOf(visit).settings.approvals,
    delay: recoveryOf(visit).settings.delay,
    reason: typeof reason === 'string' ? reason : '',
    ...(problem && { problem }),
  }
}

async function shown(
  rooms: AdminRooms,
  { id, accountId, state, request }: ListedRequest,
  page = new Registered(rooms.recovery),
): Promise<ShownRequest> {
  const [user, registered, approvals] = await Promise.all([
    userOf(rooms, accountId),
    page.of(accountId),
    Promise.all(
      request.approvals.map(async ({ by, reason, at }) => ({
        by: await userOf(rooms, by),
        reason,
        at: new Date(at),
      })),
    ),
  ])
  return {
    id,
    user,
    state,
    askedAt: new Date(request.askedAt),
    effectiveAt: dateOf(request.effectiveAt),
    answers: request.answers,
    registered,
    comparison: registered && comparisonOf(request.answers, registered),
    matches: request.matches,
    approvals,
  }
}

function comparisonOf(
  answers: Readonly<Record<string, string>>,
  registered: Readonly<Record<string, string>>,
): ShownRequest['comparison'] {
  return Object.fromEntries(
    Object.entries(answers).map(([name, typed]) => {
      const known = Object.hasOwn(registered, name) ? registered[name] : undefined
      return [name, compareAnswer(name, typed, known)]
    }),
  )
}

async function userOf(rooms: AdminRooms, accountId: string): Promise<ShownRequest['user']> {
  const user = await findUser(rooms, accountId)
  return { id: accountId, name: String(user?.name || accountId), email: String(user?.email ?? '') }
}
