import type { UserDirectory } from '../directory/directory'
import { type EventName, type SecondFactorEvents, warnOfListener } from '../events/events'
import { answered } from './in-time'
import type { Totals } from './totals'

/** What an event says of whether there is a second factor now. */
const ACTIVATED: Partial<Record<EventName, boolean>> = {
  enabled: true,
  disabled: false,
  reset: false,
  forgotten: false,
  'recovery-completed': false,
}

/** A directory that is kept up to date. */
export interface Followed {
  totals: Totals
  /** Once the directory has taken all that happened to the account so far, or refused it, or let it wait too long. Never rejects. */
  settled(accountId: string): Promise<void>
}

/**
 * Keeps a directory up to date with what happens in this process, and has its users counted anew. It does so as long as
 * the events are told: there is no end to it, so that each directory is followed once.
 */
export function follow(events: SecondFactorEvents, directory: UserDirectory, totals: Totals): Followed {
  const lines = new Map<string, Promise<void>>()
  events.on('*', ({ name, accountId }) => {
    const activated = ACTIVATED[name]
    if (activated === undefined) return
    // What it keeps is what it counts: it is changed first.
    if (!directory.note) return totals.forget()
    // Of one account one after the other, so that the last word is the last event's.
    const turn = (lines.get(accountId) ?? Promise.resolve()).then(async () => {
      try {
        await answered('The directory', () => directory.note?.(accountId, activated))
      } catch (error) {
        warnOfListener('The directory did not take what happened to an account', error)
      }
      if (lines.get(accountId) === turn) lines.delete(accountId)
      totals.forget()
    })
    lines.set(accountId, turn)
  })
  return { totals, settled: (accountId) => lines.get(accountId) ?? Promise.resolve() }
}
