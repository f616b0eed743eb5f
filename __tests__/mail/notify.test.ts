import type { NotifyOptions, Recipient, SecondFactorEvent } from 'express-second-factor'
import { createTestApp, type TestApp, users } from '../support/app'
import { Client, type Enrolled, enrol } from '../support/client'
import { Mailbox } from '../support/mailbox'

// Mails come in their own time; on a busy machine that is more than jest's five seconds.
jest.setTimeout(60_000)

let box: Mailbox
beforeEach(async () => {
  box = await Mailbox.open()
})
afterEach(() => box.close())

const accountOf = (accountId: string) =>
  Object.values(users).find(({ id }) => id === accountId)?.email as string

function createApp(
  options: Partial<NotifyOptions> = {},
  more: object = {},
): TestApp & { told: SecondFactorEvent[] } {
  const made = createTestApp({
    secondFactor: {
      support: 'help@acme.example',
      notify: {
        transport: box.transport,
        from: 'Acme <security@acme.example>',
        recipients: async (accountId) => [accountOf(accountId)],
        settingsUrl: 'https://acme.example/two-factor',
        ...options,
      },
      ...more,
    },
  })
  const told: SecondFactorEvent[] = []
  made.secondFactor.events.on('*', (event) => told.push(event))
  return { ...made, told }
}

/** Alice has enabled it; the mail of that has come. */
async function enrolled(
  options: Partial<NotifyOptions> = {},
  more: object = {},
): Promise<TestApp & Enrolled & { client: Client; told: SecondFactorEvent[] }> {
  const made = createApp(options, more)
  const client = new Client(made.app)
  const enrolment = await enrol(client, made.clock.now)
  await box.wait(1)
  return { ...made, ...enrolment, client }
}

test('a change is told of in text and HTML: what, when, which account, and what to do', async () => {
  const { clock } = await enrolled()
  const { parsed, to } = await box.wait(1)
  expect(to).toEqual(['alice@example.com'])
  expect(parsed.from?.text).toBe('"Acme" <security@acme.example>')
  expect(parsed.subject).toBe('Acme: Two-factor authentication is on')
  expect(parsed.headers.get('auto-submitted')).toBe('auto-generated')
  for (const body of [parsed.text, parsed.html as string]) {
    expect(body).toContain('From now on, signing in takes a code from your authenticator app.')
    expect(body).toContain('alice@example.com')
    expect(body).toContain('3 May 2026'.split(' ')[1])
    expect(body).toContain(String(new Date(clock.now()).getUTCFullYear()))
    expect(body).toContain('If this was you, there is nothing to do.')
    expect(body).toContain('Change your password at once.')
    expect(body).toContain('help@acme.example')
    expect(body).toContain('https://acme.example/two-factor')
  }
})

test('each thing that concerns the account has its mail', async () => {
  const { app, client, clock, authenticator, backupCodes, secondFactor } = await enrolled(
    {},
    {
      trustedDevices: { maxAge: '30d' },
    },
  )
  const subjects = async () => {
    const known = box.mails.length
    return (await box.wait(known + 1)).parsed.subject
  }
  let next = subjects()
  await client.post('/two-factor/backup-codes')
  expect(await next).toBe('Acme: New backup codes were made')

  const other = new Client(app)
  await other.login()
  next = subjects()
  // The old set is dead: its codes are wrong ones.
  for (const code of [...backupCodes]) await other.challenge(code)
  expect(await next).toBe('Acme: Somebody who knows your password is trying codes')

  clock.nextStep()
  next = subjects()
  await other.post('/two-factor/challenge', { code: authenticator.code(), trustDevice: true })
  expect(await next).toBe('Acme: A device is trusted from now on')

  next = subjects()
  await secondFactor.revokeSessions('u-alice')
  expect(await next).toBe('Acme: You were signed out everywhere')

  const third = new Client(app)
  await third.login()
  clock.nextStep()
  await third.challenge(authenticator.code())
  clock.nextStep()
  next = subjects()
  await third.post('/two-factor/disable', { code: authenticator.code() })
  expect(await next).toBe('Acme: Two-factor authentication was turned off')
})

test('a used backup code says how many are left', async () => {
  const { app, backupCodes } = await enrolled()
  for (const [index, left] of [
    'You have 4 backup codes left.',
    'You have 3',
    'You have 2',
    'You have 1 backup code left.',
    'You have 0',
  ].entries()) {
    const client = new Client(app)
    await client.login()
    await client.challenge(backupCodes[index])
    expect((await box.wait(index + 2)).parsed.text).toContain(left)
  }
})

