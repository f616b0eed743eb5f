import type { Request } from 'express'
import { ConfigurationError } from '../errors'
import type { ProvenBy } from '../events/events'
import type { Settings } from '../settings'

export type FactorState = 'anonymous' | 'unenrolled' | 'pending' | 'must-enrol' | 'verified' | 'unavailable'

/** What is known of a request's second factor, as `req.secondFactor`. */
export interface RequestFactor {
  /** `pending`, `must-enrol` and `unavailable` are anonymous to the host. */
  readonly state: FactorState
  /** How the second factor was proven, or what stood in for it. */
  readonly method: ProvenBy | null
  /** When a code was last accepted; null where something stood in for it. */
  readonly verifiedAt: Date | null
  /** Until when a user who must have a second factor may go on without; null: no such end. */
  readonly graceUntil: Date | null
  /** A form of this user was not carried out, since a code was asked for: on the page that it was sent from, once. */
  readonly formNotSent: boolean
  /** Where a pending user enters the code. */
  readonly challengeUrl: string
  /** Where a user without a second factor gets one. */
  readonly enableUrl: string
}

declare global {
  namespace Express {
    interface Request {
      secondFactor?: RequestFactor
    }
  }
}

/** The account whose session a request belongs to: of a full login or of half of one. */
export interface SessionAccount {
  id: string
  name: string
}

/** Where things are, the same for all requests of one `createSecondFactor`. */
export interface Site {
  /** Those of this `createSecondFactor`, by which it is told from another one. */
  settings: Settings
  /** Option `path`. */
  path: string
  /** The host's own challenge page, or null. */
  challengeUrl: string | null
  /** Where people log in besides the login page: by a provider, say. */
  loginPaths: ReadonlySet<string>
  /** The host's pages that people with half a login are not led away from. */
  exemptPaths: ReadonlySet<string>
  /** Those at which something may log in at every request, and half a login goes on: never a login form's. */
  openPaths: ReadonlySet<string>
  /** Whether the router serves a path below its own, by any method or by this one. */
  isRoute(path: string, method?: string): boolean
  /** Told of whoever is sent to one of the router's pages. */
  leads(): void
}

/** The same for the rooms of the plugin, with what the host has no use for. Lives as long as its request. */
export class RequestState implements RequestFactor {
  state: FactorState = 'anonymous'
  method: ProvenBy | null = null
  verifiedAt: Date | null = null
  /** The account has a second factor, as far as this session is concerned with one. */
  enrolled = true
  graceUntil: Date | null = null
  formNotSent = false
  account: SessionAccount | null = null
  /** The id of the stored session that the request came with, where somebody was logged in with it, or half so. */
  loadedSession: string | null = null
  /** When the request was put into its state, in the milliseconds of `performance`. */
  readonly begunAt = performance.now()

  /** @param base where the router is, as the browser sees it */
  constructor(
    readonly base: string,
    readonly site: Site,
  ) {}

  /** The path is one of the plugin's, and not one of the host's beside it. */
  #isOwn(req: Request, method?: string): boolean {
    const path = pathOf(req)
    const below = path.toLowerCase().startsWith(this.base.toLowerCase()) ? path.slice(this.base.length) : null
    return below !== null && this.site.isRoute(below, method)
  }

  /** The router serves this very request, or the host's page for entering a code or signing out does. */
  isOpen(req: Request): boolean {
    return this.#isOwn(req, req.method) || this.site.openPaths.has(plainPath(pathOf(req)))
  }

  /** Somebody with half a login may look at this page. */
  isExempt(req: Request): boolean {
    return this.#isOwn(req) || this.site.exemptPaths.has(plainPath(pathOf(req)))
  }

  /** The host has named this as a place where people log in. */
  isLogin(req: Request): boolean {
    return this.site.loginPaths.has(plainPath(pathOf(req)))
  }

  get challengeUrl(): string {
    return this.site.challengeUrl ?? `${this.base}/challenge`
  }

  get enableUrl(): string {
    return `${this.base}/enable`
  }

  /** Where somebody is sent who has to enter a code, or to enrol. */
  wayTo(page: 'challenge' | 'enable'): string {
    const url = page === 'challenge' ? this.challengeUrl : this.enableUrl
    if (url !== this.site.challengeUrl) this.site.leads()
    return url
  }

  become(state: FactorState, account: SessionAccount | null): void {
    this.state = state
    this.account = account
    this.method = null
    this.verifiedAt = null
    this.graceUntil = null
  }

  /** @param enrolled false: what a provider has proven, of an account that has no second factor here */
  becomeVerified(
    account: SessionAccount,
    method: ProvenBy,
    verifiedAt: number | null,
    enrolled = true,
  ): void {
    this.become('verified', account)
    this.enrolled = enrolled
    this.method = method
    this.verifiedAt = verifiedAt === null ? null : new Date(verifiedAt)
  }
}

