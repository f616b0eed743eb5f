import type { AccountStatus } from '../account/accounts'
import { UnavailableError } from '../errors'
import type { RecoveryView } from '../recovery/recoveries'
import type { Visit } from './visit'

/** The open request of an account that is signed in, for its settings; null: there is none, or nobody can tell now. */
export async function openRequest(visit: Visit, status: AccountStatus): Promise<RecoveryView | null> {
  const { recovery, settings } = visit.rooms
  if (!recovery || !status.enabled) return null
  try {
    return await recovery.recoveries.openView(visit.account.id, status)
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    settings.onUnavailable(error)
    return null
  }
}
