import type { Request } from 'express'
import { type SecondFactorEvent, warnOfListener } from '../events/events'
import type { AlsoTold, MailedOnly } from '../events/reporter'
import type { Language, Languages } from '../pages/language'
import { within } from '../within'
import type { MailTemplates } from './message'
import { isProven, isTold, noticeOf, type Told } from './notice'
import type { NotifyOptions, Recipient } from './options'
import { warnOfFailedMails } from './warn-of-failed-mails'

/** How long the host's function, and then the transport, may take for a mail, milliseconds. */
const PATIENCE = 30_000

const ONE_ADDRESS = /^[^\s,;:<>"]+@[^\s,;:<>"]+$/

/** Tells users by mail what happens to their account. Nobody waits for it, and no failure of it fails anything. */
export class Notifier implements AlsoTold {
  readonly #warn = warnOfFailedMails()

  constructor(
    private readonly options: NotifyOptions,
    private readonly languages: Languages,
    private readonly templates: MailTemplates,
    private readonly failed: (event: SecondFactorEvent, reason: string) => void,
  ) {}

  /**
   * @param req the request that the event came of, for its language
   * @param ticket cancels the recovery that the event is about
   */
  async tell(event: SecondFactorEvent, req: Request | null, { ticket }: MailedOnly = {}): Promise<void> {
    if (!isTold(event)) return
    // At once: the host may change what its answer rests on.
    const asked = req && isProven(event) ? this.#languageOf(req) : null
    try {
      const recipients = await inTime(() => this.options.recipients(event.accountId))
      // The owner has no other way to hear of it.
      if (ticket && recipients.length === 0) return this.#fail(event, 'no-recipients')
      const { settingsUrl } = this.options
      const cancelUrl = ticket && settingsUrl ? cancelUrlOf(settingsUrl, ticket) : null
      await Promise.all(recipients.map((recipient) => this.#send(event, asOne(recipient), asked, cancelUrl)))
    } catch (error) {
      this.#fail(event, reasonOf(error))
    }
  }

  /** An event tells whoever listens; where nobody does, it should not be found out when a mail is missed. */
  #fail(event: SecondFactorEvent, reason: string): void {
    this.failed(event, reason)
    this.#warn(event.name, reason)
  }

  /** What has happened is on record by now: a host's function that fails must not make it an error. */
  #languageOf(req: Request): Language | null {
    try {
      return this.languages.of(req)
    } catch (error) {
      warnOfListener('Option language failed', error)
      return null
    }
  }

  async #send(
    event: Told,
    recipient: Recipient,
    asked: Language | null,
    cancelUrl: string | null,
  ): Promise<void> {
    // Mailers read a list in a text with commas, and send to each.
    if (!ONE_ADDRESS.test(recipient.address)) return this.#fail(event, 'not-an-address')
    try {
      const { transport, from, settingsUrl } = this.options
      const language = recipient.language
        ? this.languages.named(recipient.language)
        : (asked ?? this.languages.named(this.options.language ?? 'en'))
      const { subject, text, html } = this.templates.render(language, {
        notice: noticeOf(event, language, cancelUrl),
        account: recipient.account ?? recipient.address,
        at: event.at,
        ip: event.ip ?? null,
        settingsUrl: settingsUrl ?? null,
      })
      // RFC 3834: no out-of-office notes in return.
      const headers = { 'Auto-Submitted': 'auto-generated' }
      await inTime(() => transport.sendMail({ from, to: recipient.address, subject, text, html, headers }))
    } catch (error) {
      this.#fail(event, reasonOf(error))
    }
  }
}

/** Whoever never answers is told of as well. */
function inTime<T>(work: () => T): Promise<Awaited<T>> {
  return within(PATIENCE, work, () => Object.assign(new Error('It took too long'), { code: 'timeout' }))
}

/** Below the two-factor page, whatever else stands in its address. */
function cancelUrlOf(settingsUrl: string, ticket: string): string {
  const url = new URL(settingsUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/recovery/cancel`
  url.search = new URLSearchParams({ ticket }).toString()
  url.hash = ''
  return url.href
}

/** The transport's code alone: its words may hold addresses. */
function reasonOf(error: unknown): string {
  const { code, responseCode } = (error ?? {}) as { code?: unknown; responseCode?: unknown }
  return (
    [code, responseCode].filter((one) => typeof one === 'string' || typeof one === 'number').join(' ') ||
    'failed'
  )
}

function asOne(recipient: Recipient | string): Recipient {
  return typeof recipient === 'string' ? { address: recipient } : recipient
}
