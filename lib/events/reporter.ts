import type { Request } from 'express'
import { lateOutcome } from '../account/late'
import type { Lock } from '../account/lockout'
import type { Guarded } from '../account/record'
import {
  type EventDetails,
  type EventName,
  type EventOrigin,
  type Purpose,
  type SecondFactorEvent,
  type SecondFactorEvents,
  warnOfListener,
} from './events'

/** What stands in a mail and in no event. */
export interface MailedOnly {
  /** The ticket that cancels a recovery. */
  ticket?: string
}

/** Who else is told, besides the host: with the request, whose language may matter. */
export interface AlsoTold {
  tell(event: SecondFactorEvent, req: Request | null, mailed: MailedOnly): unknown
}

/** Makes events of what happened: adds the account, the time, and where the request came from. */
export class Reporter {
  /** Of requests that were answered before what they did was known: their connections may be gone by then. */
  readonly #origins = new WeakMap<Request, EventOrigin>()

  constructor(
    private readonly events: SecondFactorEvents,
    private readonly now: () => number,
    private readonly originOf: (req: Request) => EventOrigin,
    private readonly also: AlsoTold | null = null,
  ) {}

  /**
   * @param req null: the host asked for it in its own code
   * @param mailed what the mail about it says besides, and nobody else is told
   */
  tell<Name extends EventName>(
    req: Request | null,
    name: Name,
    accountId: string,
    details: EventDetails[Name],
    mailed: MailedOnly = {},
  ): void {
    if (!this.also && !this.events.isHeard(name)) return
    const { requestId, ip } = req ? this.#origin(req) : {}
    const at = new Date(this.now())
    const event = { name, accountId, at, requestId, ip, ...details } as SecondFactorEvent
    this.events.emit(event)
    void this.also?.tell(event, req, mailed)
  }

  /**
   * Work that is told of as soon as it is on record: also where that is known only after the store's time was up. The
   * request fails then all the same, and gets nothing of it.
   *
   * @param tell is called once, or never where nothing came to be; `late`: nobody waits for the outcome any more
   */
  async evenIfLate<T>(
    req: Request | null,
    work: Promise<T>,
    tell: (outcome: T, late: boolean) => void,
  ): Promise<T> {
    let outcome: T
    try {
      outcome = await work
    } catch (error) {
      const late = lateOutcome(error)
      if (late && req) this.#origins.set(req, this.#origin(req))
      late
        ?.then((found) => tell(found as T, true))
        .catch((failure) => warnOfListener('What came of a request could not be told', failure))
      throw error
    }
    tell(outcome, false)
    return outcome
  }

  /** A refused code or password, and the lock that it has brought about. */
  tellFailure(
    req: Request,
    accountId: string,
    failed: { method: Guarded; purpose: Purpose; lock?: Lock | null | undefined },
  ): void {
    const { method, purpose, lock } = failed
    this.tell(req, 'failed', accountId, { method, purpose })
    if (lock?.until) this.tell(req, 'locked', accountId, { method, until: new Date(lock.until) })
    else if (lock) this.tell(req, 'suspended', accountId, { method })
  }

  /** What has happened is on record by now: a host's function that fails must not make it an error. */
  #origin(req: Request): EventOrigin {
    const known = this.#origins.get(req)
    if (known) return known
    try {
      const origin = this.originOf(req) ?? {}
      // An answer that is promised is none: nobody waits for it.
      if (origin instanceof Promise)
        origin.catch((error) => warnOfListener('Option eventOrigin failed', error))
      const { requestId, ip } = origin
      return { requestId, ip }
    } catch (error) {
      warnOfListener('Option eventOrigin failed', error)
      return {}
    }
  }
}

/** More characters than an IP address has, with its zone or port. */
const LONGEST_IP = 64

/** What Express and the usual middleware know: `req.ip` heeds "trust proxy", `req.id` is pino-http's and others'. */
export function originOf(req: Request): EventOrigin {
  const { id } = req as { id?: unknown }
  const known = typeof id === 'string' || typeof id === 'number'
  return { requestId: known ? String(id) : undefined, ip: req.ip?.slice(0, LONGEST_IP) }
}
