import { setTimeout as delay } from 'node:timers/promises'
import type { Keyring } from '../crypto/keyring'
import { ConfigurationError, UnavailableError } from '../errors'
import type { SecondFactorStore, StoredRecord } from '../stores/store'
import { type AccountRecord, EMPTY_RECORD, isEnrolled, parse, type Ruling, serialize } from './record'
import { soundClock } from './sound-clock'
import { TimeLimit } from './time-limit'

/** Lost races in a row after which something else must be wrong. */
const MOST_ATTEMPTS = 50
const LONGEST_PAUSE = 50
/** How many times as long as a call on one account a page of all accounts may take. */
const LISTING = 24

/** A row of the store, for those who go through all of them. */
export interface AccountRow {
  accountId: string
  /** Null: it does not open. */
  record: AccountRecord | null
  /** Sealed by the first key. */
  current: boolean
}

/** Reads account records and changes them, one conditional write at a time: nobody else reads or writes a row. */
export class AccountRecords {
  readonly #store: SecondFactorStore
  readonly #keyring: Keyring
  readonly #now: () => number
  readonly #patience: number
  readonly #lines = new Map<string, Promise<unknown>>()

  /**
   * @param now milliseconds since 1970
   * @param patience milliseconds that one call may wait for the store
   */
  constructor(store: SecondFactorStore, keyring: Keyring, now: () => number, patience = 5000) {
    this.#store = store
    this.#keyring = keyring
    this.#now = soundClock(now)
    this.#patience = patience
  }

