import type { Policy } from '../options'

/** Whether a user must have a second factor, and may do without until when. */
export interface Demand {
  required: boolean
  /** Until when the user may go on without one; null: not at all. */
  graceUntil: Date | null
}

/** Anything but a clear 'optional' is a demand, and a grace period that is over, or no date, is none. */
export function demandOf(policy: Policy, now: number): Demand {
  if (policy === 'optional') return { required: false, graceUntil: null }
  const given = typeof policy === 'object' && policy !== null ? policy.graceUntil : null
  const until = given === null ? Number.NaN : new Date(given).getTime()
  return { required: true, graceUntil: until > now ? new Date(until) : null }
}

/** The user can do nothing else before there is a second factor. */
export function isHeldBy({ required, graceUntil }: Demand): boolean {
  return required && graceUntil === null
}
