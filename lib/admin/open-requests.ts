import { UnavailableError } from '../errors'
import { type EventName, type SecondFactorEvents, warnOfListener } from '../events/events'
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
    told: (error: UnavailableError) => void,
  ) {
    this.#seldom = new Seldom(
      () => recoveries.countOpen(),
      now,
      (error) => {
        if (error instanceof UnavailableError) told(error)
        else warnOfListener('Open requests could not be counted', error)
      },
    )
    events.on('*', ({ name }) => {
      if (CHANGES.has(name)) this.#seldom.forget()
    })
  }

  /** Null: not counted yet, or nobody can tell now. */
  read(): Promise<number | null> {
    return this.#seldom.read()
  }
}
