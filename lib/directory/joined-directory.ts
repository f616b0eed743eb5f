import { accountId } from '../account/account-id'
import { ConfigurationError } from '../errors'
import type { AccountLookup, DirectoryPage, DirectoryQuery, DirectoryUser, UserDirectory } from './directory'

/** Pages of the host's that one of ours may take: a page of a rare status may come out short, or empty. */
const MOST_READS = 20
/** Where so many of a page are found it is shown: the last of them may be far away. */
const ENOUGH = 0.8

/** What a host tells of its users, wherever they are: LDAP, an API, another kind of database. */
export interface HostUsers {
  /**
   * Users in an order that does not change, whose names (or whatever the host likes) fit `search`; `next` is where to
   * go on, in the host's own words.
   */
  list(query: { search: string | null; after: string | null; limit: number }): Promise<DirectoryPage>
  /** Null: there is no such user. */
  get?(id: string): Promise<DirectoryUser | null>
  /** How many users there are. With it, lists tell how many of them have a second factor. */
  count?(): Promise<number>
}

/**
 * A directory of users about whom nobody knows who has a second factor before they are read: goes through the host's
 * and keeps those who are asked for. Good for some thousand users; `SqlDirectory` is made for more.
 *
 * @throws ConfigurationError `SF_DIRECTORY_LIST`
 */
export function joinedDirectory(host: HostUsers): UserDirectory {
  if (typeof host?.list !== 'function') {
    throw new ConfigurationError(
      'SF_DIRECTORY_LIST',
      'joinedDirectory takes { list({ search, after, limit }) }, and perhaps get(id) and count()',
    )
  }
  const { get, count } = host
  return {
    list: (query, accounts) => join(host, query, accounts),
    ...(get && { get: (id: string) => get.call(host, id) }),
    ...(count && {
      async totals(accounts: AccountLookup) {
        const activated = await accounts.countActivated()
        if (activated === null) return null
        return { activated, notActivated: Math.max(0, (await count.call(host)) - activated) }
      },
    }),
  }
}

async function join(
  host: HostUsers,
  { status, search, after, limit }: DirectoryQuery,
  accounts: AccountLookup,
): Promise<DirectoryPage> {
  const users: DirectoryUser[] = []
  let next = after
  for (let reads = 0; reads < MOST_READS; reads++) {
    // No more than there is room for: a page of the host's cannot be cut without losing its place.
    const page = await host.list({ search, after: next, limit: limit - users.length })
    const statuses = await accounts.statusesOf(page.users.map(({ id }) => id))
    users.push(
      ...page.users.filter(({ id }) => {
        const known = statuses.get(accountId(id))
        // Of whom nothing is known, nothing is hidden.
        return status === null || !known || known.enabled === (status === 'activated')
      }),
    )
    next = page.next
    if (next === null || users.length >= ENOUGH * limit) break
  }
  return { users, next }
}
