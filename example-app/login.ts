import type { ErrorRequestHandler, Request, Response, Router } from 'express'
import type passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { isProgram, sendProblem } from './callers'
import { caught } from './caught'
import { checkCsrf } from './csrf'
import { chooseLanguage } from './language'
import type { User, Users } from './users'

declare module 'express-session' {
  interface SessionData {
    /** Where somebody was going who had to log in first. */
    returnTo?: string
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
  // No name has a NUL, and PostgreSQL fails at one.
  const texts = typeof username === 'string' && typeof password === 'string' && !username.includes('\0')
  const user = texts ? await users.findByUsername(username) : null
  const right = await users.verifyPassword(user, texts ? password : '')
  return right ? user : null
}

/** The login and logout forms. */
export function loginRoutes(router: Router, passport: passport.Authenticator, users: Users): Router {
  router.get('/login', (req, res) => {
    if (isProgram(req)) res.json({ csrfToken: res.locals.csrfToken() })
    else if (req.isAuthenticated()) res.redirect(303, '/account')
    else showLogin(res)
  })

  router.post(
    '/login',
    checkCsrf,
    chooseLanguage,
    // keepSessionInfo: the language and the way back outlast the change of session.
    passport.authenticate('local', { failWithError: true, keepSessionInfo: true }),
    caught(async (req, res) => {
      await keepLanguage(users, req.user as User, req)
      loggedIn(req, res)
    }),
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

/** Mails come in the language of this login, now that it is complete. None fails for it. */
export async function keepLanguage(users: Users, user: User, req: Request): Promise<void> {
  const { lang } = req.session
  if (lang) await users.setLanguage(user.id, lang).catch(() => {})
}

function loggedIn(req: Request, res: Response): void {
  const { returnTo = '/account' } = req.session
  delete req.session.returnTo
  const { id, username, name, email } = req.user as User
  if (isProgram(req)) res.json({ user: { id, username, name, email } })
  else res.redirect(303, returnTo)
}

const refused: ErrorRequestHandler = (error, req, res, next) => {
  if (error?.name !== 'AuthenticationError') return next(error)
  const { t } = res.locals
  const message = t('login.refused')
  if (isProgram(req)) return sendProblem(res, 401, 'invalid_credentials', t('login.wrong'), message)
  const username = typeof req.body?.username === 'string' ? req.body.username : ''
  showLogin(res.status(401), { username, message })
}

function showLogin(res: Response, { username = '', message = '' } = {}): void {
  const { t } = res.locals
  const title = t('login.title')
  res.render('login', { title: message ? t('common.error', { title }) : title, username, message })
}
