import { warnOfListenerDiscreetly } from '../events/events'
import type { ShownRequest } from '../pages/admin-pages'
import { within } from '../within'
import type { AdminRooms } from './admin-rooms'

/** How long a page waits for what is registered of its users, milliseconds: requests are shown without, too. */
const PATIENCE = 5000

/** What the host has registered of the users of one page, which waits for all of them together. */
export class Registered {
  readonly #until = performance.now() + PATIENCE
  #warned = false

  constructor(private readonly recovery: AdminRooms['recovery']) {}

  /** The request is shown all the same where the host cannot say it: then null, and said once a page. */
  async of(accountId: string): Promise<ShownRequest['registered']> {
    try {
      const left = this.#until - performance.now()
      if (left <= 0) throw tookTooLong()
      const registered = await within(
        left,
        () => this.recovery?.settings.registered?.(accountId),
        tookTooLong,
      )
      if (!registered) return null
      return Object.fromEntries(
        Object.entries(registered).map(([name, value]) => [name, String(value ?? '')]),
      )
    } catch (error) {
      if (!this.#warned) warnOfListenerDiscreetly('Option recovery.registered failed', error)
      this.#warned = true
      return null
    }
  }
}

function tookTooLong(): DOMException {
  return new DOMException('It took too long', 'TimeoutError')
}
