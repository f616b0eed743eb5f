import { EventEmitter } from 'node:events'
import type { Express } from 'express'
import express5 from 'express'
import {
  createSecondFactor,
  MemoryStore,
  type SecondFactor,
  type SecondFactorOptions,
  type SecondFactorStore,
} from 'express-second-factor'
import session, { type Store } from 'express-session'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { Clock } from './clock'

export const KEY = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')
export const PASSWORD = 'correct horse battery staple'

export interface User {
  id: string
  email: string
}

export const users: Record<string, User> = {
  alice: { id: 'u-alice', email: 'alice@example.com' },
  bob: { id: 'u-bob', email: 'bob@example.com' },
}

export const expresses = {
  'Express 5': express5,
  // Loaded by those few that ask for it.
  get 'Express 4'() {
    return require('express4') as typeof express5
  },
}

export interface TestAppOptions {
  express?: typeof express5
  clock?: Clock
  store?: SecondFactorStore
  sessionStore?: Store
  secondFactor?: Partial<SecondFactorOptions<User>>
  /** Mounts what comes after `passport.session()` and before `secondFactor.session()`. */
  before?: (app: Express) => void
  /** Mounts what comes between `secondFactor.session()` and the router. */
  between?: (app: Express) => void
  /** Mounts the host's own routes, after `secondFactor.session()`. */
  routes?: (app: Express, secondFactor: SecondFactor) => void
}

export interface TestApp {
  app: Express
  secondFactor: SecondFactor
  store: SecondFactorStore
  sessionStore: Store
  clock: Clock
}

/** The app of somebody who had Passport before and mounted the plugin with the lines of the README. */
export function createTestApp(options: TestAppOptions = {}): TestApp {
  const express = options.express ?? express5
  const clock = options.clock ?? new Clock()
  const store = options.store ?? new MemoryStore()
  const sessionStore = options.sessionStore ?? new session.MemoryStore()
  const secondFactor = createSecondFactor<User>({
    issuer: 'Acme',
    account: (user) => ({ id: user.id, name: user.email }),
    keys: [KEY],
    store,
    now: clock.now,
    verifyPassword: (_user, password) => password === PASSWORD,
    passport: hostPassport,
    // What comes of a slow store has tests of its own: elsewhere a busy machine is no failure.
    storeTimeout: '30s',
    ...options.secondFactor,
  })

  const app = express()
  app.use(
    session({
      secret: 'test',
      resave: false,
      saveUninitialized: false,
      store: sessionStore,
    }),
    hostPassport.session(),
  )
  options.before?.(app)
  app.use(secondFactor.session())
  options.between?.(app)
  app.use('/two-factor', secondFactor.router())
  app.use(express.json(), express.urlencoded({ extended: false }))
  options.routes?.(app, secondFactor)
  app.post('/login', hostPassport.authenticate('local', { successRedirect: '/account' }))
  app.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.sendStatus(204))))
  app.get('/account', (req, res) => {
    if (req.isAuthenticated()) res.json({ user: req.user, state: req.secondFactor?.state })
    else res.status(401).json({ state: req.secondFactor?.state })
  })
  app.get('/vault', secondFactor.requireSecondFactor(), (req, res) => {
    res.json({ vault: userOf(req.user).id })
  })
  app.all('/transfer', secondFactor.requireSecondFactor({ maxAge: '5m' }), (_req, res) => {
    res.json({ transferred: true })
  })
  return { app, secondFactor, store, sessionStore, clock }
}

/** `Express.User` is whatever another test's app says it is. */
export const userOf = (user: Express.User | undefined) => user as unknown as User
const expressUser = (user: User | undefined) => (user ?? false) as unknown as Express.User | false

/** A Passport of our own, so that test files do not share strategies. */
export const hostPassport = new passport.Passport() as unknown as typeof passport
hostPassport.serializeUser((user, done) => done(null, userOf(user).id))
hostPassport.deserializeUser((id, done) =>
  done(null, expressUser(Object.values(users).find((user) => user.id === id))),
)
hostPassport.use(
  new LocalStrategy((username, password, done) => {
    const user = password === PASSWORD ? users[username] : undefined
    done(null, expressUser(user))
  }),
)

/** Session stores and servers of many tests listen on one emitter. */
EventEmitter.defaultMaxListeners = 100