/** A path as Express compares it by default: in any case, with or without a slash at the end. */
export function plainPath(path: string): string {
  return path.toLowerCase().replace(/\/$/, '') || '/'
}

function pathOf(req: Request): string {
  return req.originalUrl.split('?')[0] as string
}

/** A constructor that gives the object that it was handed: what extends it puts its private fields there. */
class Onto {
  constructor(target: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return target
  }
}

/**
 * A request's state, in a private field of the request: nothing that writes to `req` reaches it. A `WeakMap` would do
 * the same at ten times the price, since the garbage collector looks through it again and again.
 */
class Known extends Onto {
  #state: RequestState

  constructor(req: Request, state: RequestState) {
    super(req)
    this.#state = state
  }

  static of(req: object): RequestState | undefined {
    return #state in req ? req.#state : undefined
  }
}

/**
 * The state of a request, if `secondFactor.session()` has seen it: never what `req.secondFactor` says, which anybody
 * may write to.
 */
export function stateOf(req: Request): RequestState | undefined {
  return Known.of(req)
}

/**
 * The state of a request, for a part of the plugin that was made with these settings. What another instance has found
 * out rests on another store, other keys or another policy.
 *
 * @throws ConfigurationError `SF_SESSION_MISSING`, `SF_TWO_INSTANCES`
 */
export function knownStateOf(req: Request, settings: Settings): RequestState {
  const known = stateOf(req)
  if (known?.site.settings === settings) return known
  if (known) {
    throw new ConfigurationError(
      'SF_TWO_INSTANCES',
      'This gate, router or strategy is of another createSecondFactor() than the session() that this request came by: ' +
        'call createSecondFactor() once, and use what it returned everywhere',
    )
  }
  throw new ConfigurationError(
    'SF_SESSION_MISSING',
    'app.use(secondFactor.session()) is missing: it goes after passport.session() and before the routes',
  )
}

/**
 * Gives a request its state; null when it has one already.
 *
 * @throws ConfigurationError `SF_TWO_INSTANCES`
 */
export function startState(req: Request, site: Site): RequestState | null {
  const present = stateOf(req)
  if (present && present.site !== site) {
    throw new ConfigurationError(
      'SF_TWO_INSTANCES',
      'A request came by the session() of two createSecondFactor(), and can belong to one only: call createSecondFactor() ' +
        'once, and use what it returned everywhere',
    )
  }
  if (present) return null
  const state = new RequestState(req.baseUrl + site.path, site)
  new Known(req, state)
  req.secondFactor = Object.freeze(new ReadOnly(state))
  return state
}

/** What the host sees: it follows the state and cannot change it. */
class ReadOnly implements RequestFactor {
  readonly #state: RequestState

  constructor(state: RequestState) {
    this.#state = state
  }

  get state() {
    return this.#state.state
  }

  get method() {
    return this.#state.method
  }

  get verifiedAt() {
    return this.#state.verifiedAt
  }

  get graceUntil() {
    return this.#state.graceUntil
  }

  get formNotSent() {
    return this.#state.formNotSent
  }

  get challengeUrl() {
    return this.#state.challengeUrl
  }

  get enableUrl() {
    return this.#state.enableUrl
  }

  toJSON(): RequestFactor {
    const { state, method, verifiedAt, graceUntil, formNotSent, challengeUrl, enableUrl } = this
    return { state, method, verifiedAt, graceUntil, formNotSent, challengeUrl, enableUrl }
  }
}
