import ejs from 'ejs'
import defaultExpress, { type Express } from 'express'
import {
  createSecondFactor,
  MemoryStore,
  RedisStore,
  type SecondFactorOptions,
  type SecondFactorStore,
  SqlStore,
} from 'express-second-factor'
import type { Store } from 'express-session'
import { Passport } from 'passport'
import type { Config } from './config'
import { csrfTokens } from './csrf'
import { type Db, openDatabase } from './database'
import { notFound, showError } from './errors'
import { folder } from './files'
import { onlyPaths, securityHeaders } from './headers'
import { languageOf, speakLanguage } from './language'
import { keepLanguage, loginRoutes, setUpPassport } from './login'
import { openMail } from './mail'
import { pageRoutes } from './pages'
import { connectRedis } from './redis'
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
export async function createApp(config: AppConfig): Promise<{ app: Express; close(): Promise<void> }> {
  const express = config.express ?? defaultExpress
  const db = openDatabase(config)
  const users = await Users.open(db)
  const transfers = await Transfers.open(db)
  const passport = new Passport()
  setUpPassport(passport, users)
  const sessions = await createSessions({
    secret: config.sessionSecret,
    redisUrl: config.redisUrl,
    store: config.sessionStore,
  })

  const factors = await openFactors(config, db)

  const app = express()
  app.disable('x-powered-by')
  app.use(onlyPaths)
  if (config.trustProxy !== null) app.set('trust proxy', config.trustProxy)
  app.engine('ejs', ejs.renderFile as Parameters<typeof app.engine>[1])
  app.set('view engine', 'ejs')
  app.set('views', folder('views'))
  if (config.processName !== null) {
    app.use((_req, res, next) => {
      res.set('X-Process', config.processName as string)
      next()
    })
  }
  // First of all: errors are told in it, whatever fails.
  app.use(speakLanguage)
  app.use(express.static(folder('public')))
  app.use(securityHeaders)

  // Two-factor authentication, from here ...
  const secondFactor = createSecondFactor<User>({
    issuer: 'Quayside Savings',
    account: (user) => ({ id: user.id, name: user.email }),
    keys: config.secondFactorKeys,
    store: factors.store,
    // ... and what only some apps need.
    passport,
    returnTo: '/account',
    support: 'help@quayside.example',
    verifyPassword: (user, password) => users.verifyPassword(user, password),
    language: languageOf,
    layout: 'two-factor',
    stylesheets: ['/style.css'],
    notify: {
      transport: openMail(config),
      from: 'Quayside Savings <security@quayside.example>',
      recipients: (accountId) => users.recipientsOf(Number(accountId)),
      settingsUrl: `${config.publicUrl}/two-factor`,
    },
    onVerified: (user, req) => keepLanguage(users, user, req),
    ...(config.revalidateAfter !== null && { revalidateAfter: config.revalidateAfter }),
    ...(config.trustedDevices && { trustedDevices: { maxAge: config.trustedDevices } }),
    policy:
      config.policy ??
      (() => (config.requiredFrom ? { required: true, graceUntil: config.requiredFrom } : 'optional')),
    ...(config.now && { now: config.now }),
  })

  app.use(sessions.middleware)
  // Again: a session may have a language of its own.
  app.use(speakLanguage)
  app.use(csrfTokens)
  app.use(passport.session())
  app.use(secondFactor.session())
  app.use((req, res, next) => {
    res.locals.user = req.user ?? null
    res.locals.secondFactor = req.secondFactor
    res.locals.now = config.now?.() ?? Date.now()
    next()
  })
  app.use('/two-factor', secondFactor.router())
  // ... to here; `requireSecondFactor()` stands at the routes that want it.

  app.use(express.json({ limit: '20kb' }))
  app.use(express.urlencoded({ extended: false, limit: '20kb' }))
  app.use(loginRoutes(express.Router(), passport, users))
  app.use(pageRoutes(express.Router(), secondFactor, transfers))
  app.use(transferRoutes(express.Router(), secondFactor, transfers))
  app.use(notFound)
  app.use(showError)

  return {
    app,
    async close() {
      sessions.close()
      factors.close()
      await db.destroy()
    },
  }
}

/** Where second factors are kept: with everything else, unless the configuration says otherwise. */
async function openFactors(config: AppConfig, db: Db): Promise<{ store: SecondFactorStore; close(): void }> {
  const kept = (store: SecondFactorStore) => ({ store, close() {} })
  if (config.store) return kept(config.store)
  if (config.secondFactorStore === 'memory') return kept(new MemoryStore())
  if (config.secondFactorStore === 'sql') return kept(new SqlStore(db))
  const client = await connectRedis(config.redisUrl as string)
  return { store: new RedisStore(client), close: () => client.disconnect() }
}
