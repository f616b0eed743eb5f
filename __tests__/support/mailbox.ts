import type { AddressInfo } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import { createTransport, type Transporter } from 'nodemailer'
import { SMTPServer } from 'smtp-server'

export interface Mail {
  /** Whom the server was told to deliver to. */
  to: string[]
  raw: string
  parsed: ParsedMail
}

/** A mail server of the test's own, and the way to it. */
export class Mailbox {
  readonly mails: Mail[] = []
  readonly #server: SMTPServer
  #waiting: (() => void)[] = []
  transport!: Transporter

  private constructor() {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData: (stream, session, done) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk) => chunks.push(chunk))
        stream.on('end', async () => {
          const raw = Buffer.concat(chunks).toString()
          const to = session.envelope.rcptTo.map(({ address }) => address)
          this.mails.push({ to, raw, parsed: await simpleParser(raw) })
          for (const wake of this.#waiting.splice(0)) wake()
          done()
        })
      },
    })
  }

  static async open(): Promise<Mailbox> {
    const box = new Mailbox()
    await new Promise<void>((resolve) => box.#server.listen(0, '127.0.0.1', resolve))
    const { port } = box.#server.server.address() as AddressInfo
    box.transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true })
    return box
  }

  /** Resolves once so many mails have come; answers the latest. */
  async wait(count: number): Promise<Mail> {
    while (this.mails.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.mails[count - 1] as Mail
  }

  close(): Promise<void> {
    this.transport.close()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}
