import type { PageProblem } from '../pages/page'
import { isWithin } from '../session/age'
import { save, sessionOf } from '../session/express-sessions'
import { lockedProblem, type Visit } from './visit'

/** Enabling needs a login at most this old, milliseconds, or the password. */
const FRESH_LOGIN = 10 * 60_000
const LONGEST_PASSWORD = 1024

export function isFreshLogin({ marker, rooms }: Visit): boolean {
  return isWithin(marker.loginAt, FRESH_LOGIN, rooms.settings.now())
}

/** The password of the form, '' when there is none; null when it is malformed. */
export function readPassword(visit: Visit): string | null {
  const password = visit.field('password') ?? ''
  return typeof password === 'string' && password.length <= LONGEST_PASSWORD ? password : null
}

/** A session that somebody else picked up must not be able to enrol: an old login proves itself again. */
export async function passwordProblem(visit: Visit, password: string): Promise<PageProblem | null> {
  if (isFreshLogin(visit)) return null
  const { accounts, reporter, settings, submission } = visit.rooms
  const { verifyPassword } = settings
  const user = password && verifyPassword ? await submission.user(visit.req) : null
  if (!verifyPassword) return { code: 'password_required', about: 'login' }
  if (!user) return { code: 'password_required' }
  const { id } = visit.account
  const answer = await accounts.checkPassword(
    id,
    async () => (await verifyPassword(user, password, visit.req)) === true,
  )
  if (answer.verdict === 'right') return null
  if (answer.verdict === 'locked') return lockedProblem(answer.lock)
  reporter.tellFailure(visit.req, id, { method: 'password', purpose: 'enable', lock: answer.lock })
  return { code: 'password_required', about: 'password' }
}

/** Out, to the host's login, and back to enabling: where the password cannot be checked here. */
export async function signInAgain(visit: Visit): Promise<void> {
  const { req, rooms } = visit
  await new Promise<void>((resolve, reject) => req.logout((error) => (error ? reject(error) : resolve())))
  // Or a remember-me cookie would log in again, and nobody ever gives a password.
  await rooms.settings.onCancelled?.(req, visit.res)
  if (visit.answered) return
  sessionOf(req).returnTo = visit.url('/enable')
  await save(req)
  visit.redirect(rooms.settings.loginUrl)
}
