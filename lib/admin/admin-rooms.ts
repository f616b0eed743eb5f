import type { Request } from 'express'
import type { UserDirectory } from '../directory/directory'
import type { Rooms } from '../routes/rooms'
import type { Totals } from './totals'

/** What the administrator's routes work with. */
export interface AdminRooms extends Rooms {
  authorize(req: Request): unknown
  directory: UserDirectory
  totals: Totals
  /** How long ago the administrator's code may have been accepted, milliseconds. */
  maxAge: number
  /** Users a page. */
  limit: number
}
