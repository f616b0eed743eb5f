import { ENROLMENT_LIFE } from '../account/enrolment'
import { isWithin } from './age'
import {
  type HeldMarker,
  isHeld,
  type Marker,
  PENDING_LIFE,
  type UnenrolledMarker,
  type VerifiedMarker,
} from './marker'

/** What a judgement rests on: a fresh look at the account, or one not older than `revalidateAfter`. */
export interface AccountView {
  epoch: number
  enabled: boolean
  /** When it was turned off, as far as the store knows of it. */
  disabledAt?: number | null
  /** A recovery took it off: the user must enrol, whatever the host demands. */
  mustEnrol?: boolean
  /** The devices that are trusted; without it, not known. */
  devices?: readonly { id: string }[]
}

/** What to do with a session that Passport calls logged in. */
export type LoginJudgement =
  /** It goes on as it is. */
  | { verdict: 'keep'; marker: UnenrolledMarker | VerifiedMarker }
  /** It goes on, and gets our marker from now on. */
  | { verdict: 'adopt' }
  /** It becomes half a login: the account has a second factor, or must get one, that this session lacks. */
  | { verdict: 'hold'; as: 'pending' | 'must-enrol' }
  /** It ends. */
  | { verdict: 'log-out' }

/**
 * Judges a session that Passport calls logged in as `accountId`. A proof counts for one account and one epoch:
 * every other session of an account with a second factor is half a login.
 *
 * @param required the host demands a second factor of this user
 */
export function judgeLogin(
  marker: Marker | undefined,
  accountId: string,
  view: AccountView,
  required: boolean,
): LoginJudgement {
  const own = marker?.accountId === accountId && !isHeld(marker) ? marker : null
  if (view.enabled) {
    return own?.state === 'verified' && own.epoch === view.epoch && isStillTrusted(own, view)
      ? { verdict: 'keep', marker: own }
      : { verdict: 'hold', as: 'pending' }
  }
  if (own && own.epoch !== view.epoch) return { verdict: 'log-out' }
  if (own?.state === 'verified') {
    // What a provider has proven does not rest on a factor of ours.
    return own.method === 'single-sign-on' ? { verdict: 'keep', marker: own } : { verdict: 'log-out' }
  }
  if (required) return { verdict: 'hold', as: 'must-enrol' }
  return own ? { verdict: 'keep', marker: own } : { verdict: 'adopt' }
}

/** A session that a trusted device has let in lasts as long as that trust. */
function isStillTrusted({ device }: VerifiedMarker, { devices = [] }: AccountView): boolean {
  return device === undefined || devices.some(({ id }) => id === device)
}

/**
 * Whether half a login goes on: for ten minutes from when it came to be held, and for 15 more (as long as an enrolment
 * lasts) while one is begun.
 *
 * @param view where the account was just read: another epoch ends it too
 */
export function heldGoesOn(marker: HeldMarker, now: number, view?: AccountView): boolean {
  const life =
    marker.state === 'must-enrol' && marker.enrolment ? PENDING_LIFE + ENROLMENT_LIFE : PENDING_LIFE
  if (!isWithin(marker.heldAt, life, now)) return false
  return view === undefined || (view.epoch === marker.epoch && view.enabled === (marker.state === 'pending'))
}
