import type { Request } from 'express'
import type { Accounts, Refusal } from '../account/accounts'
import type { TypedCode } from '../account/typed-code'
import { ConfigurationError } from '../errors'
import type { Settings } from '../options'
import type { AccountViews } from './account-views'
import { sessionOf } from './express-sessions'
import { isHeld, type Marker } from './marker'
import { userOf } from './passport-session'
import type { Proof } from './proof'
import type { SessionAccount } from './request-factor'

export type Submitted = { accepted: true; proof: Proof; backupCodesRemaining: number } | Refusal

/** Checks a code for the account of a request's session, and nobody else's. */
export class CodeSubmission {
  constructor(
    private readonly settings: Settings,
    private readonly accounts: Accounts,
    private readonly views: AccountViews,
  ) {}

  /** @throws UnavailableError */
  async submit(req: Request, account: SessionAccount, typed: TypedCode): Promise<Submitted> {
    const { epoch } = sessionOf(req).secondFactor as Marker
    const askedAt = this.settings.now()
    const answer = await this.accounts.verify(account.id, epoch, typed)
    // The session is of another time of the account: whatever is remembered of it is too.
    if (!answer.accepted && answer.reason === 'revoked') this.views.forget(account.id)
    if (!answer.accepted) return answer
    const { method, backupCodesRemaining } = answer
    const proof = { accountId: account.id, epoch: answer.epoch, method, askedAt }
    return { accepted: true, proof, backupCodesRemaining }
  }

  /** The host's user of the session: the one of this request, or the one that half a login holds. */
  async user(req: Request): Promise<Express.User | null> {
    const marker = sessionOf(req).secondFactor
    if (!isHeld(marker)) return userOf(req) ?? null
    return new Promise((resolve, reject) =>
      this.settings.passport.deserializeUser(
        marker.user,
        req,
        (error: unknown, user?: Express.User | false | null) =>
          error ? reject(notDeserialized(error)) : resolve(user || null),
      ),
    )
  }
}

/** What another Passport than the host's answers, told in words that help. */
function notDeserialized(error: unknown): unknown {
  const message = error instanceof Error ? error.message : ''
  if (!message.startsWith('Failed to deserialize user')) return error
  return new ConfigurationError(
    'SF_PASSPORT',
    "Give your own Passport as option passport: require('passport') is another one",
  )
}
