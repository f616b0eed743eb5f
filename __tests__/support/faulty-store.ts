import { MemoryStore, type StoredRecord } from 'express-second-factor'

/** What a store can do wrong. `null`: nothing. */
export type Fault =
  | null
  | 'get rejects'
  | 'get throws'
  | 'compareAndSet rejects'
  | 'the record is unreadable'
  | 'the record was altered'
  | 'the record is of another account'
  | 'the record says deactivated'
  | 'the store answers undefined'

export class FaultyStore extends MemoryStore {
  fault: Fault = null

  override get(accountId: string): Promise<StoredRecord | null> {
    if (this.fault === 'get throws') throw new Error('not connected')
    return this.#get(accountId)
  }

  async #get(accountId: string): Promise<StoredRecord | null> {
    if (this.fault === 'get rejects') throw new Error('the store is away')
    if (this.fault === 'the store answers undefined') return undefined as unknown as null
    const other = this.fault === 'the record is of another account'
    const record = await super.get(other ? 'u-bob' : accountId)
    if (record && this.fault === 'the record is unreadable') return { ...record, sealed: 'x' }
    if (record && this.fault === 'the record says deactivated') return { ...record, activated: false }
    if (record && this.fault === 'the record was altered') {
      const { sealed } = record
      return { ...record, sealed: sealed.slice(0, -4) + (sealed.endsWith('AAAA') ? 'BBBB' : 'AAAA') }
    }
    return record
  }

  override async compareAndSet(
    accountId: string,
    expectedVersion: number,
    next: StoredRecord,
  ): Promise<boolean> {
    if (this.fault === 'compareAndSet rejects') throw new Error('the store is read-only')
    return super.compareAndSet(accountId, expectedVersion, next)
  }
}

/** Everything that a store holds, to compare. */
export async function dump(store: MemoryStore): Promise<string> {
  return JSON.stringify(await store.list(null, 1000))
}
