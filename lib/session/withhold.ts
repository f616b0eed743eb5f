import type { Request } from 'express'
import { aroundSave, sessionOf } from './express-sessions'
import { passportKey } from './passport-session'

const hidden = new WeakMap<Request, () => void>()

/**
 * Hides Passport's user from this request: who asks Passport once more sees nobody either. What is stored stays as
 * it is: while the session is compared or written the user is back, unless the host has touched it meanwhile.
 */
export function withhold(req: Request): void {
  const session = sessionOf(req)
  const key = passportKey(req)
  const kept = session[key]
  const get = () => undefined
  const put = (value: unknown) =>
    Object.defineProperty(session, key, { configurable: true, enumerable: true, writable: true, value })
  const isHidden = () => Object.getOwnPropertyDescriptor(session, key)?.get === get
  let over = false

  const hide = () => {
    Object.defineProperty(session, key, { configurable: true, enumerable: false, get, set: put })
    aroundSave(req, restore, hideAgain)
  }
  const restore = () => {
    if (isHidden()) put(kept)
  }
  const hideAgain = () => {
    if (!over && sessionOf(req) === session && session[key] === kept) hide()
  }
  hide()
  hidden.set(req, () => {
    if (isHidden()) delete session[key]
  })
  const { res } = req
  if (!res) return
  const end = res.end as (...args: unknown[]) => unknown
  // express-session compares and writes at the end of the answer: that is inside the `end` that is there now.
  Object.assign(res, {
    end: (...args: unknown[]) => {
      over = true
      restore()
      return end.apply(res, args)
    },
  })
}

/** Signing out: what is hidden does not come back. */
export function dropWithheld(req: Request): void {
  hidden.get(req)?.()
}
