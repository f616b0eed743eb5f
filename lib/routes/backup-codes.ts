import type { AccountStatus } from '../account/accounts'
import { FRESH_PROOF } from './fresh-proof'
import { newCodesPage } from './new-codes-page'
import type { Route, SessionState } from './route'
import { refuseDisabled } from './settings'
import { backupCodesLeft, type Visit } from './visit'

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
  return visit.page({
    name: 'backup-codes',
    backupCodes,
    set: String(status.backupCodes.generatedAt),
    later: visit.marker.returnTo ?? null,
  })
}

async function renew(visit: Visit): Promise<void> {
  if (!(visit.status as AccountStatus).enabled) return refuseDisabled(visit)
  const { accounts } = visit.rooms
  // The form names the set that it replaces, so that reloading the answer changes nothing.
  const replacing = visit.program ? undefined : Number(visit.field('set') ?? Number.NaN)
  const renewal = await accounts.newBackupCodes(visit.account.id, visit.marker.epoch, replacing)
  const page = { replaced: true, continueTo: visit.marker.returnTo ?? visit.url() }
  if (!renewal.made) {
    if (renewal.reason === 'revoked') return visit.sessionIsOver()
    if (renewal.reason === 'not-enrolled') return refuseDisabled(visit)
    return visit.page(newCodesPage(visit, null, page))
  }
  const { backupCodes, madeAt } = renewal
  visit.rooms.reporter.tell(visit.req, 'backup-codes-regenerated', visit.account.id, {})
  if (visit.program) return visit.json({ backupCodes })
  return visit.page(newCodesPage(visit, { codes: backupCodes, madeAt }, page))
}
