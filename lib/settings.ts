import type { Request, Response } from 'express'
import passport from 'passport'
import { accountId } from './account/account-id'
import { isWholeUrl, must, mustBeKnown, type NamesOf, typeName } from './checks'
import { milliseconds, storeTimeoutOf } from './duration'
import type { UnavailableError } from './errors'
import type { AuditLog, EventOrigin } from './events/events'
import { originOf } from './events/reporter'
import { checkNotifyOptions, type NotifyOptions } from './mail/options'
import type { HostCsrf, PassportLike, Policy, SecondFactorOptions } from './options'
import { OWN_FIELDS } from './own-fields'
import { type RecoverySettings, readRecoveryOptions } from './recovery/options'
import type { SecondFactorStore } from './stores/store'
import { unfailing, warnOnceAMinute } from './tell-unavailable'

/** The options with their defaults, as the rooms use them. Not the keys: whoever logs a room logs its settings. */
export interface Settings {
  issuer: string
  account(user: unknown): { id: string; name: string }
  store: SecondFactorStore
  path: string
  loginUrl: string
  loginPaths: string[]
  logoutUrl: string
  challengeUrl: string | null
  returnTo: string
  verifyPassword: ((user: Express.User, password: string, req: Request) => boolean | Promise<boolean>) | null
  policy: ((user: Express.User, req: Request) => Policy | Promise<Policy>) | null
  skip: ((user: Express.User, req: Request) => boolean | Promise<boolean>) | null
  /** Milliseconds; 0: no device is trusted. */
  trustAge: number
  disable: 'code' | 'fresh'
  audit: AuditLog | null
  notify: NotifyOptions | null
  recovery: RecoverySettings | null
  eventOrigin(req: Request): EventOrigin
  onVerified: ((user: Express.User, req: Request, res: Response) => void | Promise<void>) | null
  onCancelled: ((req: Request, res: Response) => void | Promise<void>) | null
  onUnavailable(error: UnavailableError): void
  /** Milliseconds. */
  revalidateAfter: number
  /** Milliseconds. */
  storeTimeout: number
  isEnrolled: ((user: Express.User, req: Request) => boolean | Promise<boolean>) | null
  backupCodes: number
  csrf: HostCsrf | null
  passport: PassportLike
  now(): number
}

