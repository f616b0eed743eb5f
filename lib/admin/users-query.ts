import type { Request } from 'express'
import type { DirectoryStatus } from '../directory/directory'

/** Characters of a search. */
const LONGEST_SEARCH = 100
/** Longer than any cursor of ours. */
const LONGEST_CURSOR = 4096

/** What a list was asked for. */
export interface UsersQuery {
  status: DirectoryStatus | null
  search: string | null
  after: string | null
}

/** Reads `status`, `q` and `after` of a URL; null: malformed. An empty one is as good as none. */
export function readUsersQuery({ query }: Request): UsersQuery | null {
  const [status, q, after] = [query.status ?? '', query.q ?? '', query.after ?? '']
  if (typeof status !== 'string' || typeof q !== 'string' || typeof after !== 'string') return null
  if (status !== '' && status !== 'activated' && status !== 'not-activated') return null
  // Databases refuse these, each in its own way.
  if (!q.isWellFormed() || q.includes('\0')) return null
  // Some keyboards and copied texts have a letter and its accent as two characters; names are kept as one.
  const search = q.normalize('NFC')
  if (search.length > LONGEST_SEARCH || after.length > LONGEST_CURSOR) return null
  return { status: status || null, search: search.trim() || null, after: after || null }
}

/** The same as a URL's end: `?status=activated&q=an`, or nothing. */
export function usersSearch({ status, search, after }: UsersQuery): string {
  const params = new URLSearchParams()
  if (status) params.set('status', status)
  if (search) params.set('q', search)
  if (after) params.set('after', after)
  return params.size > 0 ? `?${params}` : ''
}

/**
 * The same for the list that a request's URL carries along, to come back to it: made anew of what could be read, so that
 * it leads to a list and nowhere else.
 */
export function listSearch(req: Request): string {
  const query = readUsersQuery(req)
  return query ? usersSearch(query) : ''
}
