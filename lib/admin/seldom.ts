import { within } from '../within'
import { inTime, PATIENCE } from './in-time'

/** How old it may be, milliseconds, where nothing has changed that we know of. */
const LIFE = 60_000
/** From the beginning of one count to that of the next, milliseconds, however much changes meanwhile. */
const FLOOR = 1000
/** A count that takes longer has failed, milliseconds: one that never ends would be the last one. */
const LONGEST = 60_000
/** Where counting takes long both are longer: so many times as long as it took. */
const REST = 10

interface Count<T> {
  counted: T
  /** By the clock of the app, milliseconds. */
  since: number
  until: number
  /** The changes that it has seen. */
  changes: number
}

/**
 * What is dear to count. Counted when a page asks and the last count is a minute old or something has changed since; one
 * count at a time, at most one waiting, and not more than one begins a second. A count that takes more than a tenth of
 * that is repeated so much less often that counting takes a tenth of the time at most.
 */
export class Seldom<T> {
  #known: Count<T> | null = null
  #running: { promise: Promise<Count<T> | null>; changes: number } | null = null
  /** The count that begins when the one before has ended and had its rest: whoever asks meanwhile waits for it. */
  #waiting: Promise<Count<T> | null> | null = null
  #changes = 0
  /** When the next count may begin, by `performance.now()`: a clock that is set back must not put it off. */
  #notBefore = Number.NEGATIVE_INFINITY

  /**
   * @param now milliseconds since 1970
   * @param failed hears of each count that fails
   */
  constructor(
    private readonly count: () => Promise<T>,
    private readonly now: () => number,
    private readonly failed: (error: unknown) => void,
  ) {}

  /**
   * Null: it was not counted, or not in time; the next page may have it. What was counted before a change is answered
   * where the new count takes long, or fails: what it stands beside is right without it.
   */
  async read(): Promise<T | null> {
    const known = this.#remembered()
    if (known?.changes === this.#changes) return known.counted
    if (this.#running?.changes !== this.#changes) this.#waiting ??= this.#countNext()
    const count = await inTime((this.#waiting ?? this.#running?.promise) as Promise<Count<T> | null>)
    return (count ?? this.#remembered())?.counted ?? null
  }

  /** Something has changed: it is counted anew when it is asked for next. */
  forget(): void {
    this.#changes += 1
  }

  #remembered(): Count<T> | null {
    const [known, now] = [this.#known, this.now()]
    // A clock that was set back must not keep it alive.
    return known && now >= known.since && now < known.until ? known : null
  }

  /** Null: the last count took so long that the next one is not due within a page's patience. */
  async #countNext(): Promise<Count<T> | null> {
    await this.#running?.promise
    const rest = this.#notBefore - performance.now()
    if (rest > 0 && rest <= PATIENCE) await new Promise((resolve) => setTimeout(resolve, rest))
    this.#waiting = null
    if (rest > PATIENCE) return null
    const running = { promise: this.#countNow(), changes: this.#changes }
    this.#running = running
    try {
      return await running.promise
    } finally {
      if (this.#running === running) this.#running = null
    }
  }

  async #countNow(): Promise<Count<T> | null> {
    const [since, begun, changes] = [this.now(), performance.now(), this.#changes]
    try {
      const counted = await within(LONGEST, this.count, () => new Error('It took more than a minute'))
      const until = since + Math.max(LIFE, REST * (performance.now() - begun))
      this.#known = { counted, since, until, changes }
      return this.#known
    } catch (error) {
      this.failed(error)
      return null
    } finally {
      this.#notBefore = begun + Math.max(FLOOR, REST * (performance.now() - begun))
    }
  }
}
