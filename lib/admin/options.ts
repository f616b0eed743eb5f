import type { Request } from 'express'
import { must, mustBeKnown, type NamesOf } from '../checks'
import type { UserDirectory } from '../directory/directory'
import { type Duration, milliseconds } from '../duration'
import type { SecondFactorEvents } from '../events/events'
import type { Rooms } from '../routes/rooms'
import { SHORTEST_AGE } from '../session/age'
import type { AdminRooms } from './admin-rooms'
import { type Followed, follow } from './follow'
import { answered } from './in-time'
import { OpenRequests } from './open-requests'
import { Totals } from './totals'

export interface AdminOptions {
  /**
   * Whether the user of this request may administer two-factor authentication. Asked at every request, of a session
   * that is logged in; only `true` lets in.
   */
  authorize(req: Request): boolean | Promise<boolean>
  /** Where the host's users are found: a `SqlDirectory`, a `joinedDirectory(...)`, or one of your own. */
  directory: UserDirectory
  /** How long ago the administrator's own code may have been accepted. Default `'15m'`. */
  maxAge?: Duration
  /** Users a page, up to 200. Default 50. */
  limit?: number
}

const NAMES: NamesOf<AdminOptions> = { authorize: true, directory: true, maxAge: true, limit: true }
const MOST_USERS = 200

/** Nobody stops listening: routers of one directory, however many are made, have one listener and one count. */
const FOLLOWED = new WeakMap<SecondFactorEvents, WeakMap<UserDirectory, Followed>>()
const COUNTED = new WeakMap<SecondFactorEvents, OpenRequests>()

/** @throws ConfigurationError naming the option, what is wrong with it and what to write instead */
export function readAdminOptions(rooms: Rooms, given: AdminOptions, events: SecondFactorEvents): AdminRooms {
  must(
    typeof given === 'object' && given !== null,
    'SF_ADMIN_OPTIONS',
    'secondFactor.adminRouter takes an object of options: { authorize, directory }',
  )
  mustBeKnown(given, NAMES, 'adminRouter.', 'SF_ADMIN_OPTIONS')
  must(
    typeof given.authorize === 'function',
    'SF_ADMIN_AUTHORIZE',
    'Option authorize of adminRouter says who may administer: (req) => req.user.isAdmin === true',
  )
  const { directory, limit = 50, maxAge: age = '15m' } = given
  must(
    typeof directory?.list === 'function' &&
      (['get', 'totals', 'note'] as const).every((name) =>
        ['function', 'undefined'].includes(typeof directory[name]),
      ),
    'SF_ADMIN_DIRECTORY',
    'Option directory of adminRouter is where your users are found: new SqlDirectory(database, options), ' +
      'joinedDirectory({ list }), or one of your own',
  )
  const maxAge = milliseconds(age, 'maxAge')
  must(
    maxAge >= SHORTEST_AGE,
    'SF_DURATION',
    "Option maxAge of adminRouter is a time such as '15m' (a bare number counts milliseconds), a second at least",
  )
  must(
    Number.isInteger(limit) && limit >= 1 && limit <= MOST_USERS,
    'SF_ADMIN_LIMIT',
    `Option limit of adminRouter is how many users are on a page: 1 to ${MOST_USERS}`,
  )
  const { totals, settled } = followedOnce(events, directory, () =>
    follow(events, directory, new Totals(directory, rooms.accounts, rooms.settings.now)),
  )
  return {
    ...rooms,
    authorize: (req) => answered('Option authorize of adminRouter', () => given.authorize(req)),
    directory,
    totals,
    openRequests: countedOnce(events, rooms),
    settled,
    maxAge,
    limit,
  }
}

function followedOnce(events: SecondFactorEvents, directory: UserDirectory, begin: () => Followed): Followed {
  const known = FOLLOWED.get(events) ?? new WeakMap<UserDirectory, Followed>()
  FOLLOWED.set(events, known)
  const followed = known.get(directory) ?? begin()
  known.set(directory, followed)
  return followed
}

function countedOnce(events: SecondFactorEvents, { recovery, settings }: Rooms): OpenRequests | null {
  if (!recovery) return null
  const counted =
    COUNTED.get(events) ??
    new OpenRequests(recovery.recoveries, events, settings.now, (error) => settings.onUnavailable(error))
  COUNTED.set(events, counted)
  return counted
}
