import type { Guarded, Method } from '../account/record'
import { must, type NamesOf, typeName } from '../checks'
import { didYouMean } from '../nearest'

/** How a session came to be verified. */
export type ProvenBy = Method | 'trusted-device' | 'single-sign-on'

/** What happens, and what is told of it besides account, time and request. */
export interface EventDetails {
  /** A login waits for its code. */
  challenged: object
  /** A second factor was accepted, or stood in for by what the user or the host trusts. */
  verified: { method: ProvenBy; purpose: Purpose }
  /** A code or password was refused. */
  failed: { method: Guarded; purpose: Purpose }
  /** That failure locked the method; `until` is when it ends. */
  locked: { method: Guarded; until: Date }
  /** That failure suspended the method: waiting does not help. */
  suspended: { method: Guarded }
  enabled: { method: Method }
  disabled: object
  /** A new authenticator is in the place of the old one. */
  replaced: { method: Method }
  'backup-code-used': { remaining: number }
  'backup-codes-regenerated': object
  'device-trusted': { device: string; label: string; until: Date }
  'device-revoked': { device: string; label: string }
  /** A user must enrol before anything else. */
  'policy-held': object
  /** Every session proves itself again: the host asked for it. */
  'sessions-revoked': object
  /** Every factor was taken off: by an administrator's account, or, where that is null, by the host's own code. */
  reset: { wasEnabled: boolean; by: string | null; reason: string | null }
  /** Somebody who knows the password asks support to take the second factor off. */
  'recovery-requested': object
  /** The owner stopped it: with the ticket of a mail, or in a session with a second factor. */
  'recovery-cancelled': { by: 'ticket' | 'session' }
  /** An administrator approved it; with the last approval that is needed it has a moment to take effect. */
  'recovery-approved': { by: string; reason: string; effectiveAt: Date | null; approvals: number }
  'recovery-rejected': { by: string; reason: string }
  /** It took effect: every factor is off, and the user must enrol. */
  'recovery-completed': object
  /** The account was closed. */
  forgotten: object
  /**
   * A mail about the event `mail` was not sent, as far as is known. `reason` is the code of the transport's error or of
   * that of `notify.recipients`, `failed` where it has none, `timeout` after 30 s, `not-an-address`, or `no-recipients`.
   */
  'mail-failed': { mail: EventName; reason: string }
}

const NAMES: NamesOf<EventDetails> = {
  challenged: true,
  verified: true,
  failed: true,
  locked: true,
  suspended: true,
  enabled: true,
  disabled: true,
  replaced: true,
  'backup-code-used': true,
  'backup-codes-regenerated': true,
  'device-trusted': true,
  'device-revoked': true,
  'policy-held': true,
  'sessions-revoked': true,
  reset: true,
  'recovery-requested': true,
  'recovery-cancelled': true,
  'recovery-approved': true,
  'recovery-rejected': true,
  'recovery-completed': true,
  forgotten: true,
  'mail-failed': true,
}

/** What a code or password was entered for. */
export type Purpose = 'login' | 'step-up' | 'enable' | 'disable' | 'administration'

export type EventName = keyof EventDetails

/** Where a request came from, as the host knows it. */
export interface EventOrigin {
  requestId?: string | undefined
  ip?: string | undefined
}

export type SecondFactorEvent<Name extends EventName = EventName> = {
  [N in Name]: { name: N; accountId: string; at: Date } & EventOrigin & EventDetails[N]
}[Name]

/** Keeps events. What it rejects is a warning of the process. */
export interface AuditLog {
  write(event: SecondFactorEvent): unknown
}

export type Listener<Name extends EventName> = (event: SecondFactorEvent<Name>) => unknown

/**
 * Tells the host what happened, after it is on record. Never with a code, a secret, a token or a password.
 * Listeners are not waited for, and one that fails is a warning of the process and nothing else.
 */
export class SecondFactorEvents {
  readonly #listeners = new Map<EventName | '*', Set<Listener<never>>>()

  /**
   * Calls the listener at each such event, or at all of them; answers how to stop that.
   *
   * @throws ConfigurationError `SF_EVENT`: there is no such event, which would be waited for in vain
   */
  on<Name extends EventName>(name: Name | '*', listener: Listener<Name>): () => void {
    if (name !== '*' && !Object.hasOwn(NAMES, name)) {
      const names = Object.keys(NAMES)
      must(
        false,
        'SF_EVENT',
        `There is no event ${String(name)}.${didYouMean(String(name), names)} The events are: ${names.join(', ')}; or '*' for all`,
      )
    }
    must(
      typeof listener === 'function',
      'SF_EVENT',
      `What listens to the event ${name} is a function, not ${typeName(listener)}`,
    )
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  /** @internal Somebody listens to it. */
  isHeard(name: EventName): boolean {
    return Boolean(this.#listeners.get(name)?.size || this.#listeners.get('*')?.size)
  }

  /** @internal */
  emit(event: SecondFactorEvent): void {
    for (const name of [event.name, '*'] as const) {
      // Those of this moment: a listener may add others.
      for (const listener of [...(this.#listeners.get(name) ?? [])])
        tell(listener as Listener<EventName>, copyOf(event))
    }
  }
}

/** Each gets its own, so that none can change what the next one hears. */
function copyOf(event: SecondFactorEvent): SecondFactorEvent {
  const fields = Object.entries(event).map(([key, value]) => [
    key,
    value instanceof Date ? new Date(value) : value,
  ])
  return Object.fromEntries(fields)
}

async function tell(listener: Listener<EventName>, event: SecondFactorEvent): Promise<void> {
  // It may change its event.
  const { name } = event
  try {
    await listener(event)
  } catch (error) {
    warnOfListener(`A listener of the event ${name} failed`, error)
  }
}

/** What the host does with events is never an error of the request. */
export function warnOfListener(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${messageOf(error)}`, {
    type: 'SecondFactorWarning',
    code: 'SF_LISTENER',
  })
}

/** The same where the message may quote what users have typed: it stays out of logs. */
export function warnOfListenerDiscreetly(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${kindOf(error)}`, { type: 'SecondFactorWarning', code: 'SF_LISTENER' })
}

/** `TypeError`, `error 23505`: what an error is called and its code, each where it is a plain word. */
function kindOf(error: unknown): string {
  try {
    const { name, code } = error as { name?: unknown; code?: unknown }
    const words = [name, code].filter((one) => /^[\w.-]{1,64}$/.test(String(one ?? '')))
    return words.join(' ') || 'not with an Error'
  } catch {
    return 'without words'
  }
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.message}` : 'not with an Error'
  } catch {
    return 'without words'
  }
}
