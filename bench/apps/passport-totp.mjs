// passport-totp in the shape of its own two-factor example: the strategy, a mark in the session, a check of the mark.
import { randomBytes } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { Strategy as TotpStrategy } from 'passport-totp'
import base32 from 'thirty-two'
import { secretOf } from '../support/accounts.mjs'
import { counted, options, serve } from '../support/serve.mjs'
import { openStores } from '../support/stores.mjs'

const { sessions } = await openStores(options)
counted(sessions, 'sessions', ['get', 'set', 'touch', 'destroy'])
/** As in the example: keys are in this process. */
const keysOf = new Map()
for (let n = 1; n <= (options.accounts ?? 0); n++)
  keysOf.set(`${n}`, { key: secretOf(n).toString(), period: 30 })

// A row whose key was never set, as a column of the users' table has it.
if (options.without) keysOf.set(`${options.without}`, { key: undefined, period: 30 })

passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id, done) => done(null, { id, email: `${id}@example.com` }))
passport.use(new LocalStrategy((username, _password, done) => done(null, { id: username })))
passport.use(
  new TotpStrategy((user, done) => {
    const { key, period } = keysOf.get(user.id)
    done(null, key, period)
  }),
)

const isLoggedIn = (req, res, next) => (req.isAuthenticated() ? next() : res.redirect('/login'))
const hasSecondFactor = (req, res, next) =>
  req.session.secondFactor === 'totp' ? next() : res.redirect('/login-otp')

const app = express()
app.use(express.json(), express.urlencoded({ extended: false }))
app.use(
  session({
    secret: randomBytes(16).toString('hex'),
    resave: false,
    saveUninitialized: false,
    store: sessions,
  }),
)
app.use(passport.session())
app.post('/login', passport.authenticate('local'), (_req, res) => res.redirect('/login-otp'))
app.post('/login-otp', passport.authenticate('totp', { failureRedirect: '/login-otp' }), (req, res) => {
  req.session.secondFactor = 'totp'
  res.redirect('/')
})
// The example shows the key to whoever is logged in, also when it was set up before.
app.get('/setup', isLoggedIn, (req, res) =>
  res.json({ key: base32.encode(keysOf.get(req.user.id).key).toString() }),
)
app.get('/gated', isLoggedIn, hasSecondFactor, (_req, res) => res.send('ok'))

serve(app)
