import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MailTransport } from 'express-second-factor'
import { createTransport } from 'nodemailer'

/** Sends mails by SMTP; without a server each is a file in the data folder, to be looked at. */
export function openMail({ smtpUrl, dataDir }: { smtpUrl: string | null; dataDir: string }): MailTransport {
  if (smtpUrl) return createTransport(smtpUrl)
  const folder = join(dataDir, 'mail')
  const message = createTransport({ streamTransport: true, buffer: true, newline: 'windows' })
  return {
    async sendMail(mail) {
      const { message: text } = await message.sendMail(mail)
      mkdirSync(folder, { recursive: true })
      const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-${randomBytes(3).toString('hex')}.eml`
      writeFileSync(join(folder, name), text as Buffer, { mode: 0o600 })
    },
  }
}
