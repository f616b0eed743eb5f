import type { AccountStatus } from '../account/accounts'
import { warnOfListenerDiscreetly } from '../events/events'
import type { Page, PageProblem } from '../pages/page'
import { LONGEST_ANSWER, readAnswers } from '../recovery/fields'
import type { RecoveryView } from '../recovery/recoveries'
import { within } from '../within'
import { completeIfDue } from './complete-if-due'
import { isFreshLogin } from './fresh-login'
import { recoveryOf } from './recovery-rooms'
import type { Route, SessionState } from './route'
import { settingsPage } from './settings'
import type { Visit } from './visit'

/** How long `check` may take, milliseconds: what it keeps in its hands is kept no longer. */
const PATIENCE = 30_000

const admits: readonly SessionState[] = ['pending', 'verified', 'unenrolled']

/** Half a login whose user has lost everything asks support. */
export const recoveryRoutes: Route[] = [
  { method: 'get', path: '/recovery', admits, reads: true, handle: show },
  { method: 'post', path: '/recovery', admits, reads: true, handle: ask },
]

async function show(visit: Visit): Promise<void> {
  if (await turnedAway(visit)) return
  if (await completeIfDue(visit)) return
  const view = await recoveryOf(visit).recoveries.view(visit.account.id, statusOf(visit))
  if (!visit.program) return visit.page(recoveryPage(visit, view))
  visit.json({ ...view, fields: recoveryOf(visit).settings.fields, csrfToken: visit.csrfToken() })
}

async function ask(visit: Visit): Promise<void> {
  const { rooms, req, account } = visit
  const { recoveries, settings } = recoveryOf(visit)
  // A session that cannot ask is told so before its fields are looked at: they are none of its business.
  if (await turnedAway(visit)) return
  const { answers, wrong } = readAnswers(settings.fields, (name) => visit.field(name))
  if (wrong.length > 0) {
    const view = await recoveries.view(account.id, statusOf(visit))
    return visit.refuse(
      { code: 'malformed', about: 'answers' },
      (problem) => recoveryPage(visit, view, problem, wrong),
      { fields: wrong },
    )
  }
  // Before anything differs: what it takes is the same for all answers.
  const user = settings.check ? await rooms.submission.user(req) : null
  const work = recoveries.ask(account.id, answers, statusOf(visit))
  const asked = await rooms.reporter.evenIfLate(req, work, ({ asked, ticket }) => {
    if (asked === 'new') rooms.reporter.tell(req, 'recovery-requested', account.id, {}, { ticket })
  })
  if (asked.asked === 'too-often') {
    const view = await recoveries.view(account.id, statusOf(visit))
    return visit.refuse({ code: 'recovery_limit', retryAt: new Date(asked.until) }, (problem) =>
      recoveryPage(visit, view, problem),
    )
  }
  if (visit.program) visit.json({ state: 'requested' }, 202)
  else visit.redirect(visit.url('/recovery'))
  // Nobody waits for the verdict, so that the time of the answer says nothing of it.
  if (asked.asked === 'new' && user) void judge(visit, user, asked.request.key, answers)
}

/** A hint that is lost is no error of anybody's: support compares by itself then. */
async function judge(
  visit: Visit,
  user: Express.User,
  key: string,
  answers: Record<string, string>,
): Promise<void> {
  const { recoveries, settings } = recoveryOf(visit)
  try {
    const verdict = await within(
      PATIENCE,
      () => settings.check?.(user, { ...answers }, visit.req),
      () => new DOMException('It took too long', 'TimeoutError'),
    )
    const matches = verdict === true
    await recoveries.judge(visit.account.id, key, matches)
  } catch (error) {
    warnOfListenerDiscreetly('Option recovery.check, or keeping its verdict, failed', error)
  }
}

/**
 * Whoever is signed in has nothing to recover. And a cookie that was found, of a session from before or of remember-me,
 * may wait for a code, but says nothing of who asks: that takes the password.
 */
async function turnedAway(visit: Visit): Promise<boolean> {
  if (visit.state.state !== 'pending') {
    await visit.refuse({ code: 'not_pending' }, (problem) => settingsPage(visit, problem))
    return true
  }
  if (isFreshLogin(visit)) return false
  const page = recoveryPage(visit, { state: null, effectiveAt: null, until: null })
  const { loginUrl } = visit.rooms.settings
  await visit.refuse(
    { code: 'password_required', about: 'login' },
    (problem) => ({ ...page, ask: 'login', problem }),
    { loginUrl },
  )
  return true
}

function recoveryPage(
  visit: Visit,
  { state, effectiveAt, until }: Omit<RecoveryView, 'askedAt'>,
  problem?: PageProblem,
  wrong: readonly string[] = [],
): Extract<Page, { name: 'recovery' }> {
  const { fields, delay } = recoveryOf(visit).settings
  const typed = (name: string) => {
    const value = visit.field(name)
    return typeof value === 'string' ? value.slice(0, LONGEST_ANSWER) : ''
  }
  return {
    name: 'recovery',
    ask: 'answers',
    state,
    effectiveAt,
    until,
    delay,
    fields: fields.map((name) => ({ name, typed: typed(name), wrong: wrong.includes(name) })),
    ...(problem && { problem }),
  }
}

function statusOf(visit: Visit): AccountStatus {
  return visit.status as AccountStatus
}
