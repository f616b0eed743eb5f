import type { Request } from 'express'
import type { StrategyCreatedStatic } from 'passport'
import { endOf } from '../account/lockout'
import type { Method } from '../account/record'
import { readTypedCode } from '../account/typed-code'
import { mustBeKnown } from '../checks'
import { ConfigurationError, httpStatusOf, type ProblemCode, UnavailableError } from '../errors'
import type { SecondFactorEvents } from '../events/events'
import type { CodeSubmission } from '../session/code-submission'
import { demandedMethods } from '../session/demanded-methods'
import { sessionOf } from '../session/express-sessions'
import { recordProof } from '../session/proof'
import { submissionOf } from './host'

export interface CodeStrategyOptions {
  /** The field of the body that holds the code. Default `code`. The query is never read. */
  codeField?: string
}

/** What `passport.authenticate` gets as info when a code was refused. */
export interface RefusedCode {
  code: ProblemCode
  message: string
  /** `locked`: until when; null when waiting does not help. */
  lockedUntil?: Date | null
}

/** What `createSecondFactor` returned. */
export interface StrategyHost {
  readonly events: SecondFactorEvents
}

type Outcome =
  | { user: Express.User; backupCodesRemaining: number }
  | { refused: RefusedCode; status: number | undefined }
  /** Nothing is known of the account: when that came out the host was told why. */
  | 'unavailable'

/**
 * A Passport strategy that proves a second factor in a session that a password has begun, or proves it again
 * later. It succeeds with the session's own user, and the login that Passport then does makes the session
 * verified. A refused code fails with 400, 401, 403, 409 or 429; a store that is away is an error with status 503.
 */
export abstract class CodeStrategy {
  abstract readonly name: Method
  // Not #private: Passport works on an object that inherits from this one.
  private readonly host: StrategyHost
  private readonly field: string

  /** @throws ConfigurationError `SF_STRATEGY` */
  constructor(host: StrategyHost, options: CodeStrategyOptions = {}) {
    if (!submissionOf(host)) {
      throw new ConfigurationError('SF_STRATEGY', 'A strategy takes what createSecondFactor() returned')
    }
    mustBeKnown<CodeStrategyOptions>(options, { codeField: true }, `${new.target.name}.`, 'SF_STRATEGY')
    this.host = host
    this.field = options.codeField ?? 'code'
  }

  authenticate(this: CodeStrategy & StrategyCreatedStatic, req: Request): void {
    this.prove(req)
      .then((outcome) => {
        if (outcome === 'unavailable')
          return this.error(new UnavailableError('Nothing is known of the account now'))
        if ('refused' in outcome) return this.fail(outcome.refused, outcome.status as number)
        const { user, backupCodesRemaining } = outcome
        this.success(user, { method: this.name, backupCodesRemaining })
      })
      .catch(this.submission.handOn((error) => this.error(error)))
  }

  private get submission(): CodeSubmission {
    return submissionOf(this.host) as CodeSubmission
  }

  /** @internal */
  async prove(req: Request): Promise<Outcome> {
    const { submission } = this
    const state = submission.stateOf(req)
    const { account } = state
    if (state.state === 'must-enrol') return refused('enrolment_required')
    if (state.state === 'unavailable') return 'unavailable'
    // A user of this request alone is nobody whom the session's code could let in.
    if (!account || !submission.isOwner(req, state)) return refused('not_authenticated')

    // The body may have been held back.
    if (await submission.isSignedOut(req, state)) return refused('not_authenticated')

    const body = req.body as Record<string, unknown> | undefined
    const typed = readTypedCode(body && Object.hasOwn(body, this.field) ? body[this.field] : undefined)
    if (!typed) return refused('malformed')
    // Without a status, so that of ['totp', 'backup-code'] the one whose code it is decides the answer's status.
    if (typed.method !== this.name) return { ...refused('invalid_code'), status: undefined }
    if (!demandedMethods(sessionOf(req).secondFactor).includes(typed.method))
      return refused('step_up_required')

    const user = await submission.user(req)
    if (!user) return refused('not_authenticated')
    const answer = await submission.submit(req, account, typed)
    if (answer.accepted) {
      recordProof(req, answer.proof)
      return { user, backupCodesRemaining: answer.backupCodesRemaining }
    }
    switch (answer.reason) {
      case 'locked':
        return refused('locked', endOf(answer.lock))
      case 'not-enrolled':
        return refused('not_enabled')
      case 'revoked':
        return refused('not_authenticated')
      case 'invalid':
        return refused('invalid_code')
    }
  }
}

const MESSAGES: Partial<Record<ProblemCode, string>> = {
  malformed: 'This is not a code',
  invalid_code: 'The code was not accepted',
  not_authenticated: 'Sign in with your password first',
  enrolment_required: 'Two-factor authentication must be enabled first',
  step_up_required: 'This needs another kind of code',
  not_enabled: 'Two-factor authentication is not enabled',
  locked: 'Too many wrong codes: wait before you try again',
}

function refused(code: ProblemCode, lockedUntil?: Date | null): { refused: RefusedCode; status: number } {
  return {
    refused: { code, message: MESSAGES[code] ?? code, ...(lockedUntil !== undefined && { lockedUntil }) },
    status: httpStatusOf[code],
  }
}
