import { Accounts } from '../account/accounts'
import { AccountRecords } from '../account/records'
import { TimeLimit } from '../account/time-limit'
import { Keyring } from '../crypto/keyring'
import { type Duration, storeTimeoutOf } from '../duration'
import { ConfigurationError, UnavailableError } from '../errors'
import type { SecondFactorStore } from '../stores/store'
import type { Opening } from './address'
import { explained } from './advice'
import { type Arguments, Failure, type World } from './command'
import { type Configuration, readConfiguration } from './configuration'
import { type RecoveryPlace, recoveryPlace } from './recovery-place'
import { openStore } from './store-url'
import { reasonOf } from './words'

/** How long a connection may take to close. */
const CLOSING = 1500

/** The keys and the store of the app, open. */
export interface Opened {
  keyring: Keyring
  store: SecondFactorStore
  records: AccountRecords
  accounts: Accounts
  /** Found where it is asked for: not every command has to do with it. @throws Failure */
  readonly recovery: RecoveryPlace
  /** How long one call may wait for the store, milliseconds. */
  patience: number
  /** What must not be printed. */
  hidden: string[]
}

/** Options of every command that needs keys and store. */
export const STORE_OPTIONS = { config: { type: 'string' } } as const

/** Opens keys and store, does the work, and closes whatever became of it. */
export async function withStore(
  { options }: Arguments,
  world: World,
  work: (opened: Opened) => Promise<number>,
): Promise<number> {
  const configuration = await readConfiguration(options.config as string | undefined, world)
  const { store, opening, hidden, close } = openIn(configuration, world)
  try {
    const keyring = keyringOf(configuration)
    const patience = storeTimeoutOf(configuration.storeTimeout as Duration | undefined)
    const records = new AccountRecords(store, keyring, Date.now, patience)
    const accounts = new Accounts(records, Date.now, 0)
    let recovery: RecoveryPlace | undefined
    return await work({
      keyring,
      store,
      records,
      accounts,
      get recovery() {
        recovery ??= recoveryPlace(configuration, opening, options['recovery-table'])
        return recovery
      },
      patience,
      hidden,
    })
  } catch (error) {
    if (!(error instanceof UnavailableError || error instanceof ConfigurationError)) throw error
    throw new Failure(explained(error, hidden))
  } finally {
    // Whatever there was to tell has been told. Its timer keeps the process alive, as that of `within.ts` would not: it must
    // not end before its exit code is known.
    await new TimeLimit(CLOSING).within(async () => close()).catch(() => {})
  }
}

function openIn(
  configuration: Configuration,
  world: World,
): { store: SecondFactorStore; opening: Opening | null; hidden: string[]; close(): unknown } {
  const { store, storeFrom, close } = configuration
  if (typeof store === 'string') {
    const opened = openStore(store, storeFrom, world)
    return {
      ...opened,
      opening: opened,
      async close() {
        await opened.close()
        await close?.()
      },
    }
  }
  return { store, opening: null, hidden: [], close: () => close?.() }
}

function keyringOf({ keys, keysFrom }: Configuration): Keyring {
  try {
    return new Keyring(keys)
  } catch (error) {
    throw new Failure(`The keys in ${keysFrom} are not right. ${reasonOf(error)}`)
  }
}
