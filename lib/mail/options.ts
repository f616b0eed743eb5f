import { isWholeUrl, mustBeKnown, must as mustHold, type NamesOf, typeName } from '../checks'

/** Somebody who is told what happens to an account. */
export interface Recipient {
  /** One address, without a name: `alice@acme.example`. */
  address: string
  /**
   * The language of the mail, such as `pt-BR`. Default: that of the request that it is about, where only somebody with
   * a second factor can have made that; else option `notify.language`.
   */
  language?: string | undefined
  /** What the user knows the account by. Default: the address. */
  account?: string | undefined
}

/** What is asked of nodemailer's transport. */
export interface MailTransport {
  sendMail(mail: {
    from: string
    to: string
    subject: string
    text: string
    html: string
    headers: Record<string, string>
  }): Promise<unknown>
}

export interface NotifyOptions {
  /** `nodemailer.createTransport(...)` */
  transport: MailTransport
  /** The sender: `Acme <security@acme.example>`. */
  from: string
  /**
   * Every address to tell; the former one, too, when it was changed lately. Nobody is told of an account without any;
   * where that would have been the mail with a ticket, it is the event `mail-failed`.
   */
  recipients(accountId: string): Promise<readonly (Recipient | string)[]> | readonly (Recipient | string)[]
  /**
   * For recipients without a language of their own, where the request may be somebody else's (a lock, a recovery):
   * whoever knows the password must not choose what the owner can read. Default `en`.
   */
  language?: string | undefined
  /** The whole URL of the two-factor page, for a link in the mail. With option `recovery` it ends with option `path`. */
  settingsUrl?: string | undefined
}

const NAMES: NamesOf<NotifyOptions> = {
  transport: true,
  from: true,
  recipients: true,
  language: true,
  settingsUrl: true,
}

/** @throws ConfigurationError `SF_NOTIFY`, `SF_OPTIONS` */
export function checkNotifyOptions(given: NotifyOptions | undefined): void {
  if (given === undefined) return
  const must = (condition: boolean, message: string) =>
    mustHold(condition, 'SF_NOTIFY', `Option notify${message}`)
  must(isObject(given), ` is { transport, from, recipients }, not ${typeName(given)}`)
  mustBeKnown(given, NAMES, 'notify.')
  const { transport, from, recipients, language, settingsUrl } = given
  must(
    typeof transport?.sendMail === 'function',
    '.transport is what sends mails: nodemailer.createTransport(process.env.SMTP_URL), ' +
      `not ${isObject(transport) ? 'an object without sendMail()' : typeName(transport)}`,
  )
  must(
    typeof from === 'string' && /[^\s<]@[^\s>]/.test(from),
    ".from is the sender's address: 'Acme <security@acme.example>', " +
      `not ${typeof from === 'string' ? 'a text without one' : typeName(from)}`,
  )
  must(
    typeof recipients === 'function',
    ".recipients is a function from an account's id to its addresses: " +
      `async (accountId) => [(await users.find(accountId)).email], not ${typeName(recipients)}`,
  )
  must(
    language === undefined || typeof language === 'string',
    `.language is the language of mails, such as 'de', not ${typeName(language)}`,
  )
  must(
    settingsUrl === undefined || isWholeUrl(settingsUrl),
    ".settingsUrl is the whole URL of the two-factor page: 'https://acme.example/two-factor'",
  )
}

function isObject(given: unknown): boolean {
  return typeof given === 'object' && given !== null
}
