import type { Request, Response } from 'express'
import type { Duration } from './duration'
import type { UnavailableError } from './errors'
import type { AuditLog, EventOrigin } from './events/events'
import type { NotifyOptions } from './mail/options'
import type { Layout } from './pages/renderer'
import type { Support } from './pages/support'
import type { RecoveryOptions } from './recovery/options'
import type { SecondFactorStore } from './stores/store'

declare module 'passport' {
  interface LogInOptions {
    /**
     * False: nobody has just given a password or the like, as with a remember-me cookie. Enabling a second factor and
     * asking support to recover an account then want it, and half a login that is there goes on. True: half a login begins
     * anew, in a session of its own. By default true, but for requests by `GET` that option `loginPaths` does not name, and
     * to the plugin's own pages.
     */
    freshLogin?: boolean
  }
  interface AuthenticateOptions {
    /** The same, for `passport.authenticate('remember-me', { freshLogin: false })`. */
    freshLogin?: boolean
  }
}

/** An account as the plugin knows it. */
export interface AccountName {
  /** Never changes and is never given to somebody else (unless after `forget`). */
  id: string | number
  /** What the user knows the account by, shown in the authenticator app: an e-mail address, a user name. */
  name?: string | undefined
}

/** How the host's own protection against request forgery is handed over. */
export interface HostCsrf {
  /**
   * The token that the host's check expects, for the forms and for JSON clients. Left out where the check needs none,
   * as one of `Origin` or `Sec-Fetch-Site`.
   */
  token?(req: Request, res: Response): string
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

/** What the host's policy says of a user. */
export type Policy = 'optional' | 'required' | { required: true; graceUntil: Date | number }

/**
 * What `createSecondFactor` takes. An option that is left out, or undefined, is what it is by default. Null is refused for
 * each of them: what was meant to protect (`policy`, `csrf`, `isEnrolled`) must not be missing unseen, because somebody
 * looked for it in vain.
 */
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
   * Paths by which people log in besides it, such as `/auth/google` and `/auth/google/callback`: half a login is not led
   * away from them, and what logs in there begins anew, also by `GET`.
   */
  loginPaths?: readonly string[]
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
   * `graceUntil`, and cannot turn it off. Asked at logins to an account without one and at the requests that follow, and
   * of all accounts where the settings are shown and where it is to be turned off. A session by option `skip` that rests
   * on what is remembered of its account is not asked. Default: nobody.
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
  /**
   * Recovery through support, for users who have lost both their authenticator app and their backup codes. Needs
   * `notify` with `settingsUrl`. Default: there is none.
   */
  recovery?: RecoveryOptions<User>
  /** Mails to users about what happens to their accounts. Default: none are sent. */
  notify?: NotifyOptions
  /** Where events are kept, such as a `SqlAuditLog`. */
  audit?: AuditLog
  /** Where a request comes from, for events. Default: `req.id` and `req.ip`. */
  eventOrigin?(req: Request): EventOrigin
  /**
   * Called when a login has been completed on the plugin's pages, before the answer: what a login route does
   * after Passport (merging a cart, noting the time) does not run there. A session that proves itself again
   * does not count. The session is saved; what is answered here goes in the place of our answer. Only where backup codes
   * are shown, after a second factor that was demanded is set up, does our answer stay: of the host's go its cookies with
   * it, and a redirect is where "continue" leads.
   */
  onVerified?(user: User, req: Request, res: Response): void | Promise<void>
  /** Called when half a login was given up on our page: to clear a remember-me cookie, which would log in again. */
  onCancelled?(req: Request, res: Response): void | Promise<void>
  /**
   * Told why an answer was 503, and what an answer had to do without: whether a recovery is due while its store is away,
   * a record in a list that does not open. Without it, a process warning, each cause once a minute
   * and a hundred of them at most.
   */
  onUnavailable?(error: UnavailableError): void
  /**
   * How long a session may rest on what was read of its account, at most a day; 0: read at every request. Default `'60s'`.
   */
  revalidateAfter?: Duration
  /**
   * How long one call on an account may take in the store, its place in line included; then the answer is 503, and
   * what the store answers later is nobody's. Default `'5s'`.
   */
  storeTimeout?: Duration
  /**
   * Whether this user has a second factor, by what the host itself keeps (a column that its own code sets). Where it
   * says yes, and the store has neither a second factor nor its disabling on record (flushed, a stale replica, the
   * wrong database), the answer is 503. Events `enabled`, `disabled`, `reset`,
   * `recovery-completed` and `forgotten` keep it up to date.
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
