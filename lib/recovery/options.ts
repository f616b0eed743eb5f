import type { Request } from 'express'
import { must, mustBeKnown, type NamesOf, typeName } from '../checks'
import { type Duration, milliseconds } from '../duration'
import { OWN_FIELDS } from '../own-fields'
import { isSamePlace } from '../stores/place'
import type { SecondFactorStore } from '../stores/store'
import { DEFAULT_FIELDS } from './fields'

/** Recovery through support, for users who have lost both their authenticator app and their backup codes. */
export interface RecoveryOptions<User = Express.User> {
  /**
   * Where requests are kept: a store of the same kind as option `store`, with a table or prefix of its own, such as
   * `new SqlStore(database, { table: 'second_factor_recoveries' })`.
   */
  store: SecondFactorStore
  /**
   * What is asked, by the names of the form's fields: up to ten, and none that our own forms have. Their words are
   * `recovery.fields.*` in the catalogues. Default `['firstName', 'lastName', 'phone']`.
   */
  fields?: readonly string[]
  /**
   * Compares what was typed with what is registered. The verdict is a hint for support; whoever asked is told nothing
   * of it. Called when the answer has left already, so that nobody waits for it: read of `req` only what outlasts it.
   */
  check?(user: User, answers: Record<string, string>, req: Request): boolean | Promise<boolean>
  /** What is registered, by the names of the fields, to be shown to support beside what was typed. */
  registered?(
    accountId: string,
  ): Readonly<Record<string, string>> | null | Promise<Readonly<Record<string, string>> | null>
  /**
   * How long after the approval it takes effect, so that the owner can stop it: from a second (for tests; less than a
   * night is little) to 30 days. Default `'24h'`.
   */
  delay?: Duration
  /** How many administrators must approve: 1, or 2 different ones. Default 1. */
  approvals?: 1 | 2
}

/** The same with its defaults. */
export interface RecoverySettings {
  store: SecondFactorStore
  fields: readonly string[]
  check:
    | ((user: Express.User, answers: Record<string, string>, req: Request) => boolean | Promise<boolean>)
    | null
  registered: ((accountId: string) => Promise<Readonly<Record<string, string>> | null>) | null
  /** Milliseconds. */
  delay: number
  approvals: number
}

const NAMES: NamesOf<RecoveryOptions> = {
  store: true,
  fields: true,
  check: true,
  registered: true,
  delay: true,
  approvals: true,
}
const MOST_FIELDS = 10
/** Milliseconds. Without any time nobody could stop it. */
const SHORTEST_DELAY = 1000
const LONGEST_DELAY = 30 * 86_400_000

/** What else was given, and must go with it. */
interface Around {
  /** Option `store`. */
  store: SecondFactorStore
  /** Option `path`. */
  path: string
  /** Option `notify.settingsUrl`: the owner is told by mail, with a link, or nobody is safe. */
  settingsUrl: string | undefined
}

/** @throws ConfigurationError `SF_RECOVERY`, `SF_OPTIONS`, `SF_DURATION` */
export function readRecoveryOptions(
  given: RecoveryOptions<Express.User> | undefined,
  around: Around,
): RecoverySettings | null {
  if (given === undefined) return null
  must(
    typeof given === 'object' && given !== null,
    'SF_RECOVERY',
    `Option recovery is { store, check, registered }, not ${typeName(given)}`,
  )
  mustBeKnown(given, NAMES, 'recovery.')
  const { store, fields = DEFAULT_FIELDS, check, registered, approvals = 1, delay: waits = '24h' } = given
  must(
    (['get', 'compareAndSet', 'list', 'delete'] as const).every(
      (name) => typeof store?.[name] === 'function',
    ),
    'SF_RECOVERY',
    'Option recovery.store is where requests are kept, apart from option store: ' +
      "new SqlStore(database, { table: 'second_factor_recoveries' }), a RedisStore with a prefix of its own, or a " +
      'store of yours with list and delete',
  )
  must(
    !isSamePlace(store, around.store),
    'SF_RECOVERY',
    'Option recovery.store is the same place as option store, where a request would be taken for a second factor: give ' +
      "it a table of its own, new SqlStore(database, { table: 'second_factor_recoveries' }), or a prefix that does not " +
      "begin like the other one, new RedisStore(client, { prefix: 'second-factor-recovery:' })",
  )
  must(
    around.settingsUrl !== undefined,
    'SF_RECOVERY',
    'Option recovery needs option notify with settingsUrl: the owner of an account is told by mail, with a link that ' +
      'stops it, or whoever knows the password could recover it unseen',
  )
  must(
    leadsTo(around.path, around.settingsUrl as string),
    'SF_RECOVERY',
    `Option notify.settingsUrl is where the router is mounted, so its path ends with '${around.path}' (option path): ` +
      'the links in the mails lead below it',
  )
  must(
    Array.isArray(fields) &&
      fields.length > 0 &&
      fields.length <= MOST_FIELDS &&
      new Set(fields).size === fields.length &&
      fields.every(
        (name) =>
          typeof name === 'string' && /^[A-Za-z][A-Za-z0-9]{0,39}$/.test(name) && !OWN_FIELDS.includes(name),
      ),
    'SF_RECOVERY',
    `Option recovery.fields are up to ${MOST_FIELDS} different names of letters and digits: ['firstName', 'phone']. ` +
      `Those that our own forms have are taken: ${OWN_FIELDS.join(', ')}`,
  )
  for (const [name, value] of Object.entries({ check, registered })) {
    must(
      value === undefined || typeof value === 'function',
      'SF_RECOVERY',
      `Option recovery.${name} must be a function, not ${typeof value}`,
    )
  }
  must(
    approvals === 1 || approvals === 2,
    'SF_RECOVERY',
    'Option recovery.approvals is how many administrators approve: 1 or 2',
  )
  const delay = milliseconds(waits, 'recovery.delay')
  // Less than a minute as a bare number was meant in seconds or hours.
  const meant = typeof waits !== 'number' || delay >= 60_000
  must(
    meant && delay >= SHORTEST_DELAY && delay <= LONGEST_DELAY,
    'SF_DURATION',
    "Option recovery.delay is the time that the owner has to stop it: '24h' (a bare number counts milliseconds), at " +
      'least a second and at most 30 days',
  )
  return {
    store,
    fields: [...fields],
    check: check?.bind(given) ?? null,
    registered: registered ? async (accountId) => registered.call(given, accountId) : null,
    delay,
    approvals,
  }
}

/** Whether a URL's path is where the router is mounted, perhaps below another one. */
function leadsTo(path: string, url: string): boolean {
  const { pathname } = new URL(url)
  // Routers do not mind the case.
  return pathname.replace(/\/+$/, '').toLowerCase().endsWith(path.toLowerCase())
}
