import { CLOCK_SKEW } from '../account/clock-skew'

/** Milliseconds. Whoever has just entered a code comes back with the next request: below that they never pass. */
export const SHORTEST_AGE = 1000

/**
 * Whether `moment` lies at most `life` back. What lies further ahead than clocks differ was made under another
 * time and does not count. All in milliseconds.
 */
export function isWithin(moment: number, life: number, now: number): boolean {
  const age = now - moment
  return age >= -CLOCK_SKEW && age < life
}