test('every address that the host names is told, each in its language', async () => {
  const recipients: Recipient[] = [
    { address: 'new@example.com', language: 'en-GB' },
    { address: 'old@example.com', language: 'xx' },
  ]
  createApp({ recipients: () => recipients })
  await enrolled({ recipients: () => recipients })
  await box.wait(2)
  expect(box.mails.flatMap(({ to }) => to).sort()).toEqual(['new@example.com', 'old@example.com'])
  expect(box.mails.find(({ to }) => to[0] === 'new@example.com')?.parsed.text).toMatch(/3 May 2026/)
})

test('who only knows the password does not choose the language of the mail', async () => {
  const { app, authenticator, backupCodes } = await enrolled()
  const client = new Client(app)
  await client.login()
  for (let wrong = 0; wrong < 5; wrong++) {
    await client.send(
      'POST',
      '/two-factor/challenge',
      { code: authenticator.wrongCode() },
      { 'x-csrf-token': (await client.get('/two-factor/challenge')).body.csrfToken, 'accept-language': 'ja' },
    )
  }
  expect((await box.wait(2)).parsed.text).toContain('Wrong codes were entered')
  // A code of theirs was accepted: this is the user.
  await client.send(
    'POST',
    '/two-factor/challenge',
    { code: backupCodes[0] },
    { 'x-csrf-token': (await client.get('/two-factor/challenge')).body.csrfToken, 'accept-language': 'de' },
  )
  expect((await box.wait(3)).parsed.text).toContain('Backup-Codes')
})

test('nor does whoever turns it on with the password alone', async () => {
  const { app, clock } = createApp({ language: 'fr' }, { language: () => 'de' })
  await enrol(new Client(app), clock.now)
  expect((await box.wait(1)).parsed.text).toContain('application d’authentification')
})

describe('a mail says what is so', () => {
  test('a reset that had nothing to turn off is none', async () => {
    const subjects: string[] = []
    const sendMail = async ({ subject }: { subject: string }) => subjects.push(subject)
    const { secondFactor } = createApp({ transport: { sendMail } })
    expect(await secondFactor.reset('u-alice')).toBe(false)
    await secondFactor.revokeSessions('u-alice')
    await new Promise(setImmediate)
    expect(subjects).toEqual(['Acme: You were signed out everywhere'])
  })

  test('who is signed out everywhere needs no code where there is none, and has no device that is trusted', async () => {
    const { secondFactor } = createApp()
    await secondFactor.revokeSessions('u-alice')
    const { text } = (await box.wait(1)).parsed
    expect(text).toContain('All devices have to sign in again.\n')
    expect(text).toContain('Change your password at once.')
    expect(text).not.toContain('backup codes')
  })

  test('a reset of what was on advises to turn it on again', async () => {
    const { secondFactor } = await enrolled()
    expect(await secondFactor.reset('u-alice')).toBe(true)
    const { text, subject } = (await box.wait(2)).parsed
    expect(subject).toBe('Acme: Support has turned off your two-factor authentication')
    expect(text).toContain('Turn two-factor authentication on again.')
  })
})

test('nobody is told of what is no change: a login, a wrong code', async () => {
  const { app, clock, authenticator } = await enrolled()
  const client = new Client(app)
  await client.login()
  await client.challenge(authenticator.wrongCode())
  clock.nextStep()
  await client.challenge(authenticator.code())
  await client.post('/two-factor/backup-codes')
  expect((await box.wait(2)).parsed.subject).toContain('New backup codes')
  expect(box.mails).toHaveLength(2)
})

describe('what somebody else has written', () => {
  const evil = 'Eve <b>bold</b>"\r\nBcc: mallory@example.com\r\n\r\n<script>alert(1)</script>\u202e'

  test('is inert in text, HTML and headers', async () => {
    await enrolled(
      { recipients: () => [{ address: 'alice@example.com', account: evil }] },
      {
        issuer: 'Acme\nBcc: x@example.com',
      },
    )
    const { raw, parsed, to } = await box.wait(1)
    expect(to).toEqual(['alice@example.com'])
    expect(parsed.bcc).toBeUndefined()
    expect(parsed.headers.has('bcc')).toBe(false)
    expect(raw.split('\r\n\r\n')[0]).not.toMatch(/^bcc/im)
    expect(parsed.html).not.toContain('<b>')
    expect(parsed.html).not.toContain('<script>')
    expect(parsed.html).toContain('Eve &lt;b&gt;bold')
    expect(parsed.text).toContain(
      'Account: Eve <b>bold</b>" Bcc: mallory@example.com <script>alert(1)</script>\n',
    )
    expect(parsed.text).not.toContain('\u202e')
  })
})

