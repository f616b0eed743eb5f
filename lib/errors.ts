/** The stable codes of the answers to programs, and of the pages' messages. */
export type ProblemCode =
  | 'malformed'
  | 'not_authenticated'
  | 'invalid_code'
  | 'second_factor_required'
  | 'step_up_required'
  | 'enrolment_required'
  | 'password_required'
  | 'csrf'
  | 'already_enabled'
  | 'not_enabled'
  | 'no_enrolment'
  | 'required_by_policy'
  | 'not_authorized'
  | 'own_account'
  | 'unknown_user'
  | 'not_pending'
  | 'invalid_ticket'
  | 'recovery_over'
  | 'already_approved'
  | 'unknown_request'
  | 'recovery_limit'
  | 'too_large'
  | 'locked'
  | 'unavailable'

/** The HTTP status of each code. */
export const httpStatusOf: Record<ProblemCode, number> = {
  malformed: 400,
  not_authenticated: 401,
  invalid_code: 401,
  second_factor_required: 403,
  step_up_required: 403,
  enrolment_required: 403,
  password_required: 403,
  required_by_policy: 403,
  csrf: 403,
  not_authorized: 403,
  own_account: 403,
  not_pending: 403,
  unknown_user: 404,
  already_enabled: 409,
  not_enabled: 409,
  no_enrolment: 409,
  invalid_ticket: 404,
  recovery_over: 409,
  already_approved: 409,
  unknown_request: 404,
  recovery_limit: 429,
  too_large: 413,
  locked: 429,
  unavailable: 503,
}

/**
 * The factor store or the keys do not answer, so nothing is known of the account: answered with 503, never
 * with "no second factor". `status` lets Express's own error handling answer 503 too.
 */
export class UnavailableError extends Error {
  readonly code = 'unavailable'
  readonly status = 503
  /** The account that was asked for, where it is known. */
  accountId: string | null = null
  /** Something was sent to be written, and nobody can say yet whether it was. */
  uncertain = false
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UnavailableError'
  }
}

/** The app is put together in a way that cannot be safe or cannot work. Thrown at start where possible. */
export class ConfigurationError extends Error {
  constructor(
    /** Stable, for searching: `SF_KEYS_MISSING`, ... */
    readonly code: string,
    message: string,
  ) {
    super(`${message} (${code})`)
    this.name = 'ConfigurationError'
  }
}
