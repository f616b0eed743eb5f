import type { Response } from 'express'
import type { ShownUser } from '../pages/admin-pages'
import type { AdminRoute } from './admin-route'
import type { AdminVisit } from './admin-visit'
import { csvLine } from './csv'
import { nullWhereMadeUp, readUsers } from './user-pages'
import { readUsersQuery, usersSearch } from './users-query'

/** Users that are read at once. */
const BATCH = 500
/** Excel takes a file without it for one in the alphabet of its own system. */
const BYTE_ORDER_MARK = '\ufeff'

export const usersCsvRoutes: AdminRoute[] = [
  {
    method: 'get',
    path: '/users.csv',
    // A file that is saved is no place to come back to: the browser would go on showing the challenge.
    returnTo: (req) => {
      const query = readUsersQuery(req)
      return `/users${query ? usersSearch({ ...query, after: null }) : ''}`
    },
    handle: download,
  },
]

/** All that are found, from `after` on. Read and sent in turns, so that a million of them take no more memory. */
async function download(visit: AdminVisit): Promise<void> {
  const { rooms, req, res } = visit
  const query = readUsersQuery(req)
  if (!query) return visit.problem({ code: 'malformed', about: 'request' })
  const batch = (after: string | null) => readUsers(rooms, { ...query, after, limit: BATCH })
  // What fails until here is answered like anything else.
  const first = await batch(query.after).catch(nullWhereMadeUp)
  if (!first) return visit.problem({ code: 'malformed', about: 'request' })
  let { users, next } = first
  rooms.answers.file(req, res, 'users.csv', 'text/csv; charset=utf-8')
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  try {
    await send(res, BYTE_ORDER_MARK + csvLine(COLUMNS.map(([name]) => name)) + linesOf(users))
    while (next !== null && !res.destroyed) {
      ;({ users, next } = await batch(next))
      await send(res, linesOf(users))
    }
    res.end()
  } catch (error) {
    // A file that was cut must not look whole.
    res.socket?.resetAndDestroy()
    throw error
  }
}

const COLUMNS: [name: string, of: (user: ShownUser) => string | number | null][] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['email', ({ email }) => email],
  ['status', ({ status }) => status],
  ['methods', ({ methods }) => methods.join(' ')],
  ['since', ({ since }) => iso(since)],
  ['backupCodesRemaining', ({ backupCodesRemaining }) => backupCodesRemaining],
  ['lastUsedAt', ({ lastUsedAt }) => iso(lastUsedAt)],
  ['lockedUntil', ({ lockedUntil }) => iso(lockedUntil)],
  // Such a lock has no end, so that without it the user would look like one who is not locked.
  ['suspended', ({ suspended }) => (suspended ? 'true' : null)],
]

function linesOf(users: ShownUser[]): string {
  return users.map((user) => csvLine(COLUMNS.map(([, of]) => of(user)))).join('')
}

/** Resolves once the reader keeps up, or is gone. */
async function send(res: Response, text: string): Promise<void> {
  if (res.write(text) || res.destroyed) return
  await new Promise<void>((resolve) => {
    const goOn = () => {
      res.off('drain', goOn)
      res.off('close', goOn)
      resolve()
    }
    res.on('drain', goOn)
    res.on('close', goOn)
  })
}

function iso(date: Date | null): string | null {
  return date?.toISOString() ?? null
}
