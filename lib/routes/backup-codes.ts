import type { AccountStatus } from '../account/accounts'
import { newCodesPage } from './new-codes-page'
import type { Route, SessionState } from './route'
import { settingsPage } from './settings'
import { backupCodesLeft, type Visit } from './visit'

/** New codes need a second factor proven at most this long ago, milliseconds. */
const FRESH_PROOF = 5 * 60_000

const admits: readonly SessionState[] = ['verified', 'unenrolled']

export const backupCodesRoutes: Route[] = [
  { method: 'get', path: '/backup-codes', admits, reads: true, handle: show },
  { method: 'post', path: '/backup-codes', admits, maxAge: FRESH_PROOF, reads: true, handle: renew },
]

async function show(visit: Visit): Promise<void> {
  const status = visit.status as AccountStatus
  if (!status.enabled) return refuseDisabled(visit)
  const backupCodes = backupCodesLeft(status)
  if (visit.program) return visit.json({ ...backupCodes, csrfToken: visit.csrfToken() })
  return visit.page({ name: 'backup-codes', backupCodes, set: String(status.backupCodes.generatedAt) })
}

async function renew(visit: Visit): Promise<void> {
  if (!(visit.status as AccountStatus).enabled) return refuseDisabled(visit)
  const { accounts } = visit.rooms
  // The form names the set that it replaces, so that reloading the answer changes nothing.
  const replacing = visit.program ? undefined : Number(visit.field('set') ?? Number.NaN)
  const renewal = await accounts.newBackupCodes(visit.account.id, visit.marker.epoch, replacing)
  const page = { replaced: true, continueTo: visit.url() }
  if (!renewal.made) {
    if (renewal.reason === 'revoked') return visit.sessionIsOver()
    if (renewal.reason === 'not-enrolled') return refuseDisabled(visit)
    return visit.page(newCodesPage(visit, null, page))
  }
  const { backupCodes, madeAt } = renewal
  if (visit.program) return visit.json({ backupCodes })
  return visit.page(newCodesPage(visit, { codes: backupCodes, madeAt }, page))
}

function refuseDisabled(visit: Visit): Promise<void> {
  return visit.refuse({ code: 'not_enabled' }, (problem) => settingsPage(visit, problem))
}
