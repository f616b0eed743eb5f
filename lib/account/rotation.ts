import { setImmediate as turn } from 'node:timers/promises'
import { UnavailableError } from '../errors'
import type { Records, Row } from './records'

/** Rows that are listed at once. */
const PAGE = 100
/** Rows that are written at once. */
const AT_ONCE = 8

export interface RotationOptions {
  /** Goes on after this account: `last` of a rotation that stopped. */
  after?: string | null | undefined
  /** Stops the rotation between two rows. */
  signal?: AbortSignal | undefined
  /** Called after each page of rows. */
  onProgress?: ((progress: RotationProgress) => void) | undefined
}

/** How far a rotation has come. Counts are of this call, not of those that it goes on from. */
export interface RotationProgress {
  /** Accounts looked at. */
  seen: number
  /** Accounts that the first key now seals. */
  resealed: number
  /** Accounts whose records do not open: their key is not among the keys, or they were altered. */
  unreadable: readonly string[]
  /** All accounts up to this one are done. */
  last: string | null
}

export interface Rotation extends RotationProgress {
  /** False: `signal` stopped it. */
  done: boolean
}

/** The store did not answer, so the rotation ended early; `{ after: error.progress.last }` goes on from there. */
export class RotationError extends UnavailableError {
  readonly progress: RotationProgress
  constructor(progress: RotationProgress, cause: UnavailableError) {
    super(`The rotation of the keys ended early: ${cause.message}`, { cause })
    this.name = 'RotationError'
    this.progress = progress
  }
}

/**
 * Seals with the first key what older keys have sealed. Each row is one conditional write, so the app may go on
 * in any number of processes; a row that somebody else writes meanwhile is sealed anew by that.
 *
 * @throws RotationError at the first failure of the store, so that one that is dead is not asked for every row
 * @throws ConfigurationError `SF_STORE_LIST`
 */
export async function rotate<R>(records: Records<R>, options: RotationOptions = {}): Promise<Rotation> {
  const { signal, onProgress } = options
  const unreadable: string[] = []
  const progress = { seen: 0, resealed: 0, unreadable, last: options.after ?? null }
  while (!signal?.aborted) {
    const rows = await records.list(progress.last, PAGE).catch((cause) => {
      throw cause instanceof UnavailableError ? new RotationError(progress, cause) : cause
    })
    if (rows.length === 0) return { ...progress, done: true }

    const { reached, resealed, failure } = await resealAll(records, rows, signal)
    const done = rows.slice(0, reached)
    progress.seen += done.length
    progress.resealed += resealed
    progress.last = done.at(-1)?.accountId ?? progress.last
    for (const { accountId, record } of done) if (record === null) unreadable.push(accountId)
    onProgress?.({ ...progress })
    if (failure) throw new RotationError(progress, failure)
    // A store that answers at once would leave the app no turn.
    await turn()
  }
  return { ...progress, done: false }
}

/**
 * Requests, once the accounts are done: where they stop, what was reached is that of the accounts, from where another
 * run goes on, and what does not open is that of both.
 *
 * @throws RotationError
 */
export async function rotateBoth(accounts: Rotation, requests: () => Promise<Rotation>): Promise<Rotation> {
  const both = (unreadable: readonly string[]) => [...new Set([...accounts.unreadable, ...unreadable])]
  try {
    const { done, unreadable } = await requests()
    return { ...accounts, done, unreadable: both(unreadable) }
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    const { done: _, ...progress } = accounts
    const unreadable = both(error.progress.unreadable)
    throw new RotationError({ ...progress, unreadable }, error.cause as UnavailableError)
  }
}

/** Several rows at a time, begun in their order: all before `reached` are done. */
async function resealAll<R>(
  records: Records<R>,
  rows: Row<R>[],
  signal: AbortSignal | undefined,
): Promise<{ reached: number; resealed: number; failure: UnavailableError | null }> {
  let next = 0
  let resealed = 0
  let failed = rows.length
  let failure: UnavailableError | null = null

  async function work(): Promise<void> {
    while (next < rows.length && !failure && !signal?.aborted) {
      const index = next++
      const { accountId, record, current } = rows[index] as Row<R>
      if (current || record === null) continue
      try {
        await records.reseal(accountId)
        resealed++
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        if (index < failed) [failed, failure] = [index, error]
      }
      await turn()
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return { reached: Math.min(next, failed), resealed, failure }
}
