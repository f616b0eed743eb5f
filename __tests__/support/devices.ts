import type { SecondFactorStore } from 'express-second-factor'
import type { AccountRecord } from '../../lib/account/record'
import { AccountRecords } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import { KEY } from './app'
import type { Authenticator } from './authenticator'
import { Client } from './client'
import type { Clock } from './clock'
import type { Answer } from './quick-request'

export const DEVICE_COOKIE = 'second-factor-device'

/** Logs in with the code of the next step and has this browser trusted. */
export async function trust(
  client: Client,
  phone: Authenticator,
  clock: Clock,
  username = 'alice',
): Promise<Answer> {
  clock.nextStep()
  await client.login(username)
  const trustDevice = client.kind === 'program' ? true : 'on'
  const answer = await client.post('/two-factor/challenge', { code: phone.code(), trustDevice })
  if (answer.status !== 200 && answer.status !== 303) {
    throw new Error(`trusting failed: ${answer.status} ${answer.text}`)
  }
  return answer
}

/** The same browser on another day: it has its other cookies, and no session. */
export function anotherDay(client: Client): Client {
  const twin = client.copy()
  twin.cookies.delete('connect.sid')
  return twin
}

/** A browser that has this device cookie, however it came by it. */
export function withCookie(client: Client, value: string): Client {
  const thief = new Client(client.app, client.kind)
  thief.cookies.set(DEVICE_COOKIE, value)
  return thief
}

/** The device cookie that an answer sets, as it was sent. */
export function deviceLine(response: Answer): string | undefined {
  const lines = (response.headers['set-cookie'] as unknown as string[] | undefined) ?? []
  return lines.find((line) => line.includes(DEVICE_COOKIE))
}

export const tokenOf = (client: Client) => client.cookies.get(DEVICE_COOKIE) ?? ''

/** What lies sealed in an account's row. */
export function opened(store: SecondFactorStore, accountId: string): Promise<AccountRecord> {
  return new AccountRecords(store, new Keyring([KEY]), Date.now).read(accountId)
}