/** @throws ConfigurationError naming the option, what is wrong with it and what to write instead */
export function readOptions<User>(options: SecondFactorOptions<User>): Settings {
  const given = options as unknown as SecondFactorOptions<Express.User>
  // First, since what was misspelt is missing, too.
  mustBeKnown(given, NAMES)
  const issuer = typeof given.issuer === 'string' ? given.issuer.trim() : ''
  must(
    /[^:\s]/.test(issuer),
    'SF_ISSUER',
    'Option issuer is the name of your app, as users will see it in their authenticator app',
  )
  must(
    typeof given.account === 'function',
    'SF_ACCOUNT',
    'Option account is a function from your user to { id, name }: (user) => ({ id: user.id, name: user.email })',
  )
  must(
    typeof given.store?.get === 'function' && typeof given.store.compareAndSet === 'function',
    'SF_STORE',
    'Option store is where second factors are kept: new SqlStore(database), new RedisStore(client), one of your own, ' +
      'or new MemoryStore() to try things out',
  )
  for (const name of Object.keys(NAMES) as (keyof typeof NAMES)[]) {
    // Without keys it is the keyring that says what they are.
    must(
      given[name] !== null || name === 'keys',
      'SF_OPTION_TYPE',
      `Option ${name} is null, which may be something that was looked for in vain: give undefined, or leave it out, ` +
        'where you want what it is by default',
    )
  }
  must(
    given.path === undefined || typeof given.path === 'string',
    'SF_OPTION_TYPE',
    `Option path must be a text, not ${typeName(given.path)}`,
  )
  const path = (given.path ?? '/two-factor').replace(/\/+$/, '')
  must(
    /^(\/(?!\.+(\/|$))[\w.~-]+)+$/.test(path),
    'SF_PATH',
    `Option path is the path at which the router is mounted, such as '/two-factor', not '${given.path}'`,
  )
  for (const name of ADDRESSES) {
    const value: unknown = given[name]
    must(
      value === undefined || isAddress(value),
      'SF_URL',
      `Option ${name} is a path of your app that begins with a slash, such as '/login', or a whole URL`,
    )
  }
  must(
    given.loginPaths === undefined ||
      (Array.isArray(given.loginPaths) &&
        given.loginPaths.every((path) => isAddress(path) && !isWholeUrl(path))),
    'SF_URL',
    "Option loginPaths are paths of your app that begin with a slash, such as ['/auth/google/callback']",
  )
  must(
    isSupport(given.support),
    'SF_SUPPORT',
    "Option support is whom users turn to: an address, a URL, or { text: 'Help desk', href: '/help' }",
  )
  const { csrf } = given
  must(
    csrf === undefined ||
      ((csrf?.token === undefined || typeof csrf.token === 'function') &&
        (csrf?.verify === 'before' || typeof csrf?.verify === 'function')),
    'SF_CSRF',
    "Option csrf is { token(req, res), verify }: verify is a function, or 'before' where your own middleware has checked; " +
      'without token where your check needs none',
  )
  if (csrf) mustBeKnown(csrf, { token: true, field: true, verify: true }, 'csrf.')
  must(
    csrf?.field === undefined || (typeof csrf.field === 'string' && csrf.field !== ''),
    'SF_CSRF',
    "Option csrf.field is the name of a form's field, such as '_csrf'",
  )
  for (const name of FUNCTIONS) {
    const value = given[name]
    must(
      value === undefined || typeof value === 'function',
      'SF_OPTION_TYPE',
      `Option ${name} must be a function, not ${typeName(value)}${name === 'policy' && typeof value === 'string' ? `: () => '${value}'` : ''}`,
    )
  }
  const backupCodes = given.backupCodes ?? 5
  must(
    Number.isInteger(backupCodes) && backupCodes >= 1 && backupCodes <= 20,
    'SF_BACKUP_CODES',
    'Option backupCodes is a number from 1 to 20',
  )
  must(
    ['code', 'fresh', undefined].includes(given.disable),
    'SF_DISABLE',
    "Option disable is what turning it off takes: 'code', or 'fresh' for a code accepted in the last five minutes",
  )
  must(
    given.audit === undefined || typeof given.audit?.write === 'function',
    'SF_AUDIT',
    'Option audit is where events are kept: new SqlAuditLog(database), or your own { write(event) }',
  )
  const { notify, trustedDevices } = given
  checkNotifyOptions(notify)
  if (trustedDevices !== undefined) mustBeKnown(trustedDevices, { maxAge: true }, 'trustedDevices.')
  const trustAge =
    trustedDevices === undefined ? 0 : milliseconds(trustedDevices?.maxAge, 'trustedDevices.maxAge')
  must(
    trustedDevices === undefined || (trustAge > 0 && trustAge <= LONGEST_TRUST),
    'SF_DURATION',
    "Option trustedDevices is { maxAge: '30d' }: for how long a browser is not asked again, at most 400 days",
  )
  const recovery = readRecoveryOptions(given.recovery, {
    store: given.store,
    path,
    settingsUrl: notify?.settingsUrl,
  })
  // A form would have two fields of that name.
  must(
    ![...OWN_FIELDS, ...(recovery?.fields ?? [])].includes(csrf?.field ?? '_csrf'),
    'SF_CSRF',
    `Option csrf.field is '${csrf?.field}', which is another field of our forms: give your token another name`,
  )
  const revalidateAfter = milliseconds(given.revalidateAfter ?? '60s', 'revalidateAfter')
  must(
    // Less than a second as a bare number was meant in seconds.
    revalidateAfter <= LONGEST_REST &&
      (revalidateAfter === 0 || revalidateAfter >= 1000 || typeof given.revalidateAfter === 'string'),
    'SF_DURATION',
    "Option revalidateAfter is how long a session may go on that was revoked elsewhere: '60s', at most a day (a bare number counts milliseconds)",
  )
  return {
    issuer,
    account: (user) => accountOf(given, user as Express.User),
    store: given.store,
    path,
    loginUrl: given.loginUrl ?? '/login',
    loginPaths: [...(given.loginPaths ?? [])],
    logoutUrl: given.logoutUrl ?? '/logout',
    challengeUrl: given.challengeUrl ?? null,
    returnTo: given.returnTo ?? '/',
    verifyPassword: given.verifyPassword?.bind(given) ?? null,
    policy: given.policy?.bind(given) ?? null,
    skip: given.skip?.bind(given) ?? null,
    trustAge,
    disable: given.disable ?? 'code',
    audit: given.audit ?? null,
    notify: given.notify ?? null,
    recovery,
    eventOrigin: given.eventOrigin?.bind(given) ?? originOf,
    onVerified: given.onVerified?.bind(given) ?? null,
    onCancelled: given.onCancelled?.bind(given) ?? null,
    onUnavailable: unfailing(given.onUnavailable?.bind(given) ?? warnOnceAMinute()),
    revalidateAfter,
    storeTimeout: storeTimeoutOf(given.storeTimeout),
    isEnrolled: given.isEnrolled?.bind(given) ?? null,
    backupCodes,
    csrf: csrf ?? null,
    passport: given.passport ?? (passport as unknown as PassportLike),
    now: given.now?.bind(given) ?? Date.now,
  }
}

