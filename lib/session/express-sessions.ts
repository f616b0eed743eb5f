import type { Request } from 'express'
import { UnavailableError } from '../errors'
import type { AppSession } from './marker'

/** The session of a request, as express-session made it. */
export function sessionOf(req: Request): AppSession {
  return req.session as AppSession
}

/**
 * Writes the session now, so that an answer that leaves afterwards rests on what is stored.
 *
 * @throws UnavailableError when the session store does not take it
 */
export function save(req: Request): Promise<void> {
  return new Promise((resolve, reject) =>
    req.session.save((error) => (error ? reject(notTaken(error)) : resolve())),
  )
}

/**
 * Writes the session now, and spares the write at the end of the answer if nothing has changed by then: a session of a
 * new id is written there once more, and the answer held back until that is done.
 *
 * @throws UnavailableError when the session store does not take it
 */
export async function saveOnce(req: Request): Promise<void> {
  await save(req)
  const session = sessionOf(req)
  const written = contentOf(session)
  replaceOnce(session, 'save', (save, ...args) => {
    if (contentOf(session) !== written) return save.apply(session, args)
    const [done] = args
    if (typeof done === 'function') done()
    return session
  })
}

/** What a write would keep, but for the moment at which the cookie ends: that moves with every look at it. */
function contentOf(session: AppSession): string {
  const { cookie, ...rest } = session
  const settings = JSON.stringify(cookie, (name, value) => (name === 'expires' ? undefined : value))
  return settings + JSON.stringify(rest)
}

/** What the account's record says may have changed before. */
function notTaken(cause: unknown): UnavailableError {
  const error = new UnavailableError('The session store does not answer', { cause })
  error.uncertain = true
  return error
}

/**
 * Whether the session store still has this session, admitted to the same.
 *
 * @throws UnavailableError when it does not answer
 */
export function isStored(req: Request): Promise<boolean> {
  const { secondFactor: present } = sessionOf(req)
  return new Promise((resolve, reject) =>
    req.sessionStore.get(req.sessionID, (cause: unknown, stored) => {
      if (cause && !isNotFound(cause))
        return reject(new UnavailableError('The session store does not answer', { cause }))
      const there = stored?.secondFactor
      const same =
        there?.accountId === present?.accountId &&
        there?.epoch === present?.epoch &&
        there?.state === present?.state
      resolve(Boolean(stored) && same)
    }),
  )
}

/** How some stores say that there is no such session, which express-session takes for an answer, too. */
export function isNotFound(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ENOENT'
}

/** A new session id. What the session held survives, its cookie's settings too, but for our marker. */
export async function regenerateKeeping(req: Request): Promise<void> {
  const old = sessionOf(req)
  await new Promise<void>((resolve, reject) =>
    old.regenerate((error: unknown) => (error ? reject(notTaken(error)) : resolve())),
  )
  const fresh = sessionOf(req)
  for (const [key, value] of Object.entries(old)) {
    if (key !== 'cookie' && key !== 'secondFactor') fresh[key] = value
  }
  fresh.cookie = old.cookie
}

/** Does something to the session just before it is next written, and something once it is. */
export function aroundSave(req: Request, before: () => void, after: () => void = () => {}): void {
  const session = sessionOf(req)
  replaceOnce(session, 'save', (save, ...args) => {
    before()
    const [done] = args as [((error?: unknown) => void) | undefined]
    return save.call(session, (error: unknown) => {
      after()
      done?.(error)
    })
  })
}

/**
 * Changes the session that the next `regenerate` of this request makes, just before it is first saved: not even
 * one write of it is seen without the change.
 */
export function shapeNextSession(req: Request, shape: (session: AppSession) => void): void {
  const old = sessionOf(req)
  replaceOnce(old, 'regenerate', (regenerate, callback) => {
    regenerate.call(old, (error: unknown) => {
      aroundSave(req, () => shape(sessionOf(req)))
      ;(callback as (error: unknown) => void)(error)
    })
    return old
  })
}

type Method = (...args: unknown[]) => unknown

/** Replaces a method for one call. Not enumerable: what enumerates the session must not meet it. */
function replaceOnce(
  session: AppSession,
  name: 'save' | 'regenerate',
  replacement: (original: Method, ...args: unknown[]) => unknown,
): void {
  const own = Object.getOwnPropertyDescriptor(session, name)
  const original = session[name] as Method
  const value = (...args: unknown[]) => {
    if (own) Object.defineProperty(session, name, own)
    else delete (session as Record<string, unknown>)[name]
    return replacement(original, ...args)
  }
  Object.defineProperty(session, name, { configurable: true, enumerable: false, writable: true, value })
}
