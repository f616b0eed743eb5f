// The plugin in an app of somebody who had Passport before: the lines of the README.
import { randomBytes } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { enrolAccounts } from '../support/enrol.mjs'
import { library } from '../support/library.mjs'
import { counted, options, serve } from '../support/serve.mjs'
import { openStores } from '../support/stores.mjs'

const { createSecondFactor } = library('index')
/** Milliseconds since 1970; stands still where the load moves it. */
let moment = options.clock ?? null
const now = () => moment ?? Date.now()
const keys = [randomBytes(32).toString('base64')]
const { factors, sessions } = await openStores(options)
if (options.accounts) await enrolAccounts(factors, keys, 1, options.accounts, now)
counted(factors, 'factors', ['get', 'compareAndSet', 'delete'])
counted(sessions, 'sessions', ['get', 'set', 'touch', 'destroy'])

passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id, done) => done(null, { id, email: `${id}@example.com` }))
// Passwords are nobody's concern here.
passport.use(
  new LocalStrategy((username, _password, done) =>
    done(null, { id: username, email: `${username}@example.com` }),
  ),
)

const secondFactor = createSecondFactor({
  issuer: 'Bench',
  account: (user) => ({ id: user.id, name: user.email }),
  keys,
  store: factors,
  verifyPassword: () => true,
  now,
})

const app = express()
app.get('/nothing', (_req, res) => res.send('ok'))
app.use(session({ secret: 'bench', resave: false, saveUninitialized: false, store: sessions }))
app.use(passport.session())
app.use(secondFactor.session())
app.use('/two-factor', secondFactor.router())
app.use(express.json())
app.post('/login', passport.authenticate('local'), (_req, res) => res.json({ state: 'in' }))
app.get('/ungated', (_req, res) => res.send('ok'))
app.get('/gated', secondFactor.requireSecondFactor(), (_req, res) => res.send('ok'))
// Nothing is left of a session that was signed out: what the soak finds is not the session store's.
app.post('/logout', (req, res, next) =>
  req.logout((error) => (error ? next(error) : req.session.destroy(() => res.status(204).end()))),
)

serve(app, {
  moveClock(milliseconds) {
    moment += milliseconds
    return moment
  },
})
