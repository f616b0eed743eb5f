import type { ErrorRequestHandler, RequestHandler, Response, Router } from 'express'
import type passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { isProgram, sendProblem } from './callers'
import { checkCsrf } from './csrf'
import type { User, Users } from './users'

declare module 'express-session' {
  interface SessionData {
    /** Where somebody was going who had to log in first. */
    returnTo?: string
    /** The language chosen at login. */
    lang?: string
  }
}

/** Teaches Passport our users: the same lines as in any app, and nothing about a second factor. */
export function setUpPassport(passport: passport.Authenticator, users: Users): void {
  passport.use(
    new LocalStrategy((username, password, done) => {
      checkPassword(users, username, password).then((user) => done(null, user ?? false), done)
    }),
  )
  passport.serializeUser((user, done) => done(null, (user as User).id))
  passport.deserializeUser<unknown>((id, done) => {
    users.findById(id).then((user) => done(null, user ?? false), done)
  })
}

async function checkPassword(users: Users, username: unknown, password: unknown): Promise<User | null> {
  const texts = typeof username === 'string' && typeof password === 'string'
  const user = texts ? await users.findByUsername(username) : null
  const right = await users.verifyPassword(user, texts ? password : '')
  return right ? user : null
}

/** The login and logout forms. */
export function loginRoutes(router: Router, passport: passport.Authenticator): Router {
  router.get('/login', (req, res) => {
    if (isProgram(req)) res.json({ csrfToken: res.locals.csrfToken() })
    else if (req.isAuthenticated()) res.redirect(303, '/account')
    else showLogin(res)
  })

  router.post(
    '/login',
    checkCsrf,
    rememberLanguage,
    // keepSessionInfo: the language and the way back outlast the change of session.
    passport.authenticate('local', { failWithError: true, keepSessionInfo: true }),
    loggedIn,
    refused,
  )

  router.post('/logout', checkCsrf, (req, res, next) => {
    req.logout((error) => {
      if (error) next(error)
      else if (isProgram(req)) res.status(204).end()
      else res.redirect(303, '/')
    })
  })

  return router
}

const rememberLanguage: RequestHandler = (req, _res, next) => {
  const lang = req.body?.lang
  if (typeof lang === 'string' && /^[a-z]{2,3}(-[A-Za-z]{2,4})?$/.test(lang)) req.session.lang = lang
  next()
}

const loggedIn: RequestHandler = (req, res) => {
  const { returnTo = '/account' } = req.session
  delete req.session.returnTo
  if (!isProgram(req)) return res.redirect(303, returnTo)
  const { id, username, name, email } = req.user as User
  res.json({ user: { id, username, name, email } })
}

const refused: ErrorRequestHandler = (error, req, res, next) => {
  if (error?.name !== 'AuthenticationError') return next(error)
  const message = 'That user name and password do not belong together. Check both and try again.'
  if (isProgram(req))
    return sendProblem(res, 401, 'invalid_credentials', 'Wrong user name or password', message)
  const username = typeof req.body?.username === 'string' ? req.body.username : ''
  showLogin(res.status(401), { username, message })
}

function showLogin(res: Response, { username = '', message = '' } = {}): void {
  res.render('login', { title: message ? 'Error: Sign in' : 'Sign in', username, message })
}
