import type { Request } from 'express'
import { beginEnrolment, ENROLMENT_LIFE, type StagedEnrolment } from '../account/enrolment'
import type { Keyring } from '../crypto/keyring'
import { isWithin } from './age'
import { save, sessionOf } from './express-sessions'
import type { Marker } from './marker'

/** What an authenticator is set up for: the first of an account, or one in the place of another. */
export type StagingPurpose = 'enable' | 'replace'

/** One that was begun for the one is nothing to the other. */
const CONTEXTS: Record<StagingPurpose, string> = { enable: 'enrolment', replace: 'replacement' }

/**
 * Keeps an enrolment that was begun in the session that began it, sealed: who reads the session store learns no
 * secret, and the account knows nothing of it until a code proves it.
 */
export class Enrolments {
  constructor(
    private readonly keyring: Keyring,
    private readonly now: () => number,
  ) {}

  /** The enrolment of this session, or null when none was begun or its time is over. */
  current(req: Request, purpose: StagingPurpose): StagedEnrolment | null {
    const { accountId, enrolment } = sessionOf(req).secondFactor as Marker
    const text = enrolment && this.#opened(accountId, purpose, enrolment)
    if (!text) return null
    const { secret, startedAt } = JSON.parse(text)
    if (!isWithin(startedAt, ENROLMENT_LIFE, this.now())) return null
    return { secret: Buffer.from(secret, 'base64'), startedAt }
  }

  /** Begins one; asked for again it is the same. */
  async begin(req: Request, purpose: StagingPurpose): Promise<StagedEnrolment> {
    const present = this.current(req, purpose)
    if (present) return present
    const marker = sessionOf(req).secondFactor as Marker
    const staged = beginEnrolment(this.now())
    const text = JSON.stringify({
      secret: Buffer.from(staged.secret).toString('base64'),
      startedAt: staged.startedAt,
    })
    marker.enrolment = this.keyring.seal(marker.accountId, CONTEXTS[purpose], text)
    await save(req)
    return staged
  }

  /** One that no key opens any more is as good as none: nothing rests on it yet. */
  #opened(accountId: string, purpose: StagingPurpose, sealed: string): string | null {
    try {
      return this.keyring.open(accountId, CONTEXTS[purpose], sealed)
    } catch {
      return null
    }
  }

  async cancel(req: Request): Promise<void> {
    delete (sessionOf(req).secondFactor as Marker).enrolment
    await save(req)
  }
}

/** When an enrolment can no longer be confirmed. */
export function expiryOf(staged: StagedEnrolment): Date {
  return new Date(staged.startedAt + ENROLMENT_LIFE)
}
