/** What changes the factors themselves needs a code accepted at most this long ago, milliseconds. */
export const FRESH_PROOF = 5 * 60_000
