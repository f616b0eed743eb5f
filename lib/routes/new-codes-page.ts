import type { Page } from '../pages/page'
import type { Visit } from './visit'

/** New backup codes, once. `shown` is null when that was before: the answer was loaded again. */
export function newCodesPage(
  visit: Visit,
  shown: { codes: string[]; madeAt: number } | null,
  page: { replaced: boolean; continueTo: string },
): Page {
  const { settings } = visit.rooms
  return {
    name: 'new-backup-codes',
    codes: shown?.codes ?? null,
    issuer: settings.issuer,
    accountName: visit.account.name,
    madeAt: new Date(shown?.madeAt ?? settings.now()),
    ...page,
  }
}
