import { RedisStore } from 'connect-redis'
import type { RequestHandler } from 'express'
import session, { type Store } from 'express-session'
import { Redis } from 'ioredis'

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
export function createSessions({ secret, redisUrl, store }: SessionsOptions): Sessions {
  const redis = store || !redisUrl ? null : connect(redisUrl)
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

/** Without these two limits a dead Redis would let every request hang instead of failing. */
function connect(url: string): Redis {
  const redis = new Redis(url, { commandTimeout: 2000, maxRetriesPerRequest: 1 })
  let known = false
  redis.on('error', (error: Error) => {
    if (!known) console.error(`Redis does not answer: ${error.message}`)
    known = true
  })
  redis.on('ready', () => {
    known = false
  })
  return redis
}