/** Browsers keep no cookie for longer (RFC 6265bis section 5.5), milliseconds. */
const LONGEST_TRUST = 400 * 86_400_000

/** Milliseconds. */
const LONGEST_REST = 86_400_000

const ADDRESSES = [
  'loginUrl',
  'logoutUrl',
  'challengeUrl',
  'returnTo',
] as const satisfies (keyof SecondFactorOptions)[]

const NAMES: NamesOf<SecondFactorOptions> = {
  issuer: true,
  account: true,
  keys: true,
  store: true,
  path: true,
  loginUrl: true,
  loginPaths: true,
  logoutUrl: true,
  challengeUrl: true,
  returnTo: true,
  support: true,
  verifyPassword: true,
  policy: true,
  skip: true,
  trustedDevices: true,
  disable: true,
  audit: true,
  notify: true,
  recovery: true,
  eventOrigin: true,
  onVerified: true,
  onCancelled: true,
  onUnavailable: true,
  revalidateAfter: true,
  storeTimeout: true,
  isEnrolled: true,
  backupCodes: true,
  language: true,
  locales: true,
  views: true,
  layout: true,
  stylesheets: true,
  csrf: true,
  nonce: true,
  contentSecurityPolicy: true,
  formAction: true,
  passport: true,
  now: true,
}

const FUNCTIONS = [
  'verifyPassword',
  'policy',
  'skip',
  'eventOrigin',
  'isEnrolled',
  'onVerified',
  'onCancelled',
  'onUnavailable',
  'language',
  'nonce',
  'now',
] as const satisfies (keyof SecondFactorOptions)[]

/** A path of this very site, or a whole URL. */
function isAddress(value: unknown): boolean {
  return (typeof value === 'string' && /^\/(?![/\\])/.test(value)) || isWholeUrl(value)
}

function isSupport(value: unknown): boolean {
  if (value === undefined || typeof value === 'string') return true
  const { text, href } = Object(value) as { text?: unknown; href?: unknown }
  return typeof text === 'string' && typeof href === 'string'
}

function accountOf(options: SecondFactorOptions, user: Express.User): { id: string; name: string } {
  const { id, name } = options.account(user) ?? {}
  const checked = accountId(id)
  return { id: checked, name: String(name || checked) }
}
