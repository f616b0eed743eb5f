import type { NotifyOptions } from 'express-second-factor'
import { Client } from '../support/client'
import { Mailbox } from '../support/mailbox'
import { ask, createWorld, DAY, decide, pending, signedIn, type World, wrong } from './world'

jest.setTimeout(60_000)

let box: Mailbox
beforeEach(async () => {
  box = await Mailbox.open()
})
afterEach(() => box.close())

const notify = (more: Partial<NotifyOptions> = {}): NotifyOptions => ({
  transport: box.transport,
  from: 'Acme <security@acme.example>',
  recipients: () => ['alice@example.com'],
  settingsUrl: 'https://acme.example/two-factor',
  ...more,
})

const LINK = /https:\/\/acme\.example\S*?\/recovery\/cancel\?ticket=([\w.-]+)/g
const ticketsIn = (text = '') => [...text.matchAll(LINK)].map(([, ticket]) => ticket as string)

const cancel = (world: World, ticket?: string) =>
  new Client(world.app).send('POST', '/two-factor/recovery/cancel', { ticket })

test('the owner is told at once, at every address, with a link that works without signing in', async () => {
  const recipients = () => ['alice@example.com', { address: 'former@example.com', language: 'en' }]
  const world = await createWorld({}, { notify: notify({ recipients }) })
  await ask(world, wrong)
  await box.wait(2)
  expect(box.mails.flatMap(({ to }) => to).sort()).toEqual(['alice@example.com', 'former@example.com'])
  const { parsed } = await box.wait(1)
  expect(parsed.subject).toBe('Acme: Somebody asks to recover your account')
  const [ticket, ...others] = ticketsIn(parsed.text)
  expect(others).toEqual([])
  expect(ticketsIn(parsed.html as string)).toEqual([ticket])
  for (const body of [parsed.text, parsed.html as string]) {
    expect(body).toContain('Nothing has changed yet.')
    expect(body).toContain('Change your password at once.')
    // Not what somebody else has typed.
    for (const answer of [wrong.firstName, wrong.lastName]) expect(body).not.toContain(answer)
  }
  expect((await cancel(world, ticket)).body).toEqual({ state: 'cancelled' })
})

test.each(['the link of a mail', 'the settings'])(
  'a withdrawal by %s is told at every address',
  async (by) => {
    const recipients = () => ['alice@example.com', 'former@example.com']
    const world = await createWorld({}, { notify: notify({ recipients }) })
    const owner = await signedIn(world, 'alice')
    await ask(world)
    const asked = await box.wait(2)
    if (by === 'the settings') await owner.post('/two-factor/recovery/stop', {}, '/two-factor')
    else await cancel(world, ticketsIn(asked.parsed.text)[0])
    await box.wait(4)
    const told = box.mails.slice(2)
    expect(told.flatMap(({ to }) => to).sort()).toEqual(['alice@example.com', 'former@example.com'])
    for (const { parsed } of told) {
      expect(parsed.subject).toBe('Acme: The recovery of your account was cancelled')
      expect(parsed.text).toContain('Your two-factor authentication stays as it is.')
      expect(ticketsIn(parsed.text)).toEqual([])
    }
    expect(world.told.at(-1)).toMatchObject({
      name: 'recovery-cancelled',
      by: by === 'the settings' ? 'session' : 'ticket',
    })
  },
)

test('an approval says when, and has a ticket of its own', async () => {
  const world = await createWorld({}, { notify: notify() })
  await ask(world)
  const [first] = ticketsIn((await box.wait(1)).parsed.text)
  await decide(world, 'approve')
  const { parsed } = await box.wait(2)
  expect(parsed.subject).toBe('Acme: The recovery of your account was approved')
  expect(parsed.text).toMatch(/It takes effect on May 4, 2026/)
  const [second] = ticketsIn(parsed.text)
  expect(second).toBeDefined()
  expect(second).not.toBe(first)
  expect((await cancel(world, second)).status).toBe(200)
  expect((await cancel(world, first)).body.code).toBe('recovery_over')
  expect((await box.wait(3)).parsed.subject).toBe('Acme: The recovery of your account was cancelled')
})

