import type { UserDirectory } from '../directory/directory'
import { type EventName, type SecondFactorEvents, warnOfListener } from '../events/events'
import type { Totals } from './totals'

/** What an event says of whether there is a second factor now. */
const ACTIVATED: Partial<Record<EventName, boolean>> = {
  enabled: true,
  disabled: false,
  reset: false,
  forgotten: false,
  'recovery-completed': false,
}

/** Keeps a directory up to date with what happens in this process, and has its users counted anew. */
export function follow(events: SecondFactorEvents, directory: UserDirectory, totals: Totals): void {
  const lines = new Map<string, Promise<void>>()
  events.on('*', ({ name, accountId }) => {
    const activated = ACTIVATED[name]
    if (activated === undefined) return
    totals.forget()
    if (!directory.note) return
    // Of one account one after the other, so that the last word is the last event's.
    const turn = (lines.get(accountId) ?? Promise.resolve()).then(async () => {
      try {
        await directory.note?.(accountId, activated)
      } catch (error) {
        warnOfListener('The directory did not take what happened to an account', error)
      }
      if (lines.get(accountId) === turn) lines.delete(accountId)
      totals.forget()
    })
    lines.set(accountId, turn)
  })
}
