import type { Response, Router } from 'express'
import type { SecondFactor } from 'express-second-factor'
import { isProgram, sendProblem } from './callers'
import { caught } from './caught'
import { checkCsrf } from './csrf'
import type { Transfers } from './transfers'
import type { User } from './users'

interface Form {
  to: string
  amount: string
}

/** Sending money: worth asking again when the second factor was proven a while ago. */
export function transferRoutes(router: Router, secondFactor: SecondFactor, transfers: Transfers): Router {
  const fresh = secondFactor.requireSecondFactor({ maxAge: '5m' })

  router.get(
    '/transfer',
    fresh,
    caught(async (req, res) => {
      const balance = await transfers.balanceOf((req.user as User).id)
      if (isProgram(req)) res.json({ balance, csrfToken: res.locals.csrfToken() })
      else showForm(res, balance)
    }),
  )

  router.post(
    '/transfer',
    fresh,
    checkCsrf,
    caught(async (req, res) => {
      const { id } = req.user as User
      const form = { to: typed(req.body?.to), amount: typed(req.body?.amount) }
      const errors = errorsIn(form, res.locals.t)
      const complete = Object.keys(errors).length === 0
      const made = complete && (await transfers.make(id, form.to, pounds(form.amount)))
      if (complete && !made) errors.amount = res.locals.t('transfer.tooMuch')
      const balance = await transfers.balanceOf(id)
      if (made && !isProgram(req)) res.redirect(303, '/account#transfers')
      else if (made) res.json({ transfer: (await transfers.listOf(id))[0], balance })
      else if (!isProgram(req)) showForm(res.status(400), balance, form, errors)
      else {
        const detail = Object.values(errors).join(' ')
        sendProblem(res, 400, 'invalid_transfer', res.locals.t('transfer.incomplete'), detail, { errors })
      }
    }),
  )

  return router
}

function showForm(
  res: Response,
  balance: number,
  form: Partial<Form> = {},
  errors: Partial<Form> = {},
): void {
  const { t } = res.locals
  const plain = t('transfer.title')
  const title = Object.keys(errors).length ? t('common.error', { title: plain }) : plain
  res.render('transfer', { title, balance, to: '', amount: '', ...form, errors })
}

function errorsIn({ to, amount }: Form, t: (key: string) => string): Partial<Form> {
  const errors: Partial<Form> = {}
  if (to === '' || to.length > 80) errors.to = t('transfer.noRecipient')
  if (!/^\d{1,7}([.,]\d{1,2})?$/.test(amount) || pounds(amount) === 0) {
    errors.amount = t('transfer.noAmount')
  }
  return errors
}

function typed(value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
  // No database text has a NUL.
  return text.includes('\0') ? '' : text
}

function pounds(amount: string): number {
  return Number(amount.replace(',', '.'))
}