test('rejected and completed are told, too', async () => {
  const world = await createWorld({}, { notify: notify() })
  await ask(world)
  await box.wait(1)
  await decide(world, 'reject')
  expect((await box.wait(2)).parsed.subject).toBe('Acme: The recovery of your account was not approved')
  await ask(world)
  await box.wait(3)
  await decide(world, 'approve')
  await box.wait(4)
  world.clock.forward(DAY)
  await pending(world)
  const { parsed } = await box.wait(5)
  expect(parsed.subject).toBe('Acme: Your account was recovered')
  expect(parsed.text).toContain('Turn two-factor authentication on again.')
  expect(parsed.text).not.toContain('backup codes')
  expect(ticketsIn(parsed.text)).toEqual([])
})

test('the link is below the two-factor page, whatever stands around its address', async () => {
  for (const settingsUrl of [
    'https://acme.example/app/two-factor/?from=mail#top',
    'https://acme.example/app/two-factor',
  ]) {
    const world = await createWorld({}, { notify: notify({ settingsUrl }) })
    const known = box.mails.length
    await ask(world)
    const { parsed } = await box.wait(known + 1)
    expect(parsed.text).toMatch(
      /https:\/\/acme\.example\/app\/two-factor\/recovery\/cancel\?ticket=[\w-]{43}\.[\w-]+\n/,
    )
  }
})

test('hostile names are inert', async () => {
  const evil = 'Eve <b>bold</b>"\r\nBcc: mallory@example.com\r\n\r\n<script>alert(1)</script>\u202e'
  const recipients = () => [{ address: 'alice@example.com', account: evil }]
  const world = await createWorld({}, { issuer: 'Acme\nBcc: x@example.com', notify: notify({ recipients }) })
  await ask(world, { firstName: '<script>alert(2)</script>', lastName: 'Bcc: typed@example.com', phone: '1' })
  const { raw, parsed, to } = await box.wait(1)
  expect(to).toEqual(['alice@example.com'])
  expect(raw.split('\r\n\r\n')[0]).not.toMatch(/^bcc/im)
  expect(parsed.html).not.toMatch(/<script|<b>/)
  expect(parsed.html).toContain('Eve &lt;b&gt;bold')
  expect(parsed.text).not.toContain('\u202e')
  expect(parsed.text).not.toContain('typed@example.com')
})

test('a mail that fails is an event without the ticket, and the request stands', async () => {
  const transport = {
    sendMail: async () => {
      throw Object.assign(new Error('full'), { code: 'EENVELOPE' })
    },
  }
  const world = await createWorld({}, { notify: notify({ transport }) })
  const { response, client } = await ask(world)
  expect(response.status).toBe(202)
  await new Promise(setImmediate)
  expect(world.told.find(({ name }) => name === 'mail-failed')).toMatchObject({
    mail: 'recovery-requested',
    reason: 'EENVELOPE',
  })
  expect((await client.get('/two-factor/recovery')).body.state).toBe('requested')
  expect(JSON.stringify(world.told)).not.toMatch(/[\w-]{43}/)
})

test('an owner without an address is an event: nobody was told of the request', async () => {
  const world = await createWorld({}, { notify: notify({ recipients: () => [] }) })
  await ask(world)
  await new Promise(setImmediate)
  const failed = world.told.filter(({ name }) => name === 'mail-failed')
  expect(failed).toMatchObject([{ mail: 'recovery-requested', reason: 'no-recipients' }])
})

test('an option language that fails fails no request whose change is on record', async () => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  let fails = false
  const language = jest.fn(() => {
    if (fails) throw new Error('no table')
    return 'en'
  })
  const world = await createWorld({}, { language, notify: notify() })
  const client = await signedIn(world, 'alice')
  const { body } = await client.get('/two-factor/backup-codes')
  fails = true
  const answer = await client.send('POST', '/two-factor/backup-codes', {}, { 'x-csrf-token': body.csrfToken })
  fails = false
  expect(answer.status).toBe(200)
  await box.wait(1)
  const said = warnings.mock.calls.map(([text]) => String(text))
  warnings.mockRestore()
  expect(said).toContain('Option language failed: no table')
  // Of what is no mail's business it is not asked.
  language.mockClear()
  world.secondFactor.events.on('challenged', () => expect(language).not.toHaveBeenCalled())
  await pending(world, 'bob')
})
