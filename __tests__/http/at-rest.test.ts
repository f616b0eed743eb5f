import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqlStore, type StoredRecord } from 'express-second-factor'
import Database from 'libsql'
import { createTestApp, PASSWORD, users } from '../support/app'
import { Client, enrol } from '../support/client'
import { RecordingSessions } from '../support/sessions'

/** What lies on a disk after people have enrolled and logged in. */
const folder = mkdtempSync(join(tmpdir(), 'at-rest-'))
const database = new Database(join(folder, 'app.db'), { timeout: 5000 })
const store = new SqlStore(database)
const sessionStore = new RecordingSessions()
const { app, clock } = createTestApp({ store, sessionStore })

afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

/** A text in every form in which it might have been kept. */
function encodings(text: string, bytes: Buffer): Buffer[] {
  const texts = [text, text.toLowerCase(), text.replaceAll('-', ''), text.replaceAll('-', '').toLowerCase()]
  return [
    bytes,
    ...['hex', 'base64', 'base64url'].map((encoding) => Buffer.from(bytes.toString(encoding as 'hex'))),
    Buffer.from(bytes.toString('hex').toUpperCase()),
    ...texts.map((one) => Buffer.from(one)),
    ...texts.map((one) => Buffer.from(Buffer.from(one).toString('base64').replace(/=+$/, ''))),
    ...texts.map((one) => Buffer.from(Buffer.from(one).toString('hex'))),
    Buffer.from(encodeURIComponent(text)),
  ]
}

function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from((bits.match(/.{8}/g) as string[]).map((octet) => Number.parseInt(octet, 2)))
}

test('neither the database nor the session store holds the secret, a code or the password', async () => {
  const client = new Client(app)
  const { secret, backupCodes, authenticator } = await enrol(client, clock.now)
  clock.nextStep()
  const code = authenticator.code()
  const again = new Client(app)
  await again.login()
  expect((await again.challenge(code)).status).toBe(200)
  // Begun and left lying: a secret that only the session holds.
  const bob = new Client(app)
  await bob.login('bob')
  const begun = await bob.post('/two-factor/enable', {}, '/two-factor')

  const files = readdirSync(folder)
  const disk = Buffer.concat(files.map((file) => readFileSync(join(folder, file))))
  const sessions = Buffer.from(JSON.stringify(sessionStore.writes))
  // What must be there is: otherwise this test looks in the wrong place.
  expect(disk.includes('u-alice')).toBe(true)
  expect(sessions.includes('u-alice')).toBe(true)
  for (const place of [disk, sessions]) {
    for (const one of [secret, begun.body.secret]) {
      for (const form of encodings(one, fromBase32(one))) expect(place.includes(form)).toBe(false)
    }
    for (const one of backupCodes) {
      for (const form of encodings(one, Buffer.from(one))) expect(place.includes(form)).toBe(false)
    }
    expect(place.includes(PASSWORD)).toBe(false)
    expect(place.includes(`"${code}"`)).toBe(false)
  }
})

describe('a row that was tampered with is answered with 503, never with a login', () => {
  async function answers(): Promise<number[]> {
    const client = new Client(app)
    return [(await client.login()).status, (await client.get('/vault')).status]
  }

  async function tampered(alter: (row: StoredRecord) => StoredRecord): Promise<number[]> {
    const id = users.alice?.id as string
    const row = (await store.get(id)) as StoredRecord
    const write = (next: StoredRecord) =>
      database
        .prepare(
          'update second_factor_accounts set version = ?, activated = ?, sealed = ? where account_id = ?',
        )
        .run([next.version, next.activated ? 1 : 0, next.sealed, id])
    write(alter(row))
    const seen = await answers()
    write(row)
    // And with the row as it was, all is well.
    expect(await answers()).toEqual([403, 403])
    return seen
  }

  test('activated flipped', async () => {
    expect(await tampered((row) => ({ ...row, activated: false }))).toEqual([503, 401])
  })

  test('an older version number', async () => {
    expect(await tampered((row) => ({ ...row, version: row.version + 1 }))).toEqual([503, 401])
  })

  test("another account's row", async () => {
    const bob = new Client(app)
    await enrol(bob, clock.now, 'bob')
    const row = (await store.get('u-bob')) as StoredRecord
    expect(await tampered(() => row)).toEqual([503, 401])
  })

  test('one character of the sealed record', async () => {
    const at = 40
    const other = (character: string) => (character === 'A' ? 'B' : 'A')
    const altered = (text: string) => text.slice(0, at) + other(text.charAt(at)) + text.slice(at + 1)
    expect(await tampered((row) => ({ ...row, sealed: altered(row.sealed) }))).toEqual([503, 401])
  })
})
