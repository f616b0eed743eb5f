import { type Request, type RequestHandler, type Response, Router } from 'express'
import { ConfigurationError, UnavailableError } from '../errors'
import { isToken } from '../pages/csrf'
import type { PageProblem } from '../pages/page'
import { sessionOf } from '../session/express-sessions'
import type { Marker } from '../session/marker'
import { knownStateOf, plainPath, type RequestState } from '../session/request-factor'
import { admit } from './admit'
import { backupCodesRoutes } from './backup-codes'
import { readBody } from './body'
import { challengeRoutes } from './challenge'
import { devicesRoutes } from './devices'
import { disableRoutes } from './disable'
import { enableRoutes } from './enable'
import { replaceRoutes } from './replace'
import type { Rooms } from './rooms'
import type { Route } from './route'
import { settingsRoutes } from './settings'
import { leaveIfSignedOut } from './signed-out'
import { Visit } from './visit'

/** Every page and every JSON answer of the plugin. */
export const routes: readonly Route[] = [
  ...settingsRoutes,
  ...enableRoutes,
  ...challengeRoutes,
  ...disableRoutes,
  ...backupCodesRoutes,
  ...replaceRoutes,
  ...devicesRoutes,
]

/** Whether the router serves a path, by any method or by this one, as Express would find it. */
export function isRoute(path: string, method?: string): boolean {
  const plain = plainPath(path)
  const verb = method === 'HEAD' ? 'get' : method?.toLowerCase()
  if (plain.startsWith('/assets/')) return verb === undefined || verb === 'get'
  return routes.some((route) => matches(route.path, plain) && (verb === undefined || route.method === verb))
}

/** A segment `:id` is any one. */
function matches(pattern: string, path: string): boolean {
  const segments = path.split('/')
  const wanted = pattern.split('/')
  return (
    segments.length === wanted.length &&
    wanted.every((segment, i) => (segment.startsWith(':') ? segments[i] !== '' : segment === segments[i]))
  )
}

export function createRouter(rooms: Rooms, assets: RequestHandler): Router {
  const router = Router()
  router.use('/assets', assets)
  for (const route of routes) {
    router[route.method](route.path, function secondFactorRoute(req, res, next) {
      serve(rooms, route, req, res).catch((error: unknown) => {
        if (error instanceof UnavailableError) {
          rooms.settings.onUnavailable(error)
          const problem: PageProblem = error.uncertain
            ? { code: 'unavailable', about: 'uncertain' }
            : { code: 'unavailable' }
          rooms.answers.problem(req, res, problem).catch(next)
        } else next(error)
      })
    })
  }
  return router
}

/**
 * The order of checks: session, forgery, shape, and then what the route's rule says. The body is read before all
 * of them, since whoever holds it back must not be judged by what was true when the request began.
 */
async function serve(rooms: Rooms, route: Route, req: Request, res: Response): Promise<void> {
  const state = mounted(req)
  const problem = route.method === 'post' ? await readBody(req, res) : null
  if (route.method === 'post') await leaveIfSignedOut(req, state)
  const admitted = await admit(rooms, route, req, res, state)
  if (!admitted) return
  if (route.method === 'post') {
    const unread = problem === 'too_large' && req.headers['x-csrf-token'] === undefined
    if (!unread && !(await isGenuine(rooms, req, res))) {
      return rooms.answers.problem(req, res, { code: 'csrf' }, {}, state.base)
    }
    if (problem) return rooms.answers.problem(req, res, { code: problem }, {}, state.base)
  }
  await route.handle(new Visit(rooms, req, res, state, admitted.status))
}

/** The request was made by a page of ours, or by a program that has read one. */
async function isGenuine({ settings }: Rooms, req: Request, res: Response): Promise<boolean> {
  if (settings.csrf) {
    const { verify } = settings.csrf
    return verify === 'before' || (await verify(req, res)) === true
  }
  const { csrf } = sessionOf(req).secondFactor as Marker
  const body = req.body as Record<string, unknown> | undefined
  const token = req.headers['x-csrf-token'] ?? (body && Object.hasOwn(body, '_csrf') ? body._csrf : undefined)
  return isToken(csrf, token)
}

function mounted(req: Request): RequestState {
  const state = knownStateOf(req)
  if (req.baseUrl.toLowerCase() === state.base.toLowerCase()) return state
  throw new ConfigurationError(
    'SF_ROUTER_PATH',
    `The router is mounted at '${req.baseUrl}', but option path says '${state.base}': make them the same`,
  )
}
