import type { PageProblem } from '../pages/page'
import { readTicket } from '../recovery/ticket'
import { recoveryOf } from './recovery-rooms'
import type { Route } from './route'
import type { Visit } from './visit'

/** From a mail, by whoever has its ticket: no session, and nothing to forge. */
export const recoveryTicketRoutes: Route[] = [
  { method: 'get', path: '/recovery/cancel', admits: 'anybody', reads: false, handle: show },
  { method: 'post', path: '/recovery/cancel', admits: 'anybody', reads: false, handle: cancel },
]

async function show(visit: Visit): Promise<void> {
  const ticket = readTicket(visit.req.query.ticket)
  if (!ticket) return refuse(visit, { code: 'malformed', about: 'ticket' })
  const view = await recoveryOf(visit).recoveries.viewByTicket(ticket)
  if (!view) return refuse(visit, { code: 'invalid_ticket' })
  const { state, effectiveAt } = view
  if (visit.program) return visit.json({ state, effectiveAt })
  return visit.page({
    name: 'recovery-cancel',
    state,
    effectiveAt,
    ticket: visit.req.query.ticket as string,
  })
}

async function cancel(visit: Visit): Promise<void> {
  const text = visit.field('ticket')
  const ticket = readTicket(text)
  if (!ticket) return refuse(visit, { code: 'malformed', about: 'ticket' })
  const { reporter } = visit.rooms
  const work = recoveryOf(visit).recoveries.cancelByTicket(ticket)
  const cancellation = await reporter.evenIfLate(visit.req, work, ({ cancelled }) => {
    if (cancelled) reporter.tell(visit.req, 'recovery-cancelled', ticket.accountId, { by: 'ticket' })
  })
  if (!cancellation.cancelled) {
    return refuse(visit, {
      code: cancellation.reason === 'over' ? 'recovery_over' : 'invalid_ticket',
    })
  }
  if (visit.program) visit.json({ state: 'cancelled' })
  // The ticket is spent by now, so that its address may be in a log.
  else visit.redirect(visit.url(`/recovery/cancel?${new URLSearchParams({ ticket: text as string })}`))
}

function refuse(visit: Visit, problem: PageProblem): Promise<void> {
  return visit.refuse(problem, (shown) => ({ name: 'problem', problem: shown, wayBack: '/' }))
}
