import type { AccountStatus } from '../account/accounts'
import { readTypedCode } from '../account/typed-code'
import { warnOfListener } from '../events/events'
import type { Page, PageProblem } from '../pages/page'
import { isFreshLogin, passwordProblem, readPassword, signInAgain } from './fresh-login'
import { newCodesPage } from './new-codes-page'
import type { Route, SessionState } from './route'
import { setAside } from './set-aside'
import { answerSetUp, setUpPage } from './set-up'
import { settingsPage } from './settings'
import type { Visit } from './visit'

const admits: readonly SessionState[] = ['unenrolled', 'must-enrol', 'verified']

export const enableRoutes: Route[] = [
  { method: 'get', path: '/enable', admits, reads: true, handle: show },
  { method: 'post', path: '/enable', admits, reads: true, handle: begin },
  { method: 'post', path: '/enable/confirm', admits, reads: true, handle: confirm },
  { method: 'post', path: '/enable/cancel', admits, reads: true, handle: cancel },
]

async function show(visit: Visit): Promise<void> {
  if (isEnabled(visit)) return refuseEnabled(visit)
  const staged = visit.rooms.enrolments.current(visit.req, 'enable')
  if (staged) return answerSetUp(visit, 'enable', staged, 200)
  const csrfToken = visit.csrfToken()
  if (visit.program) return visit.refuse({ code: 'no_enrolment' }, startPage(visit), { csrfToken })
  return visit.page(startPage(visit)())
}

async function begin(visit: Visit): Promise<void> {
  const password = readPassword(visit)
  if (password === null) return visit.refuse({ code: 'malformed', about: 'password' }, startPage(visit))
  if (isEnabled(visit)) return refuseEnabled(visit)
  if (!visit.program && visit.field('signInAgain') !== undefined) return signInAgain(visit)
  const { enrolments } = visit.rooms
  if (!enrolments.current(visit.req, 'enable')) {
    const refusal = await passwordProblem(visit, password)
    if (refusal) {
      const { loginUrl } = visit.rooms.settings
      return visit.refuse(refusal, startPage(visit), refusal.about === 'login' ? { loginUrl } : {})
    }
  }
  const staged = await enrolments.begin(visit.req, 'enable')
  if (!visit.program) return visit.redirect(visit.url('/enable'))
  return answerSetUp(visit, 'enable', staged, 201)
}

async function confirm(visit: Visit): Promise<void> {
  const { rooms, req, account } = visit
  const staged = rooms.enrolments.current(req, 'enable')
  const repeated = !visit.program && isEnabled(visit) && typeof visit.field('enrolment') === 'string'
  if (repeated) return visit.page(newCodesPage(visit, null, { replaced: false, continueTo: visit.url() }))

  const typed = readTypedCode(visit.field('code'))
  if (!typed) {
    return visit.refuse({ code: 'malformed' }, (problem) =>
      staged ? setUpPage(visit, 'enable', staged, problem) : startPage(visit)(problem),
    )
  }
  if (isEnabled(visit)) return refuseEnabled(visit)
  if (!staged) return visit.refuse({ code: 'no_enrolment' }, startPage(visit))

  const user = await visit.userToVerify()
  const askedAt = rooms.settings.now()
  const confirmation =
    typed.method === 'totp'
      ? await rooms.reporter.evenIfLate(
          req,
          rooms.accounts.confirmEnrolment(account.id, visit.marker.epoch, staged, typed.code),
          ({ enabled }, late) => {
            if (!enabled) return
            if (late) rooms.views.forget(account.id)
            rooms.reporter.tell(req, 'enabled', account.id, { method: 'totp' })
          },
        )
      : ({ enabled: false, reason: 'invalid', clock: null } as const)
  if (confirmation.enabled) {
    const { epoch, backupCodes, madeAt } = confirmation
    // Also where the session was signed out meanwhile: nobody sees these codes again.
    const entered = await visit.enter({ accountId: account.id, epoch, method: 'totp', askedAt })
    const redirect = entered && (await tellVerifiedAside(visit, user))
    if (visit.program) return visit.json({ enabled: true, backupCodes })
    const continueTo = redirect ?? entered?.returnTo ?? visit.url()
    return visit.page(newCodesPage(visit, { codes: backupCodes, madeAt }, { replaced: false, continueTo }))
  }
  if (confirmation.reason === 'revoked') return visit.sessionIsOver()
  const { clock } = confirmation
  return visit.refuse({ code: 'invalid_code', ...(clock && { clock }) }, (problem) =>
    setUpPage(visit, 'enable', staged, problem),
  )
}

/** The codes are shown this once: nothing that the host answers, or fails by, takes their place. */
async function tellVerifiedAside(visit: Visit, user: Express.User | null): Promise<string | null> {
  try {
    return await setAside(visit.res, () => visit.tellVerified(user))
  } catch (error) {
    warnOfListener('Option onVerified failed after two-factor authentication was set up', error)
    return null
  }
}

async function cancel(visit: Visit): Promise<void> {
  const { enrolments } = visit.rooms
  if (!enrolments.current(visit.req, 'enable')) {
    return visit.refuse({ code: 'no_enrolment' }, (problem) =>
      isEnabled(visit) ? settingsPage(visit, problem) : startPage(visit)(problem),
    )
  }
  await enrolments.cancel(visit.req)
  if (visit.program) visit.json(null)
  else visit.redirect(visit.url())
}

function isEnabled(visit: Visit): boolean {
  return (visit.status as AccountStatus).enabled
}

function refuseEnabled(visit: Visit): Promise<void> {
  return visit.refuse({ code: 'already_enabled' }, (problem) => settingsPage(visit, problem))
}

function startPage(visit: Visit): (problem?: PageProblem) => Page {
  const { verifyPassword } = visit.rooms.settings
  return (problem) => ({
    name: 'enable-start',
    purpose: 'enable',
    graceUntil: visit.state.graceUntil,
    ask: isFreshLogin(visit) ? 'nothing' : verifyPassword ? 'password' : 'login',
    demanded: visit.mustEnrol,
    recovered: visit.mustEnrol && visit.status?.mustEnrol === true,
    ...(problem && { problem }),
  })
}
