import { EventEmitter } from 'node:events'
import { type PgPool, surviving } from '../../lib/stores/sql/pg-pool'

/** A pool that answers `connect` with this. */
class Pool extends EventEmitter {
  readonly totalCount = 1
  ended = 0
  constructor(
    private readonly error: Error | undefined,
    private readonly client: unknown,
  ) {
    super()
  }

  connect(callback: (error: Error | undefined, client: unknown) => void): void {
    callback(this.error, this.client)
  }

  async end(): Promise<void> {
    this.ended++
  }
}

const over = (pool: Pool) => surviving(pool as unknown as PgPool)

test('what is told of idle clients ends no process, and is left to a host that listens', () => {
  const pool = new Pool(undefined, new EventEmitter())
  expect(() => pool.emit('error', new Error('gone'))).toThrow('gone')
  over(pool)
  over(pool)
  expect(pool.listenerCount('error')).toBe(1)
  expect(() => pool.emit('error', new Error('gone'))).not.toThrow()
})

test('a client’s errors are heard from when it is taken, by one listener', async () => {
  const client = new EventEmitter()
  const pool = new Pool(undefined, client)
  for (const taken of [over(pool), over(pool), over(new Pool(undefined, client))]) {
    expect(await taken.connect()).toBe(client)
  }
  expect(client.listenerCount('error')).toBe(1)
  expect(() => client.emit('error', new Error('gone'))).not.toThrow()
})

test('a pool that has none says why, or that', async () => {
  const full = new Error('timeout exceeded when trying to connect')
  await expect(over(new Pool(full, undefined)).connect()).rejects.toBe(full)
  await expect(over(new Pool(full, new EventEmitter())).connect()).rejects.toBe(full)
  await expect(over(new Pool(undefined, undefined)).connect()).rejects.toThrow('The pool has no client')
})

test('the pool ends when it is told to', async () => {
  const pool = new Pool(undefined, undefined)
  await over(pool).end()
  expect(pool.ended).toBe(1)
})
