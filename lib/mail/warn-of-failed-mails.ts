import type { EventName } from '../events/events'

/** A transport that is down fails with every mail: said at the first, and then once a minute. */
const BETWEEN = 60_000

/** Says as a warning of the process that mails do not leave: what about, and the code of why, and nothing else. */
export function warnOfFailedMails(): (mail: EventName, reason: string) => void {
  let told = Number.NEGATIVE_INFINITY
  return (mail, reason) => {
    const now = performance.now()
    if (now - told < BETWEEN) return
    told = now
    // A transport of the host's own may put anything into its code.
    const why = /^[\w.-]{1,40}( [\w.-]{1,40})?$/.test(reason) ? reason : 'failed'
    process.emitWarning(
      `A mail to a user about the event ${mail} was not sent (${why}). Look at option notify; every such mail is an ` +
        'event mail-failed.',
      { type: 'SecondFactorWarning', code: 'SF_MAIL_FAILED' },
    )
  }
}
