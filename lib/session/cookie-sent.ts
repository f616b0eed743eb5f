import type { Request } from 'express'
import { sessionOf } from './express-sessions'

let told = false

/**
 * Warns once where the answer to a login carries no cookie for its session: the browser stays signed out, goes back to
 * the login, and nobody says why. Mostly express-session keeps a `secure` cookie back.
 */
export function watchCookie(req: Request): void {
  const { res } = req
  const id = sessionOf(req)?.id
  if (told || !res || typeof id !== 'string') return
  res.once('finish', () => {
    // A host that has ended the session, or gone on to another one, means to set none for this.
    if (told || sessionOf(req)?.id !== id) return
    if (String(res.getHeader('set-cookie') ?? '').includes(encodeURIComponent(id))) return
    told = true
    process.emitWarning(
      'A login was answered without a session cookie, so that the browser stays signed out. Mostly the cookie is secure, and ' +
        "Express does not know that the request came by HTTPS: behind a proxy write app.set('trust proxy', 1), and where " +
        "there is no HTTPS, as in tests, cookie: { secure: 'auto' }.",
      { type: 'SecondFactorWarning', code: 'SF_NO_COOKIE' },
    )
  })
}
