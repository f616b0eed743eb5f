import { randomBytes } from 'node:crypto'
import type { Session, SessionData } from 'express-session'
import type { Method } from '../account/record'
import type { ProvenBy } from '../events/events'
import type { AdminNotice } from '../pages/admin-pages'

interface Common {
  accountId: string
  /** The account's epoch that this session was admitted in. */
  epoch: number
  /** When the password (or whatever the host's login asks) was accepted, milliseconds since 1970; 0: unknown. */
  loginAt: number
  /** Secret behind the tokens of this session's forms. */
  csrf: string
  /** Where the user was going. */
  returnTo?: string
  /** Where it goes on after new backup codes, which came first. */
  afterCodes?: string
  /** An enrolment or a replacement that was begun, sealed. */
  enrolment?: string
  /** What the gate that sent the user here demands. */
  demands?: { methods?: Method[] }
  /** A form was sent and not carried out: the user is told where it is to be sent again. */
  notSent?: boolean
  /** A new phone was set up: the user is told on the next page. */
  justReplaced?: boolean
  /** What an administrator has just done, told on the next page of theirs. */
  adminNotice?: AdminNotice
}

/** Logged in, without a second factor since the account has none. */
export interface UnenrolledMarker extends Common {
  state: 'unenrolled'
}

/** Logged in, with a second factor proven. */
export interface VerifiedMarker extends Common {
  state: 'verified'
  method: ProvenBy
  /** When the second factor was last proven, milliseconds since 1970; null: something stood in for it. */
  verifiedAt: number | null
  /** The trusted device that stood in for it. */
  device?: string
}

/** Half a login. Passport's user is held here and nowhere else, so that nobody else sees a login. */
export interface HeldMarker extends Common {
  state: 'pending' | 'must-enrol'
  /** What Passport serialized. */
  user: unknown
  /** The key under which this Passport keeps it. */
  passportKey: string
  /** The account's name for the page. */
  name: string
  /** When the session came to be held, milliseconds since 1970. */
  heldAt: number
}

/** What the plugin keeps in a session, under the key `secondFactor`. */
export type Marker = UnenrolledMarker | VerifiedMarker | HeldMarker

declare module 'express-session' {
  interface SessionData {
    secondFactor?: Marker
  }
}

export type AppSession = Session &
  Partial<SessionData> & {
    /** Where a login is to return: the convention that Passport itself reads. */
    returnTo?: unknown
    [key: string]: unknown
  }

/** How long half a login lasts, milliseconds. */
export const PENDING_LIFE = 10 * 60_000

export function newCsrfSecret(): string {
  return randomBytes(18).toString('base64url')
}

export function isHeld(marker: Marker | undefined): marker is HeldMarker {
  return marker?.state === 'pending' || marker?.state === 'must-enrol'
}

/** A session's marker. What every object inherits, where a host's prototypes were polluted, is nobody's proof. */
export function ownMarker(session: Partial<SessionData> | null | undefined): Marker | undefined {
  return session && Object.hasOwn(session, 'secondFactor') ? session.secondFactor : undefined
}
