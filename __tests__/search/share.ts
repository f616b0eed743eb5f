/**
 * How much is searched: a small share in `npm test`, as much as `SEARCH_RUNS` says in `npm run search`. The seed of a
 * search that failed is in its message, and `SEARCH_SEED` plays it again.
 */
export function shareOf(small: number): { seed: number; numRuns: number } {
  const { SEARCH_SEED, SEARCH_RUNS } = process.env
  return {
    seed: SEARCH_SEED === undefined ? 20260503 : Number(SEARCH_SEED) | 0,
    numRuns: SEARCH_RUNS === undefined ? small : Math.max(1, Number(SEARCH_RUNS)),
  }
}
