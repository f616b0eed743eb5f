/**
 * How much is searched: a small share in `npm test`, as much as `SEARCH_RUNS` says in `npm run search`. The seed of a
 * search that failed is in its message, and `SEARCH_SEED` plays it again.
 */
export function shareOf(small: number): { seed: number; numRuns: number } {
  return {
    seed: wholeNumber('SEARCH_SEED', 20260503) | 0,
    numRuns: Math.max(1, wholeNumber('SEARCH_RUNS', small)),
  }
}

/** A search that is told to look no number of times would look at nothing, and pass. */
function wholeNumber(name: string, otherwise: number): number {
  const number = Number(process.env[name] ?? otherwise)
  if (Number.isSafeInteger(number)) return number
  throw new Error(`${name} is no whole number: ${process.env[name]}`)
}
