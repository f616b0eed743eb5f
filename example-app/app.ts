import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import ejs from 'ejs'
import defaultExpress, { type Express } from 'express'
import {
  createSecondFactor,
  MemoryStore,
  type SecondFactorOptions,
  type SecondFactorStore,
  SqlStore,
} from 'express-second-factor'
import type { Store } from 'express-session'
import Database from 'libsql'
import { Passport } from 'passport'
import type { Config } from './config'
import { csrfTokens } from './csrf'
import { notFound, showError } from './errors'
import { folder } from './files'
import { onlyPaths, securityHeaders } from './headers'
import { loginRoutes, setUpPassport } from './login'
import { pageRoutes } from './pages'
import { createSessions } from './sessions'
import { transferRoutes } from './transfer'
import { Transfers } from './transfers'
import { type User, Users } from './users'

/** The environment's configuration, and what tests put in the place of the real thing. */
export interface AppConfig extends Config {
  /** Express 4 or 5. */
  express?: typeof defaultExpress
  store?: SecondFactorStore
  sessionStore?: Store
  now?: () => number
  policy?: NonNullable<SecondFactorOptions<User>['policy']>
}

/** The whole app, not yet listening. */
export async function createApp(config: AppConfig): Promise<{ app: Express; close(): void }> {
  const express = config.express ?? defaultExpress
  mkdirSync(config.dataDir, { recursive: true })
  // WAL and a timeout: several processes may share the file.
  const db = new Database(join(config.dataDir, 'quayside.db'), { timeout: 5000 })
  const users = await Users.open(db)
  const transfers = new Transfers(db)
  const passport = new Passport()
  setUpPassport(passport, users)
  const sessions = createSessions({
    secret: config.sessionSecret,
    redisUrl: config.redisUrl,
    store: config.sessionStore,
  })

  const app = express()
  app.disable('x-powered-by')
  app.use(onlyPaths)
  if (config.trustProxy !== null) app.set('trust proxy', config.trustProxy)
  app.engine('ejs', ejs.renderFile as Parameters<typeof app.engine>[1])
  app.set('view engine', 'ejs')
  app.set('views', folder('views'))
  app.use(express.static(folder('public')))
  app.use(securityHeaders)

  // Two-factor authentication, from here ...
  const secondFactor = createSecondFactor<User>({
    issuer: 'Quayside Savings',
    account: (user) => ({ id: user.id, name: user.email }),
    keys: config.secondFactorKeys,
    store: config.store ?? (config.secondFactorStore === 'memory' ? new MemoryStore() : new SqlStore(db)),
    // ... and what only some apps need.
    passport,
    returnTo: '/account',
    support: 'help@quayside.example',
    verifyPassword: (user, password) => users.verifyPassword(user, password),
    language: (req) => req.session?.lang,
    layout: 'two-factor',
    stylesheets: ['/style.css'],
    ...(config.revalidateAfter !== null && { revalidateAfter: config.revalidateAfter }),
    ...(config.policy && { policy: config.policy }),
    ...(config.now && { now: config.now }),
  })

  app.use(sessions.middleware)
  app.use(csrfTokens)
  app.use(passport.session())
  app.use(secondFactor.session())
  app.use((req, res, next) => {
    res.locals.user = req.user ?? null
    res.locals.secondFactor = req.secondFactor?.state ?? 'anonymous'
    next()
  })
  app.use('/two-factor', secondFactor.router())
  // ... to here; `requireSecondFactor()` stands at the routes that want it.

  app.use(express.json({ limit: '20kb' }))
  app.use(express.urlencoded({ extended: false, limit: '20kb' }))
  app.use(loginRoutes(express.Router(), passport))
  app.use(pageRoutes(express.Router(), secondFactor, transfers))
  app.use(transferRoutes(express.Router(), secondFactor, transfers))
  app.use(notFound)
  app.use(showError)

  return {
    app,
    close() {
      sessions.close()
      db.close()
    },
  }
}
