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
import { openDirectory } from './administration'
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
import { seedUsers } from './seed'
import { createSessions } from './sessions'
import { transferRoutes } from './transfer'
import { Transfers } from './transfers'
import { type User, Users } from './users'

/** The environment's configuration, and what tests put in the place of the real thing. */
export interface AppConfig extends Config {
  /** Express 4 or 5. */
  express?: typeof defaultExpress
  store?: SecondFactorStore
  recoveryStore?: SecondFactorStore
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
  if (config.seedUsers > 0) await seedUsers(db, factors.store, config.secondFactorKeys, config.seedUsers)
  const { directory, close: closeDirectory } = await openDirectory(db, factors.store)

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
    recovery: {
      store: factors.recoveries,
      // The fields are those of the users table.
      check: (user, answers) => users.matches(user.id, answers),
      registered: (accountId) => users.registeredOf(Number(accountId)),
      ...(config.recoveryDelay !== null && { delay: `${config.recoveryDelay / 1000}s` }),
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
    // In the menu its pages are another place than those about oneself.
    if (req.path.startsWith('/admin/')) res.locals.here = 'users'
    next()
  })
  app.use('/two-factor', secondFactor.router())
  app.use(
    '/admin/two-factor',
    secondFactor.adminRouter({ authorize: (req) => (req.user as User).username === 'admin', directory }),
  )
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
      await closeDirectory()
      factors.close()
      await db.destroy()
    },
  }
}

/** Second factors, and requests to recover an account that has lost its own. */
interface Factors {
  store: SecondFactorStore
  recoveries: SecondFactorStore
  close(): void
}

/** Where second factors are kept: with everything else, unless the configuration says otherwise. */
async function openFactors(config: AppConfig, db: Db): Promise<Factors> {
  const kept = (store: SecondFactorStore, recoveries: SecondFactorStore) => ({
    store,
    recoveries,
    close() {},
  })
  if (config.store) return kept(config.store, config.recoveryStore ?? new MemoryStore())
  if (config.secondFactorStore === 'memory') return kept(new MemoryStore(), new MemoryStore())
  if (config.secondFactorStore === 'sql') {
    return kept(new SqlStore(db), new SqlStore(db, { table: 'second_factor_recoveries' }))
  }
  const client = await connectRedis(config.redisUrl as string)
  return {
    store: new RedisStore(client),
    recoveries: new RedisStore(client, { prefix: 'second-factor-recovery:' }),
    close: () => client.disconnect(),
  }
}
