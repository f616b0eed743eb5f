import { type Request, type RequestHandler, type Response, Router } from 'express'
import { ConfigurationError } from '../errors'
import { knownStateOf, plainPath, type RequestState } from '../session/request-factor'
import { leaveIfSignedOut } from '../session/signed-out'
import type { Settings } from '../settings'
import { admit } from './admit'
import { answering } from './answering'
import { backupCodesRoutes } from './backup-codes'
import { readBody } from './body'
import { challengeRoutes } from './challenge'
import { devicesRoutes } from './devices'
import { disableRoutes } from './disable'
import { enableRoutes } from './enable'
import { formProblem } from './genuine'
import { recoveryRoutes } from './recovery'
import { recoveryStopRoutes } from './recovery-stop'
import { recoveryTicketRoutes } from './recovery-ticket'
import { replaceRoutes } from './replace'
import type { Rooms } from './rooms'
import type { Route } from './route'
import { settingsRoutes } from './settings'
import { Visit } from './visit'

/** Every page and every JSON answer that is there in any app. */
const routes: readonly Route[] = [
  // First, since Express tries one after the other: every login comes by here.
  ...challengeRoutes,
  ...settingsRoutes,
  ...enableRoutes,
  ...disableRoutes,
  ...backupCodesRoutes,
  ...replaceRoutes,
  ...devicesRoutes,
]

/** With those that are there only where option `recovery` is. */
export const allRoutes: readonly Route[] = [
  ...routes,
  ...recoveryRoutes,
  ...recoveryTicketRoutes,
  ...recoveryStopRoutes,
]

/** Without option `recovery` its URLs are the host's. */
function routesOf({ recovery }: Settings): readonly Route[] {
  return recovery ? allRoutes : routes
}

/** Whether the router serves a path, by any method or by this one, as Express would find it. */
export function isRoute(settings: Settings, path: string, method?: string): boolean {
  const plain = plainPath(path)
  const verb = method === 'HEAD' ? 'get' : method?.toLowerCase()
  if (plain.startsWith('/assets/')) return verb === undefined || verb === 'get'
  return routesOf(settings).some(
    (route) => matches(route.path, plain) && (verb === undefined || route.method === verb),
  )
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
  for (const route of routesOf(rooms.settings)) {
    router[route.method](
      route.path,
      answering(rooms, (req, res) => serve(rooms, route, req, res)),
    )
  }
  return router
}

/**
 * The order of checks: session, forgery, shape, and then what the route's rule says. The body is read before all
 * of them, since whoever holds it back must not be judged by what was true when the request began.
 */
async function serve(rooms: Rooms, route: Route, req: Request, res: Response): Promise<void> {
  const state = mounted(req, rooms.settings)
  const problem = route.method === 'post' ? await readBody(req, res) : null
  if (route.admits === 'anybody') {
    if (problem) return rooms.answers.problem(req, res, { code: problem }, {}, state.base)
    return route.handle(new Visit(rooms, req, res, state, null))
  }
  if (route.method === 'post') await leaveIfSignedOut(req, state, rooms.settings.now())
  const admitted = await admit(rooms, route, req, res, state)
  if (!admitted) return
  if (route.method === 'post') {
    const code = await formProblem(rooms, req, res, problem)
    if (code) return rooms.answers.problem(req, res, { code }, {}, state.base)
  }
  await route.handle(new Visit(rooms, req, res, state, admitted.status))
}

function mounted(req: Request, settings: Settings): RequestState {
  const state = knownStateOf(req, settings)
  if (req.baseUrl.toLowerCase() === state.base.toLowerCase()) return state
  throw new ConfigurationError(
    'SF_ROUTER_PATH',
    `The router is mounted at '${req.baseUrl}', but option path says '${state.base}': make them the same`,
  )
}
