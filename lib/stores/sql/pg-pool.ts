import type { PostgresPool, PostgresPoolClient } from 'kysely'

/** A pool of `pg`. */
export interface PgPool {
  connect(callback: (error: Error | undefined, client: unknown) => void): void
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  listenerCount(event: 'error'): number
  readonly totalCount: number
}

/** Clients whose errors are heard already: a pool may serve several stores. */
const heard = new WeakSet<object>()

/**
 * The pool, for use by Kysely, whose process outlives a lost connection. A client of `pg` says so twice: to the
 * query, which rejects, and as an event, which nobody hears while the client is taken out of the pool, and an
 * `error` that nobody hears ends the process. A pool without a listener says it of idle clients in the same way.
 */
export function surviving(pool: PgPool): PostgresPool {
  if (pool.listenerCount('error') === 0) pool.on('error', () => {})
  return {
    connect: () =>
      new Promise((resolve, reject) =>
        // By callback: a promise would come a moment after the pool has stopped listening itself.
        pool.connect((error, taken) => {
          if (error || !taken) return reject(error ?? new Error('The pool has no client'))
          const client = taken as PostgresPoolClient & Pick<PgPool, 'on'>
          if (!heard.has(client)) client.on('error', () => {})
          heard.add(client)
          resolve(client)
        }),
      ),
    end: () => pool.end(),
  }
}
