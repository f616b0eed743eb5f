import type { Request } from 'express'
import type { Settings } from '../settings'
import { userOf } from './passport-session'
import type { RequestState } from './request-factor'

/**
 * Whether the request's user is the one whose session it is: one of this request alone (a token, a login without
 * session) has not proven what the session has. Where the session shows no user there is none to differ.
 */
export function isOwner(settings: Settings, req: Request, state: RequestState): boolean {
  if (state.state !== 'verified' && state.state !== 'unenrolled') return true
  const user = userOf(req)
  return Boolean(user) && settings.account(user).id === state.account?.id
}
