import { setTimeout as delay } from 'node:timers/promises'
import type { UnavailableError } from '../errors'
import type { RecoveryRecords } from './recoveries'
import { type FactorUse, isUseless, type RecoveryRecord, tidy } from './request'

/** What was read of an account, as `tidy` wants it, and the key of the request that it says something about. */
interface Known {
  factor: FactorUse | null
  about: string | null
}

const NOTHING: Known = { factor: null, about: null }

/** Rows that are looked at between two pauses, and the pause in milliseconds: the store and the app have other work. */
const AT_ONCE = 8
const PAUSE = 20
/** How often rows that no list shows are looked at, milliseconds: they matter by the day. */
const EVERY = 3_600_000
/** Failures in a row after which it is the store that is away, and not a row that is damaged. */
const MOST_FAILURES = 3

/** Erases in the background what is of no use any more: nobody's request waits for it. */
export class Upkeep {
  readonly #waiting = new Map<string, Known>()
  #working = false
  /** When all rows were taken, milliseconds since 1970. */
  #takenAt: number | null = null

  /** @param told hears of rows that could not be erased */
  constructor(
    private readonly records: RecoveryRecords,
    private readonly now: () => number,
    private readonly told: (error: UnavailableError) => void,
  ) {}

  take(accountId: string, known: Known): void {
    // What is known of the factor says more than that nothing is.
    if (known.factor || !this.#waiting.has(accountId)) this.#waiting.set(accountId, known)
    if (!this.#working) void this.#work()
  }

  /** Rows that are in no list, some of which may have had their time: an hour after the last ones. */
  takeOthers(accountIds: readonly string[]): void {
    const now = this.now()
    if (this.#takenAt !== null && Math.abs(now - this.#takenAt) < EVERY) return
    this.#takenAt = now
    for (const accountId of accountIds) this.take(accountId, NOTHING)
  }

  async #work(): Promise<void> {
    this.#working = true
    let failures = 0
    for (let done = 0; this.#waiting.size > 0; done++) {
      if (done % AT_ONCE === 0) await delay(PAUSE, undefined, { ref: false })
      const [accountId, known] = this.#waiting.entries().next().value as [string, Known]
      this.#waiting.delete(accountId)
      try {
        await this.#lookAfter(accountId, known)
        failures = 0
      } catch (error) {
        this.told(error as UnavailableError)
        if (++failures === MOST_FAILURES) this.#waiting.clear()
      }
    }
    this.#working = false
  }

  async #lookAfter(accountId: string, { factor, about }: Known): Promise<void> {
    const rule = (record: RecoveryRecord, now: number) =>
      tidy(record, record.request?.key === about ? factor : null, now)
    // Of most rows there is nothing to do: one read each.
    const found = await this.records.read(accountId)
    const now = this.now()
    if (isUseless(found, now) && (await this.records.eraseIf(accountId, isUseless))) return
    if (rule(found, now).record !== found) await this.records.transact(accountId, rule)
  }
}
