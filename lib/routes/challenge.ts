import type { AccountStatus } from '../account/accounts'
import { endOf } from '../account/lockout'
import type { Method } from '../account/record'
import { LONGEST_CODE, readTypedCode } from '../account/typed-code'
import { maskName } from '../pages/mask'
import type { Page, PageProblem } from '../pages/page'
import { demandedMethods } from '../session/demanded-methods'
import { rememberDevice } from '../session/device-cookie'
import { save, sessionOf } from '../session/express-sessions'
import { isHeld, PENDING_LIFE } from '../session/marker'
import { completeIfDue } from './complete-if-due'
import type { Route, SessionState } from './route'
import { settingsPage } from './settings'
import { problemOf, type Visit } from './visit'

const admits: readonly SessionState[] = ['pending', 'verified', 'unenrolled']

export const challengeRoutes: Route[] = [
  { method: 'get', path: '/challenge', admits, reads: true, handle: show },
  // Not read before: the rule reads the account itself, and knows the session's epoch.
  { method: 'post', path: '/challenge', admits, reads: false, handle: submit },
  {
    method: 'post',
    path: '/challenge/cancel',
    admits: [...admits, 'must-enrol'],
    reads: false,
    handle: cancel,
  },
]

async function show(visit: Visit): Promise<void> {
  const status = visit.status as AccountStatus
  if (!status.enabled) return refuse(visit, { code: 'not_enabled' })
  if (await completeIfDue(visit)) return
  if (!visit.program) return visit.page(await challengePage(visit, askedMethod(visit)))
  const lock = status.locks[askedMethod(visit)]
  visit.json({
    state: visit.state.state,
    methods: status.methods.filter((method) => demandedMethods(visit.marker).includes(method)),
    expiresAt: expiresAt(visit),
    lockedUntil: lock && endOf(lock),
    ...(lock && lock.until === null && { suspended: true }),
    csrfToken: visit.csrfToken(),
  })
}

async function submit(visit: Visit): Promise<void> {
  const { rooms, req, res, account } = visit
  const typed = readTypedCode(visit.field('code'))
  if (!typed) return refuse(visit, { code: 'malformed' })
  if (!demandedMethods(visit.marker).includes(typed.method)) {
    return refuse(visit, { code: 'step_up_required', about: demandedMethods(visit.marker)[0] as Method })
  }
  const trust = wantsTrust(visit.field('trustDevice'))
  const user = await visit.userToVerify()
  const answer = await rooms.submission.submit(req, account, typed, trust)
  if (!answer.accepted) {
    if (answer.reason === 'revoked') return visit.sessionIsOver()
    return refuse(visit, problemOf(answer), typed.method)
  }
  const entered = await visit.enter(answer.proof)
  if (!entered) return visit.sessionIsOver()
  // Before the host may answer, in onVerified.
  if (answer.deviceToken) rememberDevice(req, res, answer.deviceToken, rooms.settings.trustAge)
  await visit.tellVerified(user)
  if (visit.answered) return
  const redirectTo = entered.returnTo ?? rooms.settings.returnTo
  if (!visit.program) {
    // The host may have ended the session, in onVerified.
    const last =
      answer.proof.method === 'backup-code' &&
      answer.backupCodesRemaining === 0 &&
      sessionOf(req)?.secondFactor !== undefined
    return visit.redirect(last ? await toNewCodes(visit, redirectTo) : redirectTo)
  }
  visit.json({
    state: 'verified',
    method: answer.proof.method,
    redirectTo,
    backupCodesRemaining: answer.backupCodesRemaining,
  })
}

/** After the last backup code new ones come first: the way that was asked for goes on from there. */
async function toNewCodes(visit: Visit, redirectTo: string): Promise<string> {
  visit.marker.afterCodes = redirectTo
  await save(visit.req)
  return visit.url('/backup-codes')
}

/** Half a login ends; a step-up is given up, and the session stays as it was. */
async function cancel(visit: Visit): Promise<void> {
  const { rooms, req, state, marker } = visit
  const { loginUrl, returnTo } = rooms.settings
  if (state.state === 'unenrolled') return refuse(visit, { code: 'not_enabled' })
  const stepUp = state.state === 'verified'
  if (stepUp) {
    delete marker.returnTo
    delete marker.demands
    delete marker.notSent
    await save(req)
  } else {
    await new Promise<void>((resolve, reject) => req.logout((error) => (error ? reject(error) : resolve())))
    await rooms.settings.onCancelled?.(req, visit.res)
    if (visit.answered) return
  }
  if (visit.program) visit.json(null)
  else visit.redirect(stepUp ? returnTo : loginUrl)
}

/** @param tried the kind of code that was refused; without it, the field's */
function refuse(visit: Visit, problem: PageProblem, tried = askedMethod(visit)): Promise<void> {
  // A lock is shown with the field of the code that it concerns.
  const method = problem.code === 'locked' ? tried : askedMethod(visit)
  return visit.refuse(problem, (shown) =>
    shown.code === 'not_enabled' ? settingsPage(visit, shown) : challengePage(visit, method, shown),
  )
}

async function challengePage(visit: Visit, method: Method, problem?: PageProblem): Promise<Page> {
  const status = visit.status ?? (await visit.rooms.views.read(visit.account.id))
  const other: Method = method === 'totp' ? 'backup-code' : 'totp'
  const may = status.methods.includes(other) && demandedMethods(visit.marker).includes(other)
  const lock = status.locks[method]
  const stepUp = visit.state.state === 'verified'
  const typed = visit.field('code')
  return {
    name: 'challenge',
    kind: stepUp ? 'step-up' : 'login',
    target: stepUp ? (visit.marker.returnTo ?? null) : null,
    notSent: stepUp && visit.marker.notSent === true,
    trustFor: stepUp || visit.rooms.settings.trustAge === 0 ? null : visit.rooms.settings.trustAge,
    method,
    otherMethod: may && !status.locks[other] ? other : null,
    trusts: wantsTrust(visit.field('trustDevice')),
    recovery: visit.state.state === 'pending' && visit.rooms.recovery !== null,
    maskedName: maskName(visit.account.name),
    expiresAt: expiresAt(visit),
    lock: lock && { until: endOf(lock) },
    ...(problem?.code === 'malformed' &&
      typeof typed === 'string' && { typed: typed.slice(0, LONGEST_CODE) }),
    ...(problem && { problem }),
  }
}

/** The field to show; a code of either kind may be entered in it, unless a gate demands one. */
function askedMethod(visit: Visit): Method {
  const demanded = demandedMethods(visit.marker)
  if (demanded.length === 1) return demanded[0] as Method
  return visit.req.query.method === 'backup-code' ? 'backup-code' : 'totp'
}

/** The box of the form, or a program's `true`. */
function wantsTrust(field: unknown): boolean {
  return field === true || (typeof field === 'string' && /^(1|on|true|yes)$/i.test(field))
}

function expiresAt({ marker }: Visit): Date | null {
  return isHeld(marker) ? new Date(marker.heldAt + PENDING_LIFE) : null
}
