import type { Request, Response } from 'express'
import passport from 'passport'
import { accountId } from './account/account-id'
import { type Duration, milliseconds, storeTimeoutOf } from './duration'
import { ConfigurationError, type UnavailableError } from './errors'
import type { EventOrigin, SecondFactorEvent } from './events/events'
import { originOf } from './events/reporter'
import type { NotifyOptions } from './mail/notifier'
import type { Layout } from './pages/renderer'
import type { Support } from './pages/support'
import type { Policy } from './session/demand'
import type { SecondFactorStore } from './stores/store'

export { accountId }

/** An account as the plugin knows it. */
export interface AccountName {
  /** Never changes and is never given to somebody else (unless after `forget`). */
  id: string | number
  /** What the user knows the account by, shown in the authenticator app: an e-mail address, a user name. */
  name?: string | undefined
}

/** How the host's own protection against request forgery is handed over. */
export interface HostCsrf {
  /** The token that the host's check expects, for the forms and for JSON clients. */
  token(req: Request, res: Response): string
  /** The name of the form field. Default `_csrf`. */
  field?: string
  /**
   * Whether a POST carries a valid token: only `true` lets it through. `'before'`: a middleware of the host's,
   * mounted before the router, has refused those that do not.
   */
  verify: 'before' | ((req: Request, res: Response) => boolean | Promise<boolean>)
}

/** What is needed of Passport: the way from a session's user to the host's. */
export interface PassportLike {
  // biome-ignore lint/suspicious/noExplicitAny: Passport's own overloads are typed so
  deserializeUser: (...args: any[]) => void
}

export interface SecondFactorOptions<User = Express.User> {
  /** The name of the app or company, shown in the authenticator app. */
  issuer: string
  /** The account of a user, as Passport deserializes it. */
  account(user: User): AccountName
  /** 32 random bytes each, in base64; the first seals, all open. Kept outside the database. */
  keys: readonly (string | Uint8Array | undefined)[]
  /** Where second factors are kept. */
  store: SecondFactorStore

  /** Where the router is mounted. Default `/two-factor`. */
  path?: string
  /** The host's login page. Default `/login`. */
  loginUrl?: string
  /**
   * Where the host signs people out. Half a login may post there, even where something logs in at every request
   * (default `/logout`); set it if people sign out by following a link, and half a login may do that too. Nothing
   * may log in with a password at this path.
   */
  logoutUrl?: string
  /** The host's own page for entering a code, where it has one. Default: the router's. */
  challengeUrl?: string
  /** Where a login goes that was going nowhere in particular. Default `/`. */
  returnTo?: string
  /** Whom users turn to when nothing else helps: an address, a URL, or a text with its link. */
  support?: Support
  /**
   * Checks the password again when two-factor authentication is enabled more than ten minutes after the login.
   * Only `true` is right. Wrong ones, and errors, are counted for the account and lock like wrong codes.
   */
  verifyPassword?(user: User, password: string, req: Request): boolean | Promise<boolean>
  /**
   * Who must have a second factor: such users can do nothing but enrol until they have one, or not before
   * `graceUntil`, and cannot turn it off. Asked at the login and at every request of an account without one.
   * Default: nobody.
   */
  policy?(user: User, req: Request): Policy | Promise<Policy>
  /**
   * Logins for which somebody else has asked for a second factor, such as a provider of single sign-on: they are
   * neither held nor asked, and pass gates without `maxAge`. Judge by the user that this very login gave (what the
   * provider's strategy answered), never by the session, in which somebody else may log in next. Default: none.
   */
  skip?(user: User, req: Request): boolean | Promise<boolean>
  /**
   * Lets users choose not to be asked again in a browser, for so long. It stands in for the code of a login, and
   * never for one that a gate with `maxAge` asks for. Default: not offered.
   */
  trustedDevices?: { maxAge: Duration }
  /**
   * What turning it off takes: `'code'`, or `'fresh'`: a code accepted in the last five minutes, for whatever
   * purpose, is enough. Default `'code'`.
   */
  disable?: 'code' | 'fresh'
  /** Mails to users about what happens to their accounts. Default: none are sent. */
  notify?: NotifyOptions
  /** Where events are kept, such as a `SqlAuditLog`. */
  audit?: AuditLog
  /** Where a request comes from, for events. Default: `req.id` and `req.ip`. */
  eventOrigin?(req: Request): EventOrigin
  /**
   * Called when a login has been completed on the plugin's pages, before the answer: what a login route does
   * after Passport (merging a cart, noting the time) does not run there. A session that proves itself again
   * does not count. The session is saved; what is answered here goes in the place of our answer.
   */
  onVerified?(user: User, req: Request, res: Response): void | Promise<void>
  /** Called when half a login was given up on our page: to clear a remember-me cookie, which would log in again. */
  onCancelled?(req: Request, res: Response): void | Promise<void>
  /** Told why an answer was 503; without it, a process warning at most once a minute. */
  onUnavailable?(error: UnavailableError): void
  /** How long a session may rest on what was read of its account; 0: read at every request. Default `'60s'`. */
  revalidateAfter?: Duration
  /**
   * How long one call on an account may take in the store, its place in line included; then the answer is 503, and
   * what the store answers later is nobody's. Default `'5s'`.
   */
  storeTimeout?: Duration
  /**
   * Whether this user has a second factor, by what the host itself keeps (a column that its own code sets). Where it
   * says yes, and the store has neither a second factor nor its disabling on record (flushed, a stale replica, the
   * wrong database), the answer is 503. Events `enabled`, `disabled`, `reset` and `forgotten` keep it up to date.
   */
  isEnrolled?(user: User, req: Request): boolean | Promise<boolean>
  /** How many backup codes a set has. Default 5. */
  backupCodes?: number

