import { UnavailableError } from '../errors'

/**
 * What calls would have answered whose time was up while they were writing. Kept beside the errors, which hosts log:
 * it may hold backup codes and tickets.
 */
const OUTCOMES = new WeakMap<UnavailableError, () => Promise<unknown>>()

/**
 * @param find begun only where somebody wants to know. Resolves once what was sent is known to be on record, and else
 *   never
 */
export function keepForLate(error: UnavailableError, find: () => Promise<unknown>): void {
  OUTCOMES.set(error, find)
}

/**
 * What the call that failed with this error would have answered: resolves once its write is known to be on record after
 * all, and else never. Null: nothing was under way.
 */
export function lateOutcome(error: unknown): Promise<unknown> | null {
  return (error instanceof UnavailableError && OUTCOMES.get(error)?.()) || null
}

/** For one of several writes of a call: what comes of it too late is not what the call would have answered. */
export async function asOneStep<T>(write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    if (error instanceof UnavailableError) OUTCOMES.delete(error)
    throw error
  }
}
