import { UnavailableError } from '../errors'

/** How far the clocks of two processes may differ, milliseconds: what one has just done must count at the other. */
export const CLOCK_SKEW = 60_000

/** Locks and trust end later than now, and are still to be dates that everybody can write. */
const LAST_MOMENT = Date.UTC(9999, 0, 1)

/**
 * A clock that tells a moment since 1970 or refuses: what is counted, locked and numbered by no time at all would
 * stay so when the clock is right again.
 *
 * @param now milliseconds since 1970
 * @throws UnavailableError by the clock that is returned
 */
export function soundClock(now: () => number): () => number {
  return () => {
    const moment = now()
    if (typeof moment === 'number' && moment >= 0 && moment < LAST_MOMENT) return moment
    throw new UnavailableError('The clock tells no time')
  }
}
