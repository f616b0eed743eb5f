import type { FactorState } from '../session/request-factor'
import type { Settings } from '../settings'
import type { Visit } from './visit'

/** A session that has begun: everything but anonymous and unavailable. */
export type SessionState = Exclude<FactorState, 'anonymous' | 'unavailable'>

/** One row of the router's table. */
export interface Route {
  method: 'get' | 'post'
  path: string
  /**
   * The states that get as far as the handler; the others are led to where they can go on. `anybody`: no session is
   * looked at, and no form token; what the request carries is its right.
   */
  admits: readonly SessionState[] | 'anybody'
  /** Verified sessions need a proof at most this old, milliseconds. */
  maxAge?: number | ((settings: Settings) => number | undefined)
  /** The account is read before the handler: it gets `status`, and the session is settled by it. */
  reads: boolean
  handle(visit: Visit): Promise<void> | void
}
