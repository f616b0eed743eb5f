import { EventEmitter, once } from 'node:events'
import type { RequestHandler } from 'express'
import session from 'express-session'
import type { Client } from './client'
import type { Answer } from './quick-request'
import { sessionIdOf } from './sessions'

/** Requests that wait where this middleware is, as those do whose body is held back. */
export class HeldRequests {
  readonly #events = new EventEmitter()

  readonly middleware: RequestHandler = (req, _res, next) => {
    if (!req.headers['x-hold']) return next()
    this.#events.once('release', () => next())
    this.#events.emit('held')
  }

  /** Sends it, does something else meanwhile, and lets the request go on. */
  async during(
    meanwhile: () => Promise<unknown> | unknown,
    caller: Client,
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const reached = once(this.#events, 'held')
    const answer = caller.send(method, path, body as Record<string, unknown>, { 'x-hold': '1', ...headers })
    await reached
    await meanwhile()
    this.#events.emit('release')
    return answer
  }
}

/** Signs out by the app, in another tab. */
export const signOut = (client: Client) => client.copy().as('program').send('POST', '/logout', {})

/** What another process does that signs somebody out: the plugin in this one does not see it. */
export function signOutElsewhere(sessionStore: session.Store, client: Client): Promise<unknown> {
  return new Promise((resolve) =>
    session.MemoryStore.prototype.destroy.call(sessionStore, sessionIdOf(client), resolve),
  )
}
