import type { Accounts } from '../account/accounts'
import type { Keyring } from '../crypto/keyring'
import { UnavailableError } from '../errors'
import type { Reporter } from '../events/reporter'
import type { RecoverySettings } from '../recovery/options'
import { Recoveries, RecoveryRecords } from '../recovery/recoveries'
import type { AccountViews } from '../session/account-views'
import { DueRecovery } from '../session/due-recovery'
import type { Settings } from '../settings'

/** Recovery through support, where option `recovery` is set. */
export interface RecoveryRooms {
  settings: RecoverySettings
  records: RecoveryRecords
  recoveries: Recoveries
  due: DueRecovery
}

/** Null: option `recovery` is not set. */
export function createRecoveryRooms(
  settings: Settings,
  keyring: Keyring,
  accounts: Accounts,
  views: AccountViews,
  reporter: Reporter,
): RecoveryRooms | null {
  const { recovery, now, storeTimeout } = settings
  if (!recovery) return null
  const records = new RecoveryRecords(recovery.store, keyring, now, storeTimeout)
  const recoveries = new Recoveries(records, accounts, recovery, now, (error) =>
    settings.onUnavailable(error),
  )
  return {
    settings: recovery,
    records,
    recoveries,
    due: new DueRecovery(settings, recoveries, views, reporter),
  }
}

/** An account was reset: so that nobody decides about its request. Where that cannot be kept now, looking at it does. */
export async function endRequestByReset(
  { recovery, settings }: { recovery: RecoveryRooms | null; settings: Settings },
  accountId: string,
): Promise<void> {
  try {
    await recovery?.recoveries.endByReset(accountId)
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    settings.onUnavailable(error)
  }
}

/** For routes that are there only where the option is. */
export function recoveryOf({ rooms }: { rooms: { recovery: RecoveryRooms | null } }): RecoveryRooms {
  return rooms.recovery as RecoveryRooms
}
