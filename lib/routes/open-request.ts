import type { AccountStatus } from '../account/accounts'
import { UnavailableError } from '../errors'
import type { RecoveryView } from '../recovery/recoveries'
import { isOpen } from '../recovery/request'
import type { Visit } from './visit'

/** The open request of an account that is signed in, for its settings; null: there is none, or nobody can tell now. */
export async function openRequest(visit: Visit, status: AccountStatus): Promise<RecoveryView | null> {
  const { recovery, settings } = visit.rooms
  if (!recovery || !status.enabled) return null
  try {
    const view = await recovery.recoveries.view(visit.account.id, status)
    return view.state !== null && isOpen(view.state) ? view : null
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    settings.onUnavailable(error)
    return null
  }
}
