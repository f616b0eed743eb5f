import { UnavailableError } from '../errors'

/** How long one call on an account may take, for all that it asks of the store and for its place in line. */
export class TimeLimit {
  readonly #end: number
  readonly #store: string
  #over = false

  /**
   * @param milliseconds from now
   * @param store what is waited for, as an error calls it
   */
  constructor(milliseconds: number, store = 'The factor store') {
    this.#end = performance.now() + milliseconds
    this.#store = store
  }

  /**
   * What the work gives, unless the time is up first; what comes later is nobody's.
   *
   * @throws UnavailableError when the time is up
   */
  async within<T>(work: () => Promise<T>): Promise<T> {
    this.check()
    let timer: NodeJS.Timeout | undefined
    const end = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        // Said once and for all: timers and the clock differ by a millisecond.
        this.#over = true
        reject(this.#timeIsUp())
      }, this.left)
    })
    try {
      return await Promise.race([work(), end])
    } finally {
      clearTimeout(timer)
    }
  }

  /** @throws UnavailableError when the time is up */
  check(): void {
    if (this.isOver) throw this.#timeIsUp()
  }

  get isOver(): boolean {
    return this.#over || this.left <= 0
  }

  /** Milliseconds that are left. */
  get left(): number {
    return this.#end - performance.now()
  }

  #timeIsUp(): UnavailableError {
    return new UnavailableError(`${this.#store} did not answer in time`)
  }
}