  /** @throws UnavailableError when the store does not answer in time or the row does not open */
  async read(accountId: string): Promise<AccountRecord> {
    const limit = new TimeLimit(this.#patience)
    return (await about(accountId, limit, () => limit.within(() => this.#open(accountId, limit)))).record
  }

  /**
   * Applies a rule and writes what it made, only if nobody wrote in between; else reads again and starts over.
   * Nothing of the outcome may leave before this resolves. A rule that changes nothing writes nothing.
   *
   * Calls for one account stand in line within the process, so that only other processes can get in between.
   *
   * @param prepare what the rule needs and may not do itself (slow, asynchronous), from the record just read
   * @throws UnavailableError when the store does not answer in time or the row does not open: there is no outcome
   */
  transact<Outcome, Prepared = undefined>(
    accountId: string,
    rule: (record: AccountRecord, now: number, prepared: Prepared) => Ruling<Outcome>,
    prepare?: (record: AccountRecord, now: number) => Promise<Prepared>,
  ): Promise<Outcome> {
    return this.#inLine(accountId, async (limit) => {
      let tried: { sealed: string; outcome: Outcome } | null = null
      for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        if (attempt > 0) await delay(Math.random() * Math.min(2 ** attempt, LONGEST_PAUSE))
        const { record, version, sealed } = await this.#open(accountId, limit)
        // Who wrote first was ourselves: a driver that lost its connection has sent the write twice.
        if (tried && tried.sealed === sealed) return tried.outcome
        // One moment for both, so that no lock ends in between.
        const now = this.#now()
        const prepared = prepare && (await prepare(record, now))
        const ruling = rule(record, now, prepared as Prepared)
        if (ruling.record === record) return ruling.outcome
        const next = this.#seal(accountId, version, ruling.record)
        if (await this.#write(accountId, version, next, limit)) return ruling.outcome
        tried = { sealed: next.sealed, outcome: ruling.outcome }
      }
      throw new UnavailableError('An account record is written by others all the time')
    })
  }

  /** Erases the account's row, or, where the store cannot, everything in it. @throws UnavailableError */
  async forget(accountId: string): Promise<void> {
    const store = this.#store
    if (!store.delete) {
      await this.transact(accountId, ({ epoch }) => ({
        record: { ...EMPTY_RECORD, epoch: epoch + 1 },
        outcome: null,
      }))
      return
    }
    await this.#inLine(accountId, (limit) => asked(limit, () => store.delete?.(accountId)))
  }

  /**
   * Rows in the order of their account id, after `after` (null: from the first), at most `limit`.
   *
   * @throws ConfigurationError `SF_STORE_LIST` when the store has no `list`
   * @throws UnavailableError
   */
  async list(after: string | null, limit: number): Promise<AccountRow[]> {
    const { list } = this.#store
    if (!list) {
      throw new ConfigurationError(
        'SF_STORE_LIST',
        'This store has no list(), so its accounts cannot be gone through',
      )
    }
    // Nobody's request waits for this, and a store may have to look at every key.
    const time = new TimeLimit(LISTING * this.#patience)
    const rows = await time.within(() => asked(time, () => list.call(this.#store, after, limit)))
    if (!Array.isArray(rows) || !rows.every((row) => typeof row?.accountId === 'string' && row.record)) {
      throw new UnavailableError('The store answered with no list of records')
    }
    return rows.map(({ accountId, record }) => ({
      accountId,
      record: this.#unseal(accountId, record),
      current: this.#keyring.isCurrent(String(record.sealed)),
    }))
  }

  /** Writes the row as it is, under the first key. @throws UnavailableError */
  reseal(accountId: string): Promise<void> {
    return this.transact(accountId, (record) => ({
      record: record === EMPTY_RECORD ? record : { ...record },
      outcome: undefined,
    }))
  }

  async #open(
    accountId: string,
    limit: TimeLimit,
  ): Promise<{ record: AccountRecord; version: number; sealed: string | null }> {
    const stored = await asked(limit, () => this.#store.get(accountId))
    if (stored === null) return { record: EMPTY_RECORD, version: 0, sealed: null }
    const { version, activated, sealed } = stored ?? {}
    const whole = Number.isSafeInteger(version) && version >= 1 && typeof activated === 'boolean'
    if (!whole || typeof sealed !== 'string') {
      throw new UnavailableError('The store answered with no record')
    }
    const record = parse(this.#keyring.open(accountId, contextOf(accountId, version, activated), sealed))
    return { record, version, sealed }
  }

  #unseal(accountId: string, { version, activated, sealed }: StoredRecord): AccountRecord | null {
    try {
      return parse(this.#keyring.open(accountId, contextOf(accountId, version, activated), sealed))
    } catch {
      return null
    }
  }

  #seal(accountId: string, expectedVersion: number, record: AccountRecord): StoredRecord {
    // A row starts by the clock, so that one that was erased and made again never has a version that it had.
    const version = (expectedVersion || Math.floor(this.#now() / 1000)) + 1
    const activated = isEnrolled(record)
    const sealed = this.#keyring.seal(accountId, contextOf(accountId, version, activated), serialize(record))
    return { version, activated, sealed }
  }

  async #write(
    accountId: string,
    expectedVersion: number,
    next: StoredRecord,
    limit: TimeLimit,
  ): Promise<boolean> {
    try {
      limit.check()
      limit.uncertain = true
      const written =
        (await asked(limit, () => this.#store.compareAndSet(accountId, expectedVersion, next))) === true
      limit.uncertain = false
      return written
    } catch (error) {
      if (await this.#isWritten(accountId, next, limit)) return true
      throw error
    }
  }

  /**
   * Whether a write whose answer was lost has happened: nobody else makes the same seal. A server that is coming
   * back is waited for, since else a code would be spent for nothing, or backup codes made that nobody saw.
   */
  async #isWritten(accountId: string, { sealed }: StoredRecord, limit: TimeLimit): Promise<boolean> {
    for (let pause = 25; limit.left > pause; pause *= 2) {
      try {
        return (await this.#store.get(accountId))?.sealed === sealed
      } catch {
        await delay(pause)
      }
    }
    return false
  }

  /**
   * Waiting in line takes of the call's own time, so that a store that hangs keeps nobody for longer: whoever is
   * before us has less of it left.
   */
  #inLine<T>(accountId: string, task: (limit: TimeLimit) => Promise<T>): Promise<T> {
    const limit = new TimeLimit(this.#patience)
    const inTime = () => about(accountId, limit, () => limit.within(() => task(limit)))
    const turn = (this.#lines.get(accountId) ?? Promise.resolve()).then(inTime, inTime)
    this.#lines.set(accountId, turn)
    const leave = () => {
      if (this.#lines.get(accountId) === turn) this.#lines.delete(accountId)
    }
    turn.then(leave, leave)
    return turn
  }
}

/** What a row is bound to besides its account's key: it opens only where and as it was written. */
function contextOf(accountId: string, version: number, activated: boolean): string {
  return JSON.stringify([accountId, version, activated])
}

/** What fails says which account it is about: for the host, and in no answer. */
async function about<T>(accountId: string, limit: TimeLimit, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof UnavailableError) Object.assign(error, { accountId, uncertain: limit.uncertain })
    throw error
  }
}

/** Asks the store, unless whoever wanted to know has been answered already. */
async function asked<T>(limit: TimeLimit, question: () => T): Promise<Awaited<T>> {
  limit.check()
  try {
    return await question()
  } catch (cause) {
    throw new UnavailableError('The factor store does not answer', { cause })
  }
}
