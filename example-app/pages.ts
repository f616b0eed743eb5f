import type { RequestHandler, Response, Router } from 'express'
import type { SecondFactor } from 'express-second-factor'
import { isProgram, sendProblem } from './callers'
import { caught } from './caught'
import type { Transfers } from './transfers'
import type { User } from './users'

/** The pages: public, for who is logged in, and for who has proven a second factor. */
export function pageRoutes(router: Router, secondFactor: SecondFactor, transfers: Transfers): Router {
  router.get('/', (req, res) => {
    if (isProgram(req)) res.json({ user: (req.user as User | undefined)?.username ?? null })
    else res.render('home', { title: res.locals.t('home.title') })
  })

  router.get(
    '/account',
    requireLogin,
    caught(async (req, res) => {
      const user = req.user as User
      const account = {
        balance: await transfers.balanceOf(user.id),
        transfers: await transfers.listOf(user.id),
      }
      if (isProgram(req)) res.json({ user: publicUser(user), ...account })
      else res.render('account', { title: res.locals.t('account.title'), ...account })
    }),
  )

  router.get('/vault', secondFactor.requireSecondFactor(), (req, res) => {
    const documents = ['Deed of Quay Cottage, 1987', 'Marine insurance policy 40-118', 'Letter of wishes']
    if (isProgram(req)) res.json({ documents })
    else res.render('vault', { title: res.locals.t('vault.title'), documents })
  })

  router.get('/api/me', (req, res) => {
    if (!req.user) return sendNobody(res)
    const { state, method } = req.secondFactor ?? { state: 'unavailable', method: null }
    res.json({ user: publicUser(req.user as User), secondFactor: { state, method } })
  })

  return router
}

const requireLogin: RequestHandler = (req, res, next) => {
  if (req.isAuthenticated()) return next()
  if (isProgram(req)) return sendNobody(res)
  req.session.returnTo = req.originalUrl
  res.redirect(303, '/login')
}

function sendNobody(res: Response): void {
  const { t } = res.locals
  const code = 'not_authenticated'
  sendProblem(res, 401, code, t(`problems.${code}.title`), t(`problems.${code}.detail`))
}

function publicUser({ id, username, name, email }: User) {
  return { id, username, name, email }
}
