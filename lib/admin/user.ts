import { accountId, knownAccountId } from '../account/account-id'
import type { AccountStatus } from '../account/accounts'
import { endOf } from '../account/lockout'
import { dateOf } from '../date-of'
import type { DirectoryUser } from '../directory/directory'
import type { ShownUser } from '../pages/admin-pages'
import type { AdminRooms } from './admin-rooms'
import { answered } from './in-time'
import { Lookup } from './lookup'

/** A user as lists show one: the host says who it is, the record what there is of a second factor. */
export function shownUser(user: DirectoryUser, status: AccountStatus | null): ShownUser {
  const { name, email } = user
  const known = { id: accountId(user.id), name: String(name ?? ''), email: String(email ?? '') }
  if (!status) {
    return {
      ...known,
      status: 'unavailable',
      methods: [],
      since: null,
      backupCodesRemaining: null,
      lastUsedAt: null,
      lockedUntil: null,
      suspended: false,
    }
  }
  const locks = Object.values(status.locks).flatMap((lock) => (lock ? [lock] : []))
  const until = Math.max(...locks.map((lock) => lock.until ?? 0))
  return {
    ...known,
    status: status.enabled ? 'activated' : 'not-activated',
    methods: status.methods,
    since: dateOf(status.since),
    backupCodesRemaining: status.backupCodes.remaining,
    lastUsedAt: dateOf(status.lastUsedAt),
    lockedUntil: until > 0 ? endOf({ until }) : null,
    suspended: locks.some((lock) => lock.until === null),
  }
}

/** The same for programs. */
export function userJson({ suspended, ...user }: ShownUser): object {
  return { ...user, ...(suspended && { suspended }) }
}

/** One user by the account's id, as a path has it; null: there is none. @throws UnavailableError */
export async function findUser(rooms: AdminRooms, id: unknown): Promise<DirectoryUser | null> {
  const asked = knownAccountId(id)
  if (asked === null) return null
  const { directory } = rooms
  if (directory.get) {
    const user = await answered('The directory', () => directory.get?.(asked))
    // A database may take '01' for 1: that is no other name of the same account.
    return user && accountId(user.id) === asked ? user : null
  }
  const status = (await new Lookup(rooms.accounts).statusesOf([asked])).get(asked)
  return status?.epoch === 0 ? null : { id: asked, name: asked, email: '' }
}
