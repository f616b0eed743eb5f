import type { Request } from 'express'
import type { EventName } from '../events/events'

/** Sessions remembered by one process: those of requests that are under way together. */
const MOST = 10_000

/**
 * Several requests of one session may find out the same at once, and each acts on it: the first to be done with it tells.
 */
export class ToldOnce {
  readonly #told = new Set<string>()

  /** @param epoch the one in which it happens to this session; its proof, or another login, gives it a new id */
  isFirst(req: Request, event: EventName, epoch: number): boolean {
    const what = `${event} ${epoch} ${req.sessionID}`
    if (this.#told.has(what)) return false
    this.#told.add(what)
    if (this.#told.size > MOST) this.#told.delete(this.#told.values().next().value as string)
    return true
  }
}