test('an IPv4 address that came over IPv6 is shown as what it is', async () => {
  await enrolled({}, { eventOrigin: () => ({ ip: '::ffff:10.0.0.1' }) })
  expect((await box.wait(1)).parsed.text).toContain('IP address: 10.0.0.1\n')
})

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['2001:db8::1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  // What stands there where any proxy is trusted.
  ['10.0.0.1. Our staff did this for you', null],
  ['x'.repeat(12_000), null],
  ['::1%0 Call us, or see https://evil.example/unlock', '::1'],
])('of the address "%s" that a request came from the mail has: %s', async (ip, shown) => {
  await enrolled({}, { eventOrigin: () => ({ ip }) })
  const { text, html } = (await box.wait(1)).parsed
  expect(/IP address: (.*)/.exec(text ?? '')?.[1] ?? null).toBe(shown)
  for (const body of [text, html as string]) expect(body).not.toMatch(/Our staff|xxx|eth0|evil/)
})

test.each([
  'alice@example.com, evil@x.example',
  'evil@x.example\r\nalice@example.com',
  'A <alice@example.com>',
  '',
])('"%s" is not one address: nobody is mailed', async (address) => {
  const { app, clock, told } = createApp({ recipients: () => [address, 'bob@example.com'] })
  await enrol(new Client(app), clock.now)
  expect((await box.wait(1)).to).toEqual(['bob@example.com'])
  expect(told).toContainEqual(expect.objectContaining({ name: 'mail-failed', reason: 'not-an-address' }))
  expect(box.mails).toHaveLength(1)
})

describe('a mail that is not sent', () => {
  test.each<[string, Partial<NotifyOptions>, string]>([
    [
      'since the transport fails',
      {
        transport: {
          sendMail: async () => {
            throw Object.assign(new Error('mailbox of alice@example.com is full'), {
              code: 'EENVELOPE',
              responseCode: 552,
            })
          },
        },
      },
      'EENVELOPE 552',
    ],
    [
      'since nobody knows the addresses',
      {
        recipients: () => {
          throw new Error('database')
        },
      },
      'failed',
    ],
  ])('%s fails nothing, and is an event', async (_why, options, reason) => {
    const { app, clock, told } = createApp(options)
    await enrol(new Client(app), clock.now)
    await new Promise(setImmediate)
    expect(told.find(({ name }) => name === 'mail-failed')).toMatchObject({
      mail: 'enabled',
      reason,
      accountId: 'u-alice',
    })
    expect(JSON.stringify(told)).not.toContain('@example.com')
  })

  test('since the server never answers keeps no request waiting', async () => {
    const { app, clock } = createApp({ transport: { sendMail: () => new Promise(() => {}) } })
    await enrol(new Client(app), clock.now)
  })

  const never = () => new Promise<never>(() => {})
  test.each<[string, Partial<NotifyOptions>]>([
    ['the transport', { transport: { sendMail: never } }],
    ['recipients', { recipients: never }],
  ])('since %s never answers is an event after half a minute', async (_what, options) => {
    const { secondFactor, told } = createApp(options)
    jest.useFakeTimers({ doNotFake: ['performance'] })
    try {
      await secondFactor.revokeSessions('u-alice')
      await jest.advanceTimersByTimeAsync(29_000)
      expect(told.map(({ name }) => name)).toEqual(['sessions-revoked'])
      await jest.advanceTimersByTimeAsync(1000)
    } finally {
      jest.useRealTimers()
    }
    expect(told).toContainEqual(expect.objectContaining({ mail: 'sessions-revoked', reason: 'timeout' }))
  })
})

test('no mail holds a secret, a code, a token or the password', async () => {
  const { app, clock, secret, backupCodes, authenticator } = await enrolled(
    {},
    { trustedDevices: { maxAge: '1d' } },
  )
  const client = new Client(app)
  await client.login()
  await client.post('/two-factor/challenge', { code: backupCodes[0], trustDevice: true })
  await box.wait(3)
  const [token] = [...client.cookies].filter(([name]) => name.includes('device')).map(([, value]) => value)
  expect(token).toMatch(/^[\w-]{43}/)
  const everything = box.mails.map(({ raw, parsed }) => raw + parsed.text + parsed.html).join('\n')
  for (const canary of [secret, ...backupCodes, authenticator.code(), token as string, 'correct horse']) {
    expect(everything).not.toContain(canary)
  }
  expect(clock.now()).toBeGreaterThan(0)
})

test.each([
  [{ transport: null }],
  [{ from: undefined }],
  [{ recipients: 'alice@example.com' }],
  [{ settingsUrl: '/two-factor' }],
])('%j is refused at the start', (wrong) => {
  expect(() => createApp(wrong as never)).toThrow(/SF_NOTIFY/)
})
