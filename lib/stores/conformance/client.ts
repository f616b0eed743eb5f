import type { SecondFactorStore, StoredRecord } from '../store'
import { inTime, message, mustBe, show, TooLate } from './words'

/** Asks a store, and believes no answer that is not of the contract's shape. */
export class Client {
  constructor(readonly store: SecondFactorStore) {}

  async get(accountId: string): Promise<StoredRecord | null> {
    const call = `get(${show(accountId)})`
    const record = await asked(call, () => this.store.get(accountId))
    if (record === null) return null
    mustBe(
      record !== undefined,
      `${call} answered undefined. An account that has no row is null: only that is known to be "none".`,
    )
    assertShape(call, record)
    return record
  }

  async write(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    const call = `compareAndSet(${show(accountId)}, ${expectedVersion}, …)`
    const answer: unknown = await asked(call, () =>
      this.store.compareAndSet(accountId, expectedVersion, next),
    )
    mustBe(
      answer === true || answer === false,
      `${call} answered ${show(answer)}. It answers true or false and nothing else: only true counts as written.`,
    )
    return answer === true
  }

  /** A write that nobody else's is in the way of. */
  async put(accountId: string, expectedVersion: number, next: StoredRecord): Promise<void> {
    mustBe(
      await this.write(accountId, expectedVersion, next),
      `compareAndSet(${show(accountId)}, ${expectedVersion}, …) answered false. The expected version was the right one` +
        `${expectedVersion === 0 ? ' (0: there is no row)' : ''}, and nobody else writes: it must be true.`,
    )
  }

  async list(after: string | null, limit: number): Promise<{ accountId: string; record: StoredRecord }[]> {
    const call = `list(${after === null ? 'null' : show(after)}, ${limit})`
    mustBe(this.store.list, missing('list', 'Reports and the rotation of keys'))
    const rows = await asked(call, () => this.store.list?.(after, limit))
    if (!Array.isArray(rows)) throw new Error(`${call} answered ${show(rows)}, not an array of rows`)
    for (const row of rows) {
      mustBe(typeof row?.accountId === 'string', `${call} answered a row whose accountId is no string`)
      assertShape(`${call}, row ${show(row.accountId)},`, row.record)
    }
    return rows
  }

  async delete(accountId: string): Promise<void> {
    mustBe(this.store.delete, missing('delete', 'The erasure of accounts'))
    await asked(`delete(${show(accountId)})`, () => this.store.delete?.(accountId))
  }
}

/** One of the store's promises: what it rejects with names the call, and it ends some time. */
async function asked<T>(call: string, question: () => T): Promise<Awaited<T>> {
  try {
    return await inTime(Promise.resolve(question()), call)
  } catch (cause) {
    if (cause instanceof TooLate) throw cause
    throw new Rejected(`${call} rejected: ${message(cause)}`, { cause })
  }
}

/** The store did not answer: what a broken connection may lead to, and nothing else. */
export class Rejected extends Error {}

function missing(method: string, purpose: string): string {
  return `The store has no ${method}(). ${purpose} needs it; if it is left out on purpose, say so: without: ['${method}']`
}

function assertShape(call: string, record: StoredRecord): void {
  const { version, activated, sealed } = record ?? {}
  mustBe(
    Number.isSafeInteger(version),
    `${call} answered a version that is ${kindOf(version)}. It is a number and a whole one: many drivers hand out ` +
      '64-bit integers as text or BigInt, which are to be made numbers.',
  )
  mustBe(
    typeof activated === 'boolean',
    `${call} answered an \`activated\` that is ${kindOf(activated)}. It is true or false: databases often say 1 or 0.`,
  )
  mustBe(
    typeof sealed === 'string',
    `${call} answered a \`sealed\` that is ${kindOf(sealed)}. It is a string.`,
  )
}

function kindOf(value: unknown): string {
  return `${show(value)} (${typeof value})`
}
