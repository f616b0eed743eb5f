import { randomInt } from 'node:crypto'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { Keyring } from '../crypto/keyring'
import { storeTimeoutOf } from '../duration'
import { ConfigurationError, UnavailableError } from '../errors'
import { rowsOf } from '../stores/rows'
import type { SecondFactorStore, StoredRecord } from '../stores/store'
import { keepForLate } from './late'
import { type AccountRecord, EMPTY_RECORD, isEnrolled, parse, type Ruling, serialize } from './record'
import { soundClock } from './sound-clock'
import { TimeLimit } from './time-limit'

/** Lost races in a row after which something else must be wrong. */
const MOST_ATTEMPTS = 50
const LONGEST_PAUSE = 50
/** How many times as long as a call on one account a page of all accounts may take. */
const LISTING = 24
/** Rows that are counted, or looked through, at once. */
const COUNTED = 1000
/** Rows that are opened between two turns of the event loop. */
const TURN = 100
/**
 * When a write whose answer was lost is looked for once the call is over, milliseconds: each pause is twice the one
 * before, a minute in all.
 */
const FIRST_LOOK = 250
const LAST_LOOK = 32_000

type ListedRow = { accountId: string; record: StoredRecord }

/** What was sent to be written and is not answered yet. */
interface Sent {
  sealed: string
  outcome: unknown
  answer: Promise<boolean>
}

/** One call on an account. */
class Call extends TimeLimit {
  /** Null: whether something was written is known, by a `true` or by a read. */
  sent: Sent | null = null
}

/** A row of the store, for those who go through all of them. */
export interface Row<R> {
  accountId: string
  /** Null: it does not open. */
  record: R | null
  /** Sealed by the first key. */
  current: boolean
}

/** What a store's rows hold: the accounts themselves, or something else that is kept of each of them. */
export interface Form<R> {
  /** The record of an account that has none yet. */
  empty: R
  /** What the row's column of that name says. */
  isActivated(record: R): boolean
  serialize(record: R): string
  /** @throws UnavailableError when the text is not of a form that this version knows */
  parse(text: string): R
  /** What is left where the store cannot erase a row. */
  forgotten(record: R): R
  /** Goes into the seal, so that a row of one kind does not open as one of another. */
  kind?: string
  /** What errors call the store. */
  storeName: string
  /** The record of a row that is about to be erased, and whether it is one: nobody else writes it meanwhile. */
  leaving?(now: number): R
  isLeaving?(record: R, now: number): boolean
}

/** Reads sealed records and changes them, one conditional write at a time: nobody else reads or writes a row. */
export class Records<R> {
  readonly #form: Form<R>
  readonly #store: SecondFactorStore
  readonly #keyring: Keyring
  readonly #now: () => number
  readonly #patience: number
  readonly #lines = new Map<string, Promise<unknown>>()

  /**
   * @param now milliseconds since 1970
   * @param patience milliseconds that one call may wait for the store; by default that of option `storeTimeout`
   */
  constructor(
    form: Form<R>,
    store: SecondFactorStore,
    keyring: Keyring,
    now: () => number,
    patience = storeTimeoutOf(),
  ) {
    this.#form = form
    this.#store = store
    this.#keyring = keyring
    this.#now = soundClock(now)
    this.#patience = patience
  }

