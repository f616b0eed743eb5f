import type { Request, Response } from 'express'
import passport from 'passport'
import { type Duration, milliseconds } from './duration'
import { ConfigurationError } from './errors'
import type { Layout, Support } from './pages/renderer'
import type { SecondFactorStore } from './stores/store'

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
   * Whether a POST carries a valid token. Leave it out only where the host's own middleware, before the router,
   * has refused those that do not.
   */
  verify?(req: Request, res: Response): boolean
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
  store: SecondFactorStore

  /** Where the router is mounted. Default `/two-factor`. */
  path?: string
  /** The host's login page. Default `/login`. */
  loginUrl?: string
  /** Where a login goes that was going nowhere in particular. Default `/`. */
  returnTo?: string
  /** Whom users turn to when nothing else helps: an address, a URL, or a text with its link. */
  support?: Support
  /** Checks the password again when two-factor authentication is enabled long after the login. */
  verifyPassword?(user: User, password: string, req: Request): boolean | Promise<boolean>
  /** Who must have a second factor: such users can do nothing but enrol until they have one. Default: nobody. */
  policy?(user: User, req: Request): Policy | Promise<Policy>
  /** How long a session may rest on what was read of its account; 0: read at every request. Default `'60s'`. */
  revalidateAfter?: Duration
  /** How many backup codes a set has. Default 5. */
  backupCodes?: number

  /** The page's language, where the host knows it; otherwise `Accept-Language` decides. */
  language?(req: Request): string | undefined
  /** A folder of `<lang>.json` files, merged over ours. */
  locales?: string
  /** A folder whose files replace ours in `views/`, file by file. */
  views?: string
  /** Everything around the card: the name of a view of the host's, or a function. */
  layout?: Layout
  /** URLs of further style sheets, after ours. */
  stylesheets?: string[]
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

export type Policy = 'optional' | 'required'

/** The options with their defaults, as the rooms use them. */
export interface Settings {
  issuer: string
  account(user: unknown): { id: string; name: string }
  keys: readonly (string | Uint8Array | undefined)[]
  store: SecondFactorStore
  path: string
  loginUrl: string
  returnTo: string
  verifyPassword: ((user: Express.User, password: string, req: Request) => boolean | Promise<boolean>) | null
  policy: ((user: Express.User, req: Request) => Policy | Promise<Policy>) | null
  revalidateAfter: number
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
    'Option store is where second factors are kept: new SqlStore(database), or new MemoryStore() to try things out',
  )
  const path = (given.path ?? '/two-factor').replace(/\/+$/, '')
  must(
    /^(\/(?!\.+(\/|$))[\w.~-]+)+$/.test(path),
    'SF_PATH',
    `Option path is the path at which the router is mounted, such as '/two-factor', not '${given.path}'`,
  )
  const backupCodes = given.backupCodes ?? 5
  must(
    Number.isInteger(backupCodes) && backupCodes >= 1 && backupCodes <= 20,
    'SF_BACKUP_CODES',
    'Option backupCodes is a number from 1 to 20',
  )
  return {
    issuer,
    account: (user) => accountOf(given, user as Express.User),
    keys: given.keys,
    store: given.store,
    path,
    loginUrl: given.loginUrl ?? '/login',
    returnTo: given.returnTo ?? '/',
    verifyPassword: given.verifyPassword?.bind(given) ?? null,
    policy: given.policy?.bind(given) ?? null,
    revalidateAfter: milliseconds(given.revalidateAfter ?? '60s', 'revalidateAfter'),
    backupCodes,
    csrf: given.csrf ?? null,
    passport: given.passport ?? (passport as unknown as PassportLike),
    now: given.now ?? Date.now,
  }
}

function accountOf(options: SecondFactorOptions, user: Express.User): { id: string; name: string } {
  const { id, name } = options.account(user) ?? {}
  const text = Number.isSafeInteger(id) || typeof id === 'bigint' ? String(id) : id
  // An account without an id would share its factors with every other one.
  must(
    typeof text === 'string' &&
      text !== '' &&
      text.length <= 255 &&
      text.isWellFormed() &&
      !text.includes('\0'),
    'SF_ACCOUNT_ID',
    'Option account answered with an id that is no whole number and no text of 1 to 255 characters',
  )
  return { id: text as string, name: String(name || text) }
}

function must(condition: boolean, code: string, message: string): void {
  if (!condition) throw new ConfigurationError(code, message)
}
