import type { AccountStatus } from '../account/accounts'
import { readTypedCode } from '../account/typed-code'
import type { Page, PageProblem } from '../pages/page'
import { save } from '../session/express-sessions'
import { FRESH_PROOF } from './fresh-proof'
import type { Route, SessionState } from './route'
import { answerSetUp, setUpPage } from './set-up'
import { refuseDisabled } from './settings'
import type { Visit } from './visit'

const admits: readonly SessionState[] = ['verified', 'unenrolled']
const row = { admits, maxAge: FRESH_PROOF, reads: true }

/** A new phone. The old one works until the new one is proven; backup codes stay. */
export const replaceRoutes: Route[] = [
  { method: 'get', path: '/replace', ...row, handle: show },
  { method: 'post', path: '/replace', ...row, handle: begin },
  { method: 'post', path: '/replace/confirm', ...row, handle: confirm },
  { method: 'post', path: '/replace/cancel', ...row, handle: cancel },
]

async function show(visit: Visit): Promise<void> {
  if (!isEnabled(visit)) return refuseDisabled(visit)
  const staged = visit.rooms.enrolments.current(visit.req, 'replace')
  if (staged) return answerSetUp(visit, 'replace', staged, 200)
  const csrfToken = visit.csrfToken()
  if (visit.program) return visit.refuse({ code: 'no_enrolment' }, startPage, { csrfToken })
  return visit.page(startPage())
}

async function begin(visit: Visit): Promise<void> {
  if (!isEnabled(visit)) return refuseDisabled(visit)
  const staged = await visit.rooms.enrolments.begin(visit.req, 'replace')
  if (!visit.program) return visit.redirect(visit.url('/replace'))
  return answerSetUp(visit, 'replace', staged, 201)
}

async function confirm(visit: Visit): Promise<void> {
  const { rooms, req, account, marker } = visit
  const staged = rooms.enrolments.current(req, 'replace')
  const typed = readTypedCode(visit.field('code'))
  if (!typed) {
    return visit.refuse({ code: 'malformed' }, (problem) =>
      staged ? setUpPage(visit, 'replace', staged, problem) : startPage(problem),
    )
  }
  if (!isEnabled(visit)) return refuseDisabled(visit)
  if (!staged) return visit.refuse({ code: 'no_enrolment' }, startPage)

  const askedAt = rooms.settings.now()
  const replacement =
    typed.method === 'totp'
      ? await rooms.reporter.evenIfLate(
          req,
          rooms.accounts.confirmReplacement(account.id, marker.epoch, staged, typed.code),
          ({ replaced }, late) => {
            if (!replaced) return
            if (late) rooms.views.forget(account.id)
            rooms.reporter.tell(req, 'replaced', account.id, { method: 'totp' })
          },
        )
      : ({ replaced: false, reason: 'invalid', clock: null } as const)
  if (replacement.replaced) {
    const { epoch } = replacement
    const entered = await visit.enter({ accountId: account.id, epoch, method: 'totp', askedAt })
    if (visit.program) return visit.json({ replaced: true })
    if (entered) {
      visit.marker.justReplaced = true
      await save(req)
    }
    return visit.redirect(visit.url())
  }
  if (replacement.reason === 'revoked') return visit.sessionIsOver()
  if (replacement.reason === 'not-enrolled') return refuseDisabled(visit)
  const { clock } = replacement
  return visit.refuse({ code: 'invalid_code', ...(clock && { clock }) }, (problem) =>
    setUpPage(visit, 'replace', staged, problem),
  )
}

async function cancel(visit: Visit): Promise<void> {
  const { enrolments } = visit.rooms
  if (!isEnabled(visit)) return refuseDisabled(visit)
  if (!enrolments.current(visit.req, 'replace')) return visit.refuse({ code: 'no_enrolment' }, startPage)
  await enrolments.cancel(visit.req)
  if (visit.program) visit.json(null)
  else visit.redirect(visit.url())
}

function startPage(problem?: PageProblem): Page {
  return {
    name: 'enable-start',
    purpose: 'replace',
    ask: 'nothing',
    demanded: false,
    graceUntil: null,
    ...(problem && { problem }),
  }
}

function isEnabled(visit: Visit): boolean {
  return (visit.status as AccountStatus).enabled
}
