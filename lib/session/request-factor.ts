import type { Request } from 'express'
import type { Method } from '../account/record'

export type FactorState = 'anonymous' | 'unenrolled' | 'pending' | 'must-enrol' | 'verified' | 'unavailable'

/** What is known of a request's second factor, as `req.secondFactor`. */
export interface RequestFactor {
  /** `pending`, `must-enrol` and `unavailable` are anonymous to the host. */
  readonly state: FactorState
  /** How the second factor was proven. */
  readonly method: Method | null
  /** When it was last proven. */
  readonly verifiedAt: Date | null
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

/** The same for the rooms of the plugin, with what the host has no use for. Lives as long as its request. */
export class RequestState implements RequestFactor {
  state: FactorState = 'anonymous'
  method: Method | null = null
  verifiedAt: Date | null = null
  account: SessionAccount | null = null

  /**
   * @param base where the router is, as the browser sees it
   * @param isRoute whether the router serves a path below it
   */
  constructor(
    readonly base: string,
    private readonly isRoute: (path: string) => boolean,
  ) {}

  /** The request is for a page of the plugin, and not for one of the host's beside it. */
  isOwn(req: Request): boolean {
    const path = req.originalUrl.split('?')[0] as string
    const below = path.toLowerCase().startsWith(this.base.toLowerCase()) ? path.slice(this.base.length) : null
    return below !== null && this.isRoute(below)
  }

  get challengeUrl(): string {
    return `${this.base}/challenge`
  }

  get enableUrl(): string {
    return `${this.base}/enable`
  }

  become(state: FactorState, account: SessionAccount | null): void {
    this.state = state
    this.account = account
    this.method = null
    this.verifiedAt = null
  }

  becomeVerified(account: SessionAccount, method: Method, verifiedAt: number): void {
    this.state = 'verified'
    this.account = account
    this.method = method
    this.verifiedAt = new Date(verifiedAt)
  }
}

const states = new WeakMap<Request, RequestState>()

/** Kept beside the request, so that nothing that writes to `req.secondFactor` can change a decision. */
export function stateOf(req: Request): RequestState | undefined {
  return states.get(req)
}

export function begin(req: Request, path: string, isRoute: (path: string) => boolean): RequestState {
  const state = new RequestState(req.baseUrl + path, isRoute)
  states.set(req, state)
  req.secondFactor = state
  return state
}
