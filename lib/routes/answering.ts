import type { Request, RequestHandler, Response } from 'express'
import { UnavailableError } from '../errors'
import type { PageProblem } from '../pages/page'
import type { Rooms } from './rooms'

/** The handler of a route: what is in doubt is answered with 503, and what else fails is the host's to answer. */
export function answering(
  rooms: Rooms,
  serve: (req: Request, res: Response) => Promise<void>,
): RequestHandler {
  return function secondFactorRoute(req, res, next) {
    serve(req, res).catch((error: unknown) => {
      if (error instanceof UnavailableError) {
        rooms.settings.onUnavailable(error)
        // A file that was begun: nothing else can be answered any more.
        if (res.headersSent) return next(error)
        const problem: PageProblem = error.uncertain
          ? { code: 'unavailable', about: 'uncertain' }
          : { code: 'unavailable' }
        rooms.answers.problem(req, res, problem).catch(next)
      } else next(error)
    })
  }
}
