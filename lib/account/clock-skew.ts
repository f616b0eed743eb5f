/** How far the clocks of two processes may differ, milliseconds: what one has just done must count at the other. */
export const CLOCK_SKEW = 60_000
