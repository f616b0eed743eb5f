import { CLOCK_SKEW } from '../account/sound-clock'

/**
 * Whether `moment` lies at most `life` back. What lies further ahead than clocks differ was made under another
 * time and does not count. All in milliseconds.
 */
export function isWithin(moment: number, life: number, now: number): boolean {
  const age = now - moment
  return age >= -CLOCK_SKEW && age < life
}
