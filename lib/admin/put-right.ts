import type { UserDirectory } from '../directory/directory'
import { UnavailableError } from '../errors'
import { warnOfListener } from '../events/events'
import type { ShownUser } from '../pages/admin-pages'
import { within } from '../within'
import { fewAtATime } from './few-at-a-time'
import { PATIENCE } from './in-time'

/** Directories that have not taken the last of it: said once, until one does. */
const refusing = new WeakSet<UserDirectory>()

/**
 * Tells a directory what the records say, where it keeps something else. A page is right without it, and a database that
 * cannot be written to now still has a list: never rejects.
 */
export async function putRight(directory: UserDirectory, stale: readonly ShownUser[]): Promise<void> {
  if (stale.length === 0) return
  const failures: unknown[] = []
  let over = false
  const work = () =>
    fewAtATime(stale, async ({ id, status }) => {
      try {
        if (!over) await directory.note?.(id, status === 'activated')
      } catch (error) {
        failures.push(error)
      }
    })
  const late = () => new UnavailableError('The directory did not answer in time')
  await within(PATIENCE, work, late).catch((error) => {
    over = true
    failures.push(error)
  })
  if (failures.length === 0) refusing.delete(directory)
  else if (!refusing.has(directory)) {
    refusing.add(directory)
    warnOfListener('The directory did not take what the records say', failures[0])
  }
}