  /**
   * @param patience milliseconds, where this look may not wait as long as others
   * @throws UnavailableError when the store does not answer in time or the row does not open
   */
  async read(accountId: string, patience = this.#patience): Promise<R> {
    const call = this.#call(patience)
    return (await this.#about(accountId, call, () => call.within(() => this.#open(accountId, call)))).record
  }

  /**
   * Several accounts' records, by their ids. One that does not open is null and hides no others.
   *
   * @throws UnavailableError when the store does not answer in time
   */
  async readMany(accountIds: readonly string[]): Promise<Map<string, R | null>> {
    const call = this.#call()
    const rows = await call.within(() => this.#asked(call, () => rowsOf(this.#store, accountIds)))
    if (!Array.isArray(rows) || rows.length !== accountIds.length) {
      throw new UnavailableError('The store answered with no list of records')
    }
    return new Map(
      accountIds.map((id, i) => [id, rows[i] === null ? this.#form.empty : this.#unseal(id, rows[i])]),
    )
  }

  /**
   * Applies a rule and writes what it made, only if nobody wrote in between; else reads again and starts over.
   * Nothing of the outcome may leave before this resolves. A rule that changes nothing writes nothing.
   *
   * Calls for one account stand in line within the process, so that only other processes can get in between.
   *
   * @param prepare what the rule needs and may not do itself (slow, asynchronous), from the record just read
   * @param how `patience`: milliseconds, where this call may not wait as long as others; `leavingToo`: also writes a row
   *   that is about to be erased, since nothing new would go with it
   * @throws UnavailableError when the store does not answer in time or the row does not open: there is no outcome, or
   *   one that comes too late (`lateOutcome`)
   */
  transact<Outcome, Prepared = undefined>(
    accountId: string,
    rule: (record: R, now: number, prepared: Prepared) => Ruling<Outcome, R>,
    prepare?: (record: R, now: number) => Promise<Prepared>,
    { patience, leavingToo = false }: { patience?: number | undefined; leavingToo?: boolean } = {},
  ): Promise<Outcome> {
    const work = async (call: Call) => {
      let tried: { sealed: string; outcome: Outcome } | null = null
      let isLeaving = false
      for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        if (attempt > 0) await delay(Math.random() * Math.min(2 ** attempt, LONGEST_PAUSE))
        const { record, version, sealed } = await this.#open(accountId, call)
        // Who wrote first was ourselves: a driver that lost its connection has sent the write twice.
        if (tried && tried.sealed === sealed) return tried.outcome
        call.sent = null
        // One moment for both, so that no lock ends in between.
        const now = this.#now()
        isLeaving = !leavingToo && this.#form.isLeaving?.(record, now) === true
        if (isLeaving) continue
        const prepared = prepare && (await prepare(record, now))
        const ruling = rule(record, now, prepared as Prepared)
        if (ruling.record === record) return ruling.outcome
        const next = this.#seal(accountId, version, ruling.record)
        if (await this.#write(accountId, version, next, ruling.outcome, call)) return ruling.outcome
        tried = { sealed: next.sealed, outcome: ruling.outcome }
      }
      throw new UnavailableError(
        isLeaving
          ? 'A record is about to be erased, and is still there: it can be written again in a minute'
          : 'An account record is written by others all the time',
      )
    }
    return this.#inLine(accountId, work, patience)
  }

  /** Erases the account's row, or, where the store cannot, everything in it. @throws UnavailableError */
  async forget(accountId: string): Promise<void> {
    const store = this.#store
    if (!store.delete) {
      await this.transact(accountId, (record) => ({ record: this.#form.forgotten(record), outcome: null }))
      return
    }
    await this.#inLine(accountId, (call) => this.#asked(call, () => store.delete?.(accountId)))
  }

  /**
   * Erases a row that is of no use. That it goes is written into it before, if nobody wrote in between; whoever comes
   * then, in any process, waits until it is gone, so that nothing new goes with it.
   *
   * @returns whether it is gone
   * @throws UnavailableError
   */
  eraseIf(accountId: string, isUseless: (record: R, now: number) => boolean): Promise<boolean> {
    return this.#inLine(accountId, async (call) => {
      const { record, version } = await this.#open(accountId, call)
      const now = this.#now()
      const { leaving } = this.#form
      if (version === 0 || !leaving || !this.#store.delete || !isUseless(record, now)) return false
      const next = this.#seal(accountId, version, leaving(now))
      if (!(await this.#write(accountId, version, next, false, call))) return false
      await this.#asked(call, () => this.#store.delete?.(accountId))
      return true
    })
  }

  /**
   * Rows in the order of their account id, after `after` (null: from the first), at most `limit`.
   *
   * @throws ConfigurationError `SF_STORE_LIST` when the store has no `list`
   * @throws UnavailableError
   */
  async list(after: string | null, limit: number): Promise<Row<R>[]> {
    const { list } = this.#store
    if (!list) {
      throw new ConfigurationError(
        'SF_STORE_LIST',
        'This store has no list(), so its accounts cannot be gone through',
      )
    }
    const rows = await this.#page(() => list.call(this.#store, after, limit))
    return rows.map(({ accountId, record }) => this.#row(accountId, record))
  }

  /**
   * Goes through the rows in the time of one call, at most `most` of them, and opens those that are `activated` by the
   * column for lists.
   *
   * @param all opens the rest, too
   * @returns `others`: the accounts of the rest; `whole`: there are no more rows, and there was time for all
   * @throws UnavailableError when not even the first of them come in time
   */
  async activatedRows(
    most: number,
    all: boolean,
  ): Promise<{ rows: Row<R>[]; others: string[]; whole: boolean }> {
    const time = this.#call()
    const rows: Row<R>[] = []
    const others: string[] = []
    const { list } = this.#store
    if (!list) return { rows, others, whole: true }
    for (let seen = 0, after: string | null = null; ; ) {
      const from: string | null = after
      const limit = Math.max(1, Math.min(COUNTED, most - seen))
      let page: ListedRow[]
      try {
        page = await this.#page(() => list.call(this.#store, from, limit), time)
      } catch (error) {
        if (seen > 0 && time.isOver) return { rows, others, whole: false }
        throw error
      }
      if (seen >= most) return { rows, others, whole: page.length === 0 }
      for (const [i, { accountId, record }] of page.entries()) {
        // A store that answers at once would leave the app no turn.
        if (i % TURN === 0) await turn()
        if (record.activated || all) rows.push(this.#row(accountId, record))
        if (!record.activated) others.push(accountId)
      }
      seen += page.length
      if (page.length < limit) return { rows, others, whole: true }
      after = page.at(-1)?.accountId ?? null
    }
  }

  /**
   * The store's own clock, milliseconds since 1970; null: it has none.
   *
   * @throws UnavailableError when it does not tell in time
   */
  async storeClock(patience = this.#patience): Promise<number | null> {
    const call = this.#call(patience)
    const report = await call.within(() => this.#asked(call, () => this.#store.inspect?.()))
    const clock = report?.clock ?? null
    if (clock === null || Number.isFinite(clock)) return clock
    throw new UnavailableError(`${this.#form.storeName} has a clock that tells no time`)
  }

  /** How many accounts have a second factor, by the column for lists; null: the store has no `list`. */
  async countActivated(): Promise<number | null> {
    const { list } = this.#store
    if (!list) return null
    let count = 0
    for (let after: string | null = null; ; ) {
      const from: string | null = after
      const rows = await this.#page(() => list.call(this.#store, from, COUNTED))
      count += rows.filter(({ record }) => record.activated).length
      if (rows.length < COUNTED) return count
      after = rows.at(-1)?.accountId ?? null
    }
  }

  #row(accountId: string, record: StoredRecord): Row<R> {
    const current = this.#keyring.isCurrent(String(record.sealed))
    return { accountId, record: this.#unseal(accountId, record), current }
  }

  /** @param time without it, long: where nobody's request waits, since a store may have to look at every key */
  async #page(
    question: () => Promise<ListedRow[]>,
    time = this.#call(LISTING * this.#patience),
  ): Promise<ListedRow[]> {
    const rows = await time.within(() => this.#asked(time, question))
    if (Array.isArray(rows) && rows.every((row) => typeof row?.accountId === 'string' && row.record))
      return rows
    throw new UnavailableError('The store answered with no list of records')
  }

  /** Writes the row as it is, under the first key. @throws UnavailableError */
  reseal(accountId: string): Promise<void> {
    const rule = (record: R) => ({
      record: record === this.#form.empty ? record : { ...record },
      outcome: undefined,
    })
    return this.transact(accountId, rule, undefined, { leavingToo: true })
  }

  async #open(accountId: string, call: Call): Promise<{ record: R; version: number; sealed: string | null }> {
    const stored = await this.#asked(call, () => this.#store.get(accountId))
    if (stored === null) return { record: this.#form.empty, version: 0, sealed: null }
    const { version, activated, sealed } = stored ?? {}
    const whole = Number.isSafeInteger(version) && version >= 1 && typeof activated === 'boolean'
    if (!whole || typeof sealed !== 'string') {
      throw new UnavailableError('The store answered with no record')
    }
    return { record: this.#parsed(accountId, { version, activated, sealed }), version, sealed }
  }

  #unseal(accountId: string, row: StoredRecord | undefined): R | null {
    try {
      return this.#parsed(accountId, row as StoredRecord)
    } catch {
      return null
    }
  }

  #parsed(accountId: string, { version, activated, sealed }: StoredRecord): R {
    return this.#form.parse(
      this.#keyring.open(accountId, this.#contextOf(accountId, version, activated), sealed),
    )
  }

  #seal(accountId: string, expectedVersion: number, record: R): StoredRecord {
    const version = expectedVersion === 0 ? firstVersion(this.#now()) : expectedVersion + 1
    const activated = this.#form.isActivated(record)
    const context = this.#contextOf(accountId, version, activated)
    const sealed = this.#keyring.seal(accountId, context, this.#form.serialize(record))
    return { version, activated, sealed }
  }

  /** @param outcome what the call answers once this is written */
  async #write(
    accountId: string,
    expectedVersion: number,
    next: StoredRecord,
    outcome: unknown,
    call: Call,
  ): Promise<boolean> {
    try {
      call.check()
      const answer = this.#asked(call, () => this.#store.compareAndSet(accountId, expectedVersion, next))
      call.sent = { sealed: next.sealed, outcome, answer }
      // Also after a "no" it may be on record, by the first of two sendings: that is for the next read to say.
      return (await answer) === true
    } catch (error) {
      if (await this.#isWritten(accountId, next, call)) return true
      throw error
    }
  }

  /**
   * Whether a write whose answer was lost has happened: nobody else makes the same seal. A server that is coming
   * back is waited for, since else a code would be spent for nothing, or backup codes made that nobody saw.
   */
  async #isWritten(accountId: string, { sealed }: StoredRecord, call: Call): Promise<boolean> {
    for (let pause = 25; call.left > pause; pause *= 2) {
      try {
        return (await this.#store.get(accountId))?.sealed === sealed
      } catch {
        await delay(pause)
      }
    }
    return false
  }

  /**
   * What a call that is over would have answered: resolves once what it sent is known to be on record, and else never.
   * It only looks: nothing is sent any more. After the last look whoever waits is let go, so that a driver that is silent
   * for ever keeps nobody's request.
   */
  async #late(accountId: string, { sealed, outcome, answer }: Sent): Promise<unknown> {
    const written = new Promise<true>((resolve) => {
      answer.then(
        (yes) => yes === true && resolve(true),
        () => {},
      )
    })
    for (let pause = FIRST_LOOK; pause <= LAST_LOOK; pause *= 2) {
      if (await Promise.race([written, delay(pause, false, { ref: false })])) return outcome
      const look = this.#call().within(() => this.#store.get(accountId))
      const found = await Promise.race([written, look.catch(() => null)])
      if (found === true || found?.sealed === sealed) return outcome
    }
    return new Promise<never>(() => {})
  }

  /** What a row is bound to besides its account's key: it opens only where and as it was written. */
  #contextOf(accountId: string, version: number, activated: boolean): string {
    const { kind } = this.#form
    return JSON.stringify([...(kind === undefined ? [] : [kind]), accountId, version, activated])
  }

  /**
   * Waiting in line takes of the call's own time, so that a store that hangs keeps nobody for longer: whoever is
   * before us has less of it left.
   */
  #inLine<T>(accountId: string, task: (call: Call) => Promise<T>, patience = this.#patience): Promise<T> {
    const call = this.#call(patience)
    const inTime = () => this.#about(accountId, call, () => call.within(() => task(call)))
    const turn = (this.#lines.get(accountId) ?? Promise.resolve()).then(inTime, inTime)
    this.#lines.set(accountId, turn)
    const leave = () => {
      if (this.#lines.get(accountId) === turn) this.#lines.delete(accountId)
    }
    turn.then(leave, leave)
    return turn
  }

  #call(patience = this.#patience): Call {
    return new Call(patience, this.#form.storeName)
  }

  /** What fails says which account it is about: for the host, and in no answer. */
  async #about<T>(accountId: string, call: Call, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof UnavailableError) {
        const { sent } = call
        Object.assign(error, { accountId, uncertain: sent !== null })
        if (sent) keepForLate(error, () => this.#late(accountId, sent))
      }
      throw error
    }
  }

  /** Asks the store, unless whoever wanted to know has been answered already. */
  async #asked<T>(call: Call, question: () => T): Promise<Awaited<T>> {
    call.check()
    try {
      return await question()
    } catch (cause) {
      throw new UnavailableError(`${this.#form.storeName} does not answer`, { cause })
    }
  }
}

/** How many versions a row may begin with in one second: times the seconds of the year 9999 that is still a safe integer. */
const BEGINNINGS = 2 ** 15

/**
 * By the clock, and within a second by chance: a row that was erased and made again has no version that it had, so that
 * a write that was under way meanwhile does not bring the old one back.
 */
function firstVersion(now: number): number {
  return Math.floor(now / 1000) * BEGINNINGS + randomInt(BEGINNINGS) + 1
}

/** What is known of each account. */
export class AccountRecords extends Records<AccountRecord> {
  constructor(store: SecondFactorStore, keyring: Keyring, now: () => number, patience?: number) {
    super(ACCOUNTS, store, keyring, now, patience)
  }
}

const ACCOUNTS: Form<AccountRecord> = {
  storeName: 'The factor store',
  empty: EMPTY_RECORD,
  isActivated: isEnrolled,
  serialize,
  parse,
  forgotten: ({ epoch }) => ({ ...EMPTY_RECORD, epoch: epoch + 1 }),
}
