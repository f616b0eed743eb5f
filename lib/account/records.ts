import { setTimeout as delay } from 'node:timers/promises'
import type { Keyring } from '../crypto/keyring'
import { UnavailableError } from '../errors'
import type { SecondFactorStore, StoredRecord } from '../stores/store'
import { type AccountRecord, EMPTY_RECORD, isEnrolled, parse, type Ruling, serialize } from './record'

/** Lost races in a row after which something else must be wrong. */
const MOST_ATTEMPTS = 50
const LONGEST_PAUSE = 50

/** Reads account records and changes them, one conditional write at a time. The only user of the store. */
export class AccountRecords {
  readonly #store: SecondFactorStore
  readonly #keyring: Keyring
  readonly #now: () => number
  readonly #lines = new Map<string, Promise<unknown>>()

  /** @param now milliseconds since 1970 */
  constructor(store: SecondFactorStore, keyring: Keyring, now: () => number) {
    this.#store = store
    this.#keyring = keyring
    this.#now = now
  }

  /** @throws UnavailableError when the store does not answer or the row does not open */
  async read(accountId: string): Promise<AccountRecord> {
    return (await this.#open(accountId)).record
  }

  /**
   * Applies a rule and writes what it made, only if nobody wrote in between; else reads again and starts over.
   * Nothing of the outcome may leave before this resolves. A rule that changes nothing writes nothing.
   *
   * Calls for one account stand in line within the process, so that only other processes can get in between.
   *
   * @param prepare what the rule needs and may not do itself (slow, asynchronous), from the record just read
   * @throws UnavailableError when the store does not answer or the row does not open; nothing was changed
   */
  transact<Outcome, Prepared = undefined>(
    accountId: string,
    rule: (record: AccountRecord, now: number, prepared: Prepared) => Ruling<Outcome>,
    prepare?: (record: AccountRecord, now: number) => Promise<Prepared>,
  ): Promise<Outcome> {
    return this.#inLine(accountId, async () => {
      for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        if (attempt > 0) await delay(Math.random() * Math.min(2 ** attempt, LONGEST_PAUSE))
        const { record, version } = await this.#open(accountId)
        // One moment for both, so that no lock ends in between.
        const now = this.#now()
        const prepared = prepare && (await prepare(record, now))
        const ruling = rule(record, now, prepared as Prepared)
        if (ruling.record === record) return ruling.outcome
        if (await this.#write(accountId, version, ruling.record)) return ruling.outcome
      }
      throw new UnavailableError('An account record is written by others all the time')
    })
  }

  /** Erases the account's row, or, where the store cannot, everything in it. */
  async forget(accountId: string): Promise<void> {
    const store = this.#store
    if (!store.delete) {
      await this.transact(accountId, ({ epoch }) => ({
        record: { ...EMPTY_RECORD, epoch: epoch + 1 },
        outcome: null,
      }))
      return
    }
    await this.#inLine(accountId, () => asked(() => store.delete?.(accountId)))
  }

  async #open(accountId: string): Promise<{ record: AccountRecord; version: number }> {
    const stored = await asked(() => this.#store.get(accountId))
    if (stored === null) return { record: EMPTY_RECORD, version: 0 }
    const { version, activated, sealed } = stored ?? {}
    if (!Number.isSafeInteger(version) || version < 1 || typeof sealed !== 'string') {
      throw new UnavailableError('The store answered with no record')
    }
    const record = parse(this.#keyring.open(accountId, contextOf(accountId, version, activated), sealed))
    return { record, version }
  }

  #write(accountId: string, expectedVersion: number, record: AccountRecord): Promise<boolean> {
    // A row starts by the clock, so that one that was erased and made again never has a version that it had.
    const version = (expectedVersion || Math.floor(this.#now() / 1000)) + 1
    const activated = isEnrolled(record)
    const sealed = this.#keyring.seal(accountId, contextOf(accountId, version, activated), serialize(record))
    const next: StoredRecord = { version, activated, sealed }
    return asked(async () => (await this.#store.compareAndSet(accountId, expectedVersion, next)) === true)
  }

  async #inLine<T>(accountId: string, task: () => Promise<T>): Promise<T> {
    const turn = (this.#lines.get(accountId) ?? Promise.resolve()).then(task, task)
    this.#lines.set(accountId, turn)
    try {
      return await turn
    } finally {
      if (this.#lines.get(accountId) === turn) this.#lines.delete(accountId)
    }
  }
}

/** What a row is bound to besides its account's key: it opens only where and as it was written. */
function contextOf(accountId: string, version: number, activated: boolean): string {
  return JSON.stringify([accountId, version, activated])
}

async function asked<T>(question: () => T): Promise<Awaited<T>> {
  try {
    return await question()
  } catch (cause) {
    throw new UnavailableError('The factor store does not answer', { cause })
  }
}
