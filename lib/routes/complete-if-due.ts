import type { AccountStatus } from '../account/accounts'
import { save } from '../session/express-sessions'
import { isHeld } from '../session/marker'
import { isFreshLogin } from './fresh-login'
import type { Visit } from './visit'

/**
 * Carries out a recovery whose time has come while this session waited for its code: the password was just given, so
 * it goes on as a session that must enrol. Answers then, and says so.
 */
export async function completeIfDue(visit: Visit): Promise<boolean> {
  const { rooms, req, account, marker, state } = visit
  const { recovery } = rooms
  if (!recovery || state.state !== 'pending' || !isHeld(marker) || !isFreshLogin(visit)) return false
  const recovered = await recovery.due.complete(req, account.id, visit.status as AccountStatus)
  if (!recovered) return false
  const { epoch, mustEnrol } = recovered
  if (!mustEnrol) {
    await visit.sessionIsOver()
    return true
  }
  marker.state = 'must-enrol'
  marker.epoch = epoch
  marker.heldAt = rooms.settings.now()
  await save(req)
  state.become('must-enrol', account)
  if (rooms.settler.told.isFirst(req, 'policy-held', epoch))
    rooms.reporter.tell(req, 'policy-held', account.id, {})
  const enableUrl = state.wayTo('enable')
  if (visit.program) {
    rooms.answers.problemJson(req, visit.res, { code: 'enrolment_required' }, { enableUrl })
  } else visit.redirect(enableUrl)
  return true
}
