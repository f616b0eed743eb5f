import type { Request } from 'express'
import type { UserDirectory } from '../directory/directory'
import type { Rooms } from '../routes/rooms'
import type { OpenRequests } from './open-requests'
import type { Totals } from './totals'

/** What the administrator's routes work with. */
export interface AdminRooms extends Rooms {
  authorize(req: Request): unknown
  directory: UserDirectory
  totals: Totals
  /** Null: option `recovery` is not set. */
  openRequests: OpenRequests | null
  /** Once the directory has been told all that happened to the account so far. Never rejects. */
  settled(accountId: string): Promise<void>
  /** How long ago the administrator's code may have been accepted, milliseconds. */
  maxAge: number
  /** Users a page. */
  limit: number
}
