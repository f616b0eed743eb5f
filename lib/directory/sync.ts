import { setImmediate as turn } from 'node:timers/promises'

/** Users that are read at once. */
const BATCH = 500

export interface SyncOptions {
  /** Goes on after this user: `last` of one that stopped. */
  after?: string | null
  /** Stops it between two batches. */
  signal?: AbortSignal
  /** Called after each batch. */
  onProgress?: (progress: SyncProgress) => void
}

/** How far it has come. Counts are of this call. */
export interface SyncProgress {
  /** Users looked at. */
  seen: number
  /** Users of whom the column said something else. */
  changed: number
  /** All users up to this one are done. */
  last: string | null
}

export interface DirectorySync extends SyncProgress {
  /** False: `signal` stopped it. */
  done: boolean
}

/** The database or the store did not answer; `{ after: error.progress.last }` goes on from there. */
export class DirectorySyncError extends Error {
  constructor(
    readonly progress: SyncProgress,
    cause: unknown,
  ) {
    super(`The directory was not brought up to date: ${(cause as Error | null)?.message}`, { cause })
    this.name = 'DirectorySyncError'
  }
}

/** What a directory and its store are asked for. */
export interface Synced {
  users(after: string | null, limit: number): Promise<{ id: string; activated: boolean }[]>
  /** By the store, in the order of the ids. */
  activated(ids: readonly string[]): Promise<boolean[]>
  note(ids: readonly string[], activated: boolean): Promise<void>
}

/** Goes through all users in batches, and writes only what is wrong. */
export async function syncDirectory(
  { after = null, signal, onProgress }: SyncOptions,
  { users, activated, note }: Synced,
): Promise<DirectorySync> {
  const progress: SyncProgress = { seen: 0, changed: 0, last: after }
  while (!signal?.aborted) {
    try {
      const batch = await users(progress.last, BATCH)
      if (batch.length === 0) return { ...progress, done: true }
      const known = await activated(batch.map(({ id }) => id))
      for (const on of [true, false]) {
        const wrong = batch.filter((user, i) => known[i] === on && user.activated !== on).map(({ id }) => id)
        if (wrong.length > 0) await note(wrong, on)
        progress.changed += wrong.length
      }
      progress.seen += batch.length
      progress.last = batch.at(-1)?.id ?? progress.last
    } catch (cause) {
      throw new DirectorySyncError({ ...progress }, cause)
    }
    onProgress?.({ ...progress })
    // A database that answers at once would leave the app no turn.
    await turn()
  }
  return { ...progress, done: false }
}
