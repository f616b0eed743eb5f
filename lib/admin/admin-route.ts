import type { Request } from 'express'
import type { AdminVisit } from './admin-visit'

/** One row of the administrator's table. Who gets as far as a handler is the same for all of them. */
export interface AdminRoute {
  method: 'get' | 'post'
  path: string
  /** Where people come back to after a step-up, below the router, where the request is for no page. */
  returnTo?: (req: Request) => string
  handle(visit: AdminVisit): Promise<void> | void
}
