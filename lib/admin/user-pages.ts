import { accountId } from '../account/account-id'
import type { DirectoryQuery, DirectoryUser } from '../directory/directory'
import type { ShownUser } from '../pages/admin-pages'
import type { AdminRooms } from './admin-rooms'
import { answered } from './in-time'
import { Lookup } from './lookup'
import { putRight } from './put-right'
import { shownUser } from './user'

/** One page of users, with what their records say at this moment. */
export async function readUsers(
  { accounts, directory }: AdminRooms,
  query: DirectoryQuery,
): Promise<{ users: ShownUser[]; next: string | null }> {
  const lookup = new Lookup(accounts)
  const { users, next } = await answered('The directory', () => directory.list(query, lookup))
  const statuses = await lookup.statusesOf(users.map(({ id }) => id))
  const shown = users.map((user) => shownUser(user, statuses.get(accountId(user.id)) ?? null))
  const stale = shown.filter(({ status }, i) => isStale(users[i] as DirectoryUser, status))
  if (directory.note) await putRight(directory, stale)
  return { users: shown, next }
}

/** For `catch`: null for a cursor that somebody has made up. */
export function nullWhereMadeUp(error: unknown): null {
  if ((error as Error | null)?.name === 'BadCursorError') return null
  throw error
}

/** The directory keeps something else than the record says. */
function isStale({ activated }: DirectoryUser, status: ShownUser['status']): boolean {
  return activated !== undefined && status !== 'unavailable' && activated !== (status === 'activated')
}