  /** The page's language, where the host knows it; else what the user chose (`req.session.lang`), then `Accept-Language`. */
  language?(req: Request): string | undefined
  /** A folder of `<lang>.json` files, merged over ours. */
  locales?: string
  /** A folder whose files replace ours in `views/`, file by file. */
  views?: string
  /** Everything around the card: the name of a view of the host's, or a function. */
  layout?: Layout
  /** URLs of further style sheets, after ours. */
  stylesheets?: string[]
  /** The host's own protection against request forgery, in the place of ours. */
  csrf?: HostCsrf
  /** The nonce of this answer, where the host's layout has scripts or styles of its own. */
  nonce?(req: Request, res: Response): string | undefined
  /** Sources added to directives of the pages' Content-Security-Policy. */
  contentSecurityPolicy?: Record<string, string[]>
  /** Origins that the redirect after a form may lead to, besides the host's own. */
  formAction?: string[]

  /** The host's Passport, if it is not the one that `require('passport')` gives. */
  passport?: PassportLike
  /** The time, milliseconds since 1970. For tests. */
  now?(): number
}

/** Keeps events. What it rejects is a warning of the process. */
export interface AuditLog {
  write(event: SecondFactorEvent): unknown
}

/** The options with their defaults, as the rooms use them. */
export interface Settings {
  issuer: string
  account(user: unknown): { id: string; name: string }
  keys: readonly (string | Uint8Array | undefined)[]
  store: SecondFactorStore
  path: string
  loginUrl: string
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
  must(
    typeof given === 'object' && given !== null,
    'SF_OPTIONS',
    'createSecondFactor takes an object of options',
  )
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
  const path = (given.path ?? '/two-factor').replace(/\/+$/, '')
  must(
    /^(\/(?!\.+(\/|$))[\w.~-]+)+$/.test(path),
    'SF_PATH',
    `Option path is the path at which the router is mounted, such as '/two-factor', not '${given.path}'`,
  )
  for (const name of Object.keys(given)) {
    must(
      NAMES.has(name),
      'SF_OPTIONS',
      `There is no option ${name}. The options are: ${[...NAMES].join(', ')}`,
    )
  }
  const { csrf } = given
  must(
    csrf === undefined ||
      (typeof csrf?.token === 'function' && (csrf.verify === 'before' || typeof csrf.verify === 'function')),
    'SF_CSRF',
    "Option csrf is { token(req, res), verify }: verify is a function, or 'before' where your own middleware has checked",
  )
  for (const name of FUNCTIONS) {
    const value = given[name]
    must(
      value === undefined || typeof value === 'function',
      'SF_OPTION_TYPE',
      `Option ${name} must be a function, not ${typeof value}`,
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
  must(
    notify === undefined ||
      (typeof notify?.transport?.sendMail === 'function' &&
        typeof notify.from === 'string' &&
        typeof notify.recipients === 'function' &&
        (notify.settingsUrl === undefined || /^https?:/.test(notify.settingsUrl))),
    'SF_NOTIFY',
    "Option notify is { transport: nodemailer.createTransport(...), from: 'Acme <security@acme.example>', " +
      'recipients(accountId) }, and perhaps settingsUrl, a whole URL',
  )
  const trustAge =
    trustedDevices === undefined ? 0 : milliseconds(trustedDevices?.maxAge, 'trustedDevices.maxAge')
  must(
    trustedDevices === undefined || (trustAge > 0 && trustAge <= LONGEST_TRUST),
    'SF_DURATION',
    "Option trustedDevices is { maxAge: '30d' }: for how long a browser is not asked again, at most 400 days",
  )
  return {
    issuer,
    account: (user) => accountOf(given, user as Express.User),
    keys: given.keys,
    store: given.store,
    path,
    loginUrl: given.loginUrl ?? '/login',
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
    eventOrigin: given.eventOrigin?.bind(given) ?? originOf,
    onVerified: given.onVerified?.bind(given) ?? null,
    onCancelled: given.onCancelled?.bind(given) ?? null,
    onUnavailable: unfailing(given.onUnavailable?.bind(given) ?? warnOnceAMinute()),
    revalidateAfter: milliseconds(given.revalidateAfter ?? '60s', 'revalidateAfter'),
    storeTimeout: storeTimeoutOf(given.storeTimeout),
    isEnrolled: given.isEnrolled?.bind(given) ?? null,
    backupCodes,
    csrf: csrf ?? null,
    passport: given.passport ?? (passport as unknown as PassportLike),
    now: given.now ?? Date.now,
  }
}

/** Browsers keep no cookie for longer (RFC 6265bis section 5.5), milliseconds. */
const LONGEST_TRUST = 400 * 86_400_000

const NAMES: ReadonlySet<string> = new Set<keyof SecondFactorOptions>([
  'issuer',
  'account',
  'keys',
  'store',
  'path',
  'loginUrl',
  'logoutUrl',
  'challengeUrl',
  'returnTo',
  'support',
  'verifyPassword',
  'policy',
  'skip',
  'trustedDevices',
  'disable',
  'audit',
  'notify',
  'eventOrigin',
  'onVerified',
  'onCancelled',
  'onUnavailable',
  'revalidateAfter',
  'storeTimeout',
  'isEnrolled',
  'backupCodes',
  'language',
  'locales',
  'views',
  'layout',
  'stylesheets',
  'csrf',
  'nonce',
  'contentSecurityPolicy',
  'formAction',
  'passport',
  'now',
])

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

function accountOf(options: SecondFactorOptions, user: Express.User): { id: string; name: string } {
  const { id, name } = options.account(user) ?? {}
  const checked = accountId(id)
  return { id: checked, name: String(name || checked) }
}

/** What the host does with an error must not become another one: the answer is 503 all the same. */
function unfailing(tell: (error: UnavailableError) => unknown): (error: UnavailableError) => void {
  return async (error) => {
    try {
      await tell(error)
    } catch (failure) {
      process.emitWarning(`Option onUnavailable failed: ${(failure as Error | null)?.message}`, {
        code: 'SF_ON_UNAVAILABLE',
      })
    }
  }
}

/** Each cause once a minute; of a store that is away many requests would say the same. */
function warnOnceAMinute(): (error: UnavailableError) => void {
  const told = new Map<string, number>()
  return ({ message, cause, accountId: about }) => {
    const text = cause instanceof Error ? `${message}: ${cause.message}` : message
    const now = performance.now()
    for (const [one, at] of told) if (now - at >= 60_000) told.delete(one)
    if (told.has(text) || told.size >= 100) return
    told.set(text, now)
    process.emitWarning(about === null ? text : `${text} (account ${JSON.stringify(about)})`, {
      code: 'SF_UNAVAILABLE',
    })
  }
}

function must(condition: boolean, code: string, message: string): void {
  if (!condition) throw new ConfigurationError(code, message)
}
