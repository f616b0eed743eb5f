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
    later: visit.marker.afterCodes ?? null,
  })
}

async function renew(visit: Visit): Promise<void> {
  if (!(visit.status as AccountStatus).enabled) return refuseDisabled(visit)
  const { accounts, reporter } = visit.rooms
  // The form names the set that it replaces, so that reloading the answer changes nothing.
  const replacing = visit.program ? undefined : Number(visit.field('set') ?? Number.NaN)
  const { id } = visit.account
  const work = accounts.newBackupCodes(id, visit.marker.epoch, replacing)
  const renewal = await reporter.evenIfLate(visit.req, work, ({ made }) => {
    if (made) reporter.tell(visit.req, 'backup-codes-regenerated', id, {})
  })
  const page = { replaced: true, continueTo: visit.marker.afterCodes ?? visit.url() }
  if (!renewal.made) {
    if (renewal.reason === 'revoked') return visit.sessionIsOver()
    if (renewal.reason === 'not-enrolled') return refuseDisabled(visit)
    return visit.page(newCodesPage(visit, null, page))
  }
  const { backupCodes, madeAt } = renewal
  delete visit.marker.afterCodes
  if (visit.program) return visit.json({ backupCodes })
  return visit.page(newCodesPage(visit, { codes: backupCodes, madeAt }, page))
}
