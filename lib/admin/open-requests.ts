import { UnavailableError } from '../errors'
import type { EventName, SecondFactorEvents } from '../events/events'
import type { Recoveries } from '../recovery/recoveries'
import { Seldom } from './seldom'

/**
 * What opens a request, or ends one. Codes end some, too, but are accepted all day long: those requests are counted for
 * a minute more.
 */
const CHANGES: ReadonlySet<EventName> = new Set([
  'recovery-requested',
  'recovery-cancelled',
  'recovery-rejected',
  'recovery-completed',
  'disabled',
  'reset',
  'forgotten',
])

/** How many requests to recover an account are open. */
export class OpenRequests {
  readonly #seldom: Seldom<number>

  /** @param told hears of a store that does not answer */
  constructor(
    recoveries: Recoveries,
    events: SecondFactorEvents,
    now: () => number,
    private readonly told: (error: UnavailableError) => void,
  ) {
    this.#seldom = new Seldom(() => recoveries.countOpen(), now)
    events.on('*', ({ name }) => {
      if (CHANGES.has(name)) this.#seldom.forget()
    })
  }

  /** Null: not counted yet, or nobody can tell now. A list of users is right without it. */
  async read(): Promise<number | null> {
    try {
      return await this.#seldom.read()
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      this.told(error)
      return null
    }
  }
}
