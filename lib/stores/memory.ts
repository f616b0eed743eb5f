import { must } from '../checks'
import type { SecondFactorStore, StoredRecord } from './store'

/**
 * Keeps the records in this process: for tests, demonstrations and development.
 *
 * A restart forgets every second factor, and with it that accounts had one, so in production it warns.
 */
export class MemoryStore implements SecondFactorStore {
  readonly #records = new Map<string, StoredRecord>()

  /** @throws ConfigurationError `SF_OPTIONS` */
  constructor()
  constructor(...given: unknown[]) {
    must(
      given.every((one) => one === undefined),
      'SF_OPTIONS',
      'MemoryStore takes nothing: it keeps what it is told until the process ends',
    )
    if (process.env.NODE_ENV === 'production') warnOnce()
  }

  async get(accountId: string): Promise<StoredRecord | null> {
    const record = this.#records.get(accountId)
    return record ? copy(record) : null
  }

  async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    // No await between the look and the write: that is the atomic step.
    if ((this.#records.get(accountId)?.version ?? 0) !== expectedVersion) return false
    this.#records.set(accountId, copy(next))
    return true
  }

  async list(after: string | null, limit: number): Promise<{ accountId: string; record: StoredRecord }[]> {
    return [...this.#records]
      .filter(([accountId]) => after === null || byBytes(accountId, after) > 0)
      .sort(([a], [b]) => byBytes(a, b))
      .slice(0, limit)
      .map(([accountId, record]) => ({ accountId, record: copy(record) }))
  }

  getMany(accountIds: readonly string[]): Promise<(StoredRecord | null)[]> {
    return Promise.all(accountIds.map((accountId) => this.get(accountId)))
  }

  async delete(accountId: string): Promise<void> {
    this.#records.delete(accountId)
  }
}

/** Copies in and out, and nothing but the contract's fields: nobody else holds what the map holds. */
function copy({ version, activated, sealed }: StoredRecord): StoredRecord {
  return { version, activated, sealed }
}

/** The order of a database's binary collation, so that a list reads alike from every store. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

let warned = false

function warnOnce(): void {
  if (warned) return
  warned = true
  process.emitWarning(
    'MemoryStore in production: second factors are lost at every restart and not shared between processes. ' +
      'Accounts that had one are then open to the password alone. Use a store that lasts, such as SqlStore.',
    { type: 'SecondFactorWarning', code: 'SF_MEMORY_STORE' },
  )
}
