import type { SecondFactorEvent } from '../events/events'
import type { Language } from '../pages/language'

/** What a mail says besides account, time and address: the same for every recipient of a language. */
export interface Notice {
  subject: string
  what: string
  /** What to do if it was not the user, in this order. */
  steps: string[]
  /** What the link does that the mail was sent for, and where it leads. */
  action?: { label: string; url: string }
}

/** The events that the user is told of by mail. */
const TOLD = [
  'enabled',
  'disabled',
  'replaced',
  'backup-codes-regenerated',
  'backup-code-used',
  'locked',
  'suspended',
  'device-trusted',
  'sessions-revoked',
  'reset',
  'recovery-requested',
  'recovery-approved',
  'recovery-rejected',
  'recovery-cancelled',
  'recovery-completed',
] as const satisfies SecondFactorEvent['name'][]

/** One of them. */
export type Told = SecondFactorEvent<(typeof TOLD)[number]>

/** Whether the user is told of an event. Wrong passwords of somebody who is signed in are for the host to tell. */
export function isTold(event: SecondFactorEvent): event is Told {
  if ((event.name === 'locked' || event.name === 'suspended') && event.method === 'password') return false
  // The first of two approvals changes nothing yet.
  if (event.name === 'recovery-approved' && event.effectiveAt === null) return false
  // There was nothing to turn off.
  if (event.name === 'reset' && !event.wasEnabled) return false
  return (TOLD as readonly string[]).includes(event.name)
}

/** What only somebody with a second factor brings about; the rest a password may, or an administrator. */
const PROVEN: ReadonlySet<SecondFactorEvent['name']> = new Set([
  'disabled',
  'replaced',
  'backup-codes-regenerated',
  'backup-code-used',
  'device-trusted',
])

/** Whether the request that an event came of was the user's own, so that its language is the user's. */
export function isProven({ name }: SecondFactorEvent): boolean {
  return PROVEN.has(name)
}

/** @param cancelUrl the whole URL at which a recovery is cancelled */
export function noticeOf(event: Told, language: Language, cancelUrl: string | null = null): Notice {
  const { t } = language
  const subject = t(`mail.subject.${event.name}`)
  const what = t(`mail.what.${event.name}`, paramsOf(event, language))
  const changePassword = t('mail.changePassword')
  if (cancelUrl === null) return { subject, what, steps: [changePassword, ...stepsAfter(event.name, t)] }
  const action = { label: t('mail.stop'), url: cancelUrl }
  return { subject, what, steps: [t('mail.stopRecovery'), changePassword], action }
}

function stepsAfter(name: Told['name'], t: Language['t']): string[] {
  switch (name) {
    case 'disabled':
    case 'reset':
    case 'recovery-completed':
      return [t('mail.turnOn')]
    // Whether the account has a second factor or not; devices are trusted no more.
    case 'sessions-revoked':
      return []
    default:
      return [t('mail.checkSettings')]
  }
}

function paramsOf(event: Told, language: Language): Record<string, string | number> {
  switch (event.name) {
    case 'backup-code-used':
      return { count: event.remaining, number: language.number(event.remaining) }
    case 'locked':
      return { time: language.time(event.until) }
    case 'device-trusted':
      return { device: event.label || language.t('mail.unknownDevice'), date: language.fullDate(event.until) }
    case 'recovery-approved':
      return { moment: event.effectiveAt ? language.moment(event.effectiveAt) : '' }
    default:
      return {}
  }
}
