import { RedisStore } from 'connect-redis'
import type { RequestHandler } from 'express'
import session, { type Store } from 'express-session'
import { connectRedis } from './redis'

export interface Sessions {
  middleware: RequestHandler
  close(): void
}

export interface SessionsOptions {
  secret: string
  redisUrl: string | null
  /** Instead of Redis or the memory of this process. */
  store?: Store | undefined
}

/** The sessions: in Redis where there is one, else in this process. */
export async function createSessions({ secret, redisUrl, store }: SessionsOptions): Promise<Sessions> {
  const redis = store || !redisUrl ? null : await connectRedis(redisUrl)
  const kept = store ?? (redis ? new RedisStore({ client: redis, prefix: 'quayside:' }) : undefined)
  const handler = session({
    name: 'quayside.sid',
    secret,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto' },
    ...(kept && { store: kept }),
  })
  return {
    // No sessions, no service: 503 and not 500.
    middleware: (req, res, next) =>
      handler(req, res, (error?: unknown) =>
        error ? next(Object.assign(Object(error), { status: 503 })) : next(),
      ),
    close: () => redis?.disconnect(),
  }
}
