import { UnavailableError } from '../errors'

/** How long one call on an account may take, for all that it asks of the store and for its place in line. */
export class TimeLimit {
  readonly #end: number
  #over = false
  /** Something was sent to be written, and not answered. */
  uncertain = false

  /** @param milliseconds from now */
  constructor(milliseconds: number) {
    this.#end = performance.now() + milliseconds
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
        reject(timeIsUp())
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
    if (this.#over || this.left <= 0) throw timeIsUp()
  }

  /** Milliseconds that are left. */
  get left(): number {
    return this.#end - performance.now()
  }
}

function timeIsUp(): UnavailableError {
  return new UnavailableError('The factor store did not answer in time')
}
