import { UnavailableError } from '../errors'
import { within } from '../within'

/** How long an answer waits for what it can do without, milliseconds. */
export const PATIENCE = 1500

/** How long it waits for the host where there is no answer without, milliseconds. */
const LONGEST = 30_000

/**
 * What the host answers.
 *
 * @param who is asked, to complain about
 * @throws UnavailableError when it has not answered in time
 */
export function answered<T>(who: string, work: () => T): Promise<Awaited<T>> {
  return within(LONGEST, work, () => new UnavailableError(`${who} did not answer in time`))
}

/** What was asked for, where it comes in time; otherwise null, and it goes on by itself. */
export async function inTime<T>(work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE)
  })
  try {
    return await Promise.race([work, end])
  } finally {
    clearTimeout(timer)
  }
}
