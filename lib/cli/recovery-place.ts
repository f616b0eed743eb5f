import { RecoveryRecords } from '../recovery/recoveries'
import { isSamePlace } from '../stores/place'
import type { SecondFactorStore } from '../stores/store'
import { type Opening, RECOVERY_PREFIX, RECOVERY_TABLE } from './address'
import { isMissingTable } from './advice'
import { Failure } from './command'
import type { Configuration } from './configuration'
import type { Opened } from './with-store'

/** Where the requests of option `recovery` are, which the same keys seal. */
export interface RecoveryPlace {
  /** Null: nobody has told where, and there is no place to look. */
  store: SecondFactorStore | null
  /** Somebody has told where it is, so it must be there. Otherwise it is looked for under its usual name. */
  told: boolean
  /** What was told is the prefix of keys: one that is mistyped is just an empty one. */
  prefix?: string | undefined
  /** How to tell, where nothing is found. */
  advice: string
}

/** An option of the commands that go through all that the keys have sealed. */
export const RECOVERY_OPTIONS = { 'recovery-table': { type: 'string' } } as const

export const RECOVERY_HELP = `  --recovery-table NAME   the table of option recovery.store (for Redis, its prefix) beside the store, where it is not
                          ${RECOVERY_TABLE.name} (${RECOVERY_PREFIX.name})`

/** @throws Failure */
export function recoveryPlace(
  { store, recovery, recoveryTable, storeFrom }: Configuration,
  opening: Opening | null,
  typed: string | boolean | undefined,
): RecoveryPlace {
  const named = typed ?? recoveryTable
  if (named !== undefined && typeof named !== 'string')
    throw new Failure(`recoveryTable in ${storeFrom} is a text`)
  if (recovery && named === undefined) {
    return placed({ store: recovery, told: true, advice: '' }, opening?.store ?? (store as SecondFactorStore))
  }
  if (recovery || !opening) {
    if (named !== undefined) {
      throw new Failure(
        `A table of option recovery can be named where the store is a URL and ${storeFrom} gives no recovery: { store }`,
      )
    }
    return {
      store: null,
      told: false,
      advice: `not looked at: if your app has it, give recovery: { store } in ${storeFrom}, as there`,
    }
  }
  const { kind, name } = opening.recovery
  const place = {
    store: opening.beside(named ?? name),
    told: named !== undefined,
    prefix: kind === 'prefix' ? named : undefined,
    advice: `nothing in ${kind} ${name}: if your app has it with another ${kind}, give --recovery-table`,
  }
  return placed(place, opening.store)
}

function placed(place: RecoveryPlace, store: SecondFactorStore): RecoveryPlace {
  if (!place.store || !isSamePlace(place.store, store)) return place
  throw new Failure('The place of option recovery is that of the second factors: their tables are two')
}

/**
 * Null: there is none that is known of.
 *
 * @throws UnavailableError
 */
export async function recoveryRecords({
  recovery,
  keyring,
  patience,
}: Opened): Promise<RecoveryRecords | null> {
  const { store, told } = recovery
  if (!store) return null
  const records = new RecoveryRecords(store, keyring, Date.now, patience)
  if (told) return records
  try {
    return (await records.list(null, 1)).length > 0 ? records : null
  } catch (error) {
    if (isMissingTable(error)) return null
    throw error
  }
}
