import { isIP } from 'node:net'
import type { Language } from '../pages/language'
import type { SupportLink } from '../pages/support'
import type { Template } from '../pages/templates'
import type { Notice } from './notice'

export interface MessageData {
  notice: Notice
  account: string
  at: Date
  ip: string | null
  settingsUrl: string | null
}

export interface Message {
  subject: string
  text: string
  html: string
}

/** Words and figures of a mail, as text and as HTML. */
export class MailTemplates {
  constructor(
    private readonly template: Template,
    private readonly issuer: string,
    private readonly support: SupportLink | null,
  ) {}

  render(language: Language, { notice, account, at, ip, settingsUrl }: MessageData): Message {
    const view = {
      ...notice,
      account: oneLine(account),
      when: language.moment(at),
      ip: addressOf(ip),
      settingsUrl,
      issuer: oneLine(this.issuer),
      support: this.support,
      lang: language.tag,
      dir: language.dir,
      t: language.t,
    }
    return {
      subject: oneLine(`${this.issuer}: ${notice.subject}`),
      text: textOf(view),
      html: this.template('mails/notice', view),
    }
  }
}

interface View extends Notice {
  account: string
  when: string
  ip: string | null
  settingsUrl: string | null
  issuer: string
  support: SupportLink | null
  t: Language['t']
}

function textOf(view: View): string {
  const { what, steps, action, account, when, ip, settingsUrl, issuer, support, t } = view
  const help = support && `${t('mail.askSupport')} ${support.text}`
  return [
    what,
    [
      `${t('mail.account')}: ${account}`,
      `${t('mail.when')}: ${when}`,
      ...(ip ? [`${t('mail.ip')}: ${ip}`] : []),
    ].join('\n'),
    t('mail.wasYou'),
    ...(action ? [`${action.label}: ${action.url}`] : []),
    [t('mail.notYou'), ...steps.map((step) => `- ${step}`), ...(help ? [`- ${help}`] : [])].join('\n'),
    ...(settingsUrl ? [`${t('mail.settings')}: ${settingsUrl}`] : []),
    `-- \n${t('mail.why', { issuer })}\n`,
  ].join('\n\n')
}

/** The address, if it is one and without its zone: behind a proxy that is trusted too far, a client writes what it likes. */
function addressOf(ip: string | null): string | null {
  const [address = ''] = ip?.split('%') ?? []
  return isIP(address) ? address.replace(/^::ffff:(?=[\d.]+$)/i, '') : null
}

/** What somebody else has written stays on its line, and turns no text around. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim()
}
