import type { Accounts } from '../account/accounts'
import type { DirectoryTotals, UserDirectory } from '../directory/directory'
import { warnOfListener } from '../events/events'
import { inTime, PATIENCE } from './in-time'
import { Lookup } from './lookup'

/** How old they may be, milliseconds, where nobody's status has changed that we know of. */
const LIFE = 60_000
/** From the beginning of one count to that of the next, milliseconds, however much changes meanwhile. */
const FLOOR = 1000
/** Where counting takes long both are longer: so many times as long as it took. */
const REST = 10

interface Count {
  totals: DirectoryTotals | null
  /** By the clock of the app, milliseconds. */
  since: number
  until: number
  /** The changes that it has seen. */
  changes: number
}

/**
 * How many users there are. Counted when a page asks and the last count is a minute old or somebody's status has
 * changed since; one count at a time, at most one waiting, and not more than one begins a second. A count that takes
 * more than a tenth of that is repeated so much less often that counting takes a tenth of the time at most.
 */
export class Totals {
  #known: Count | null = null
  #running: { promise: Promise<Count>; changes: number } | null = null
  /** The count that begins when the one before has ended and had its rest: whoever asks meanwhile waits for it. */
  #waiting: Promise<Count | null> | null = null
  #changes = 0
  /** The last count did: said once, until one does not. */
  #fails = false
  /** When the next count may begin, by `performance.now()`: a clock that is set back must not put it off. */
  #notBefore = Number.NEGATIVE_INFINITY

  constructor(
    private readonly directory: UserDirectory,
    private readonly accounts: Accounts,
    private readonly now: () => number,
  ) {}

  /**
   * Null: this directory does not count, has failed to, or has not done so in time; the next page may have them. Those
   * of before a change are answered where the new ones take long, or fail.
   */
  async read(): Promise<DirectoryTotals | null> {
    if (!this.directory.totals) return null
    const known = this.#remembered()
    if (known?.changes === this.#changes) return known.totals
    if (this.#running?.changes !== this.#changes) this.#waiting ??= this.#countNext()
    const count = await inTime((this.#waiting ?? this.#running?.promise) as Promise<Count | null>)
    return count?.totals ?? this.#remembered()?.totals ?? null
  }

  /** Somebody's status has changed: they are counted anew when they are asked for next. */
  forget(): void {
    this.#changes += 1
  }

  #remembered(): Count | null {
    const [known, now] = [this.#known, this.now()]
    // A clock that was set back must not keep them alive.
    return known && now >= known.since && now < known.until ? known : null
  }

  /** Null: the last count took so long that the next one is not due within a page's patience. */
  async #countNext(): Promise<Count | null> {
    await this.#running?.promise.catch(() => {})
    const rest = this.#notBefore - performance.now()
    if (rest > 0 && rest <= PATIENCE) await new Promise((resolve) => setTimeout(resolve, rest))
    this.#waiting = null
    if (rest > PATIENCE) return null
    const running = { promise: this.#count(), changes: this.#changes }
    this.#running = running
    try {
      return await running.promise
    } finally {
      if (this.#running === running) this.#running = null
    }
  }

  async #count(): Promise<Count> {
    const [since, begun, changes] = [this.now(), performance.now(), this.#changes]
    try {
      const answer = await this.directory.totals?.(new Lookup(this.accounts))
      const totals = answer ? { activated: answer.activated, notActivated: answer.notActivated } : null
      const until = since + Math.max(LIFE, REST * (performance.now() - begun))
      this.#known = { totals, since, until, changes }
      this.#fails = false
      return this.#known
    } catch (error) {
      // A list is right without them.
      if (!this.#fails) warnOfListener('The directory could not count its users', error)
      this.#fails = true
      return { totals: null, since, until: since, changes }
    } finally {
      this.#notBefore = begun + Math.max(FLOOR, REST * (performance.now() - begun))
    }
  }
}
