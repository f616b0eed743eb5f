/** How far the clocks of two processes may differ, milliseconds: what one has just done must count at the other. */
const CLOCK_SKEW = 60_000

/**
 * Whether `moment` lies at most `life` back. What lies further ahead than clocks differ was made under another
 * time and does not count. All in milliseconds.
 */
export function isWithin(moment: number, life: number, now: number): boolean {
  const age = now - moment
  return age >= -CLOCK_SKEW && age < life
}
