import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import { ConfigurationError } from '../errors'
import type { Settings } from '../settings'
import { sessionOf } from './express-sessions'
import type { AppSession } from './marker'

/** What Passport adds to a request and does not type. */
interface PassportRequest {
  _sessionManager?: { _key?: string }
  _userProperty?: string
}

/** The key under which Passport keeps its user in the session. */
export function passportKey(req: Request): string {
  return (req as PassportRequest)._sessionManager?._key ?? 'passport'
}

/** The same where there is no request. */
export function keyOf(passport: object): string {
  return (passport as { _key?: string })._key ?? 'passport'
}

/** The user as Passport serialized it into the session. */
export function passportUser(req: Request, session: AppSession = sessionOf(req)): unknown {
  return (session[passportKey(req)] as { user?: unknown } | undefined)?.user
}

/** Somebody is logged in, by the test that Passport itself makes. */
export function hasPassportUser(req: Request, session: AppSession = sessionOf(req)): boolean {
  const user = passportUser(req, session)
  return Boolean(user) || user === 0
}

export function putPassportUser(req: Request, user: unknown): void {
  const session = sessionOf(req)
  const key = passportKey(req)
  session[key] = { ...(session[key] as object | undefined), user }
}

/** Takes the user out; the whole entry when nothing else is in it. */
export function removePassportUser(req: Request, session: AppSession = sessionOf(req)): void {
  const key = passportKey(req)
  const { user, ...rest } = (session[key] ?? {}) as { user?: unknown }
  if (Object.keys(rest).length > 0) session[key] = rest
  else delete session[key]
}

/**
 * The user of what Passport serialized; null: there is none any more.
 *
 * @param req some hosts ask it of the request
 * @throws ConfigurationError `SF_PASSPORT`
 */
export function deserialized(
  passport: Settings['passport'],
  serialized: unknown,
  req: IncomingMessage,
): Promise<Express.User | null> {
  return new Promise((resolve, reject) =>
    passport.deserializeUser(serialized, req, (error: unknown, user?: Express.User | false | null) =>
      error ? reject(notDeserialized(error)) : resolve(user || null),
    ),
  )
}

/** What another Passport than the host's answers, told in words that help. */
function notDeserialized(error: unknown): unknown {
  const message = error instanceof Error ? error.message : ''
  if (!message.startsWith('Failed to deserialize user')) return error
  return new ConfigurationError(
    'SF_PASSPORT',
    "Give your own Passport as option passport: require('passport') is another one",
  )
}

/** The request's user, under the property that Passport uses. */
export function userOf(req: Request): Express.User | undefined {
  return properties(req)[userProperty(req)] as Express.User | undefined
}

export function setUser(req: Request, user: Express.User | undefined): void {
  properties(req)[userProperty(req)] = user
}

function userProperty(req: Request): string {
  return (req as PassportRequest)._userProperty ?? 'user'
}

function properties(req: Request): Record<string, unknown> {
  return req as unknown as Record<string, unknown>
}
