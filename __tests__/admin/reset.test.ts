import { type SecondFactorEvent, SqlAuditLog } from '../../lib/index'
import { readOneLine } from '../../lib/one-line'
import { expresses } from '../support/app'
import { Client, hiddenFields } from '../support/client'
import { putEnrolled } from '../support/enrolled'
import { ADMIN, type AdminApp, type AdminAppOptions, createAdminApp } from './support'

jest.setTimeout(30_000)

const path = (id = 'u-bob') => `${ADMIN}/users/${id}/reset`

interface World extends AdminApp {
  told: SecondFactorEvent[]
  bob: Awaited<ReturnType<typeof putEnrolled>>
}

/** Bob has a second factor, too. */
async function open(options: AdminAppOptions = {}): Promise<World> {
  const made = await createAdminApp(options)
  const bob = await putEnrolled(made.store, made.clock, 'bob')
  await made.directory.sync()
  const told: SecondFactorEvent[] = []
  made.secondFactor.events.on('*', (event) => told.push(event))
  return { ...made, told, bob }
}

const reset = (client: Client, body: object, id?: string) =>
  client.post(path(id), body as Record<string, unknown>, `${ADMIN}/users`)

for (const [name, express] of Object.entries(expresses)) {
  describe(name, () => {
    test('takes everything off, ends everything, and tells everybody', async () => {
      const { app, admin, phone, clock, store, secondFactor, told, mails, bob, directory } = await open({
        express,
        secondFactor: {
          trustedDevices: { maxAge: '30d' },
          revalidateAfter: 0,
          recovery: undefined as never,
          notify: undefined as never,
        },
      })
      expect(mails).toEqual([])
      // Bob is in, on one device that is trusted; in another one he is asked for a code.
      const inside = new Client(app)
      clock.nextStep()
      await inside.login('bob')
      await inside.post('/two-factor/challenge', { code: bob.phone.code(), trustDevice: true })
      expect((await inside.get('/vault')).status).toBe(200)
      const half = new Client(app)
      await half.login('bob')
      const client = await admin()
      told.length = 0

      const answer = await reset(client, { code: phone.code(), reason: '  lost the phone on the ferry ' })
      expect([answer.status, answer.body]).toEqual([200, { id: 'u-bob', status: 'not-activated' }])
      expect(await secondFactor.status('u-bob')).toMatchObject({ enabled: false, methods: [], devices: [] })
      expect((await store.get('u-bob'))?.activated).toBe(false)
      expect(await directory.get('u-bob')).toMatchObject({ activated: false })

      // The codes, the sessions, the trust: all of it.
      expect((await inside.get('/account')).status).toBe(401)
      expect((await inside.get('/vault')).status).toBe(401)
      clock.nextStep()
      expect((await half.challenge(bob.phone.code())).status).not.toBe(200)
      expect((await half.challenge(bob.backupCodes[0])).status).not.toBe(200)
      const again = new Client(app)
      again.cookies = new Map([...inside.cookies].filter(([cookie]) => cookie !== 'connect.sid'))
      await again.login('bob')
      expect((await again.get('/account')).body.state).toBe('unenrolled')

      expect(told).toMatchObject([
        { name: 'verified', accountId: 'u-alice', method: 'totp', purpose: 'administration' },
        {
          name: 'reset',
          accountId: 'u-bob',
          wasEnabled: true,
          by: 'u-alice',
          reason: 'lost the phone on the ferry',
        },
        ...told.slice(2),
      ])
      expect(JSON.stringify(answer.body)).not.toMatch(/secret|backupCodes/)
    })

    test('on the page: what will happen, a reason and a code; then the list, which says so once', async () => {
      const { admin, phone, told } = await open({ express })
      const client = (await admin()).as('person')
      const page = await client.get(path())
      expect(page.status).toBe(200)
      for (const words of ['bob@example.com', 'signed out everywhere', 'password alone', 'told by mail']) {
        expect(page.text).toContain(words)
      }
      const answer = await client.post(path(), { code: phone.code(), reason: 'lost <it>' })
      expect([answer.status, answer.headers.location]).toEqual([303, `${ADMIN}/users`])
      expect((await client.get(`${ADMIN}/users`)).text).toContain('of <bdi>bob</bdi> was reset')
      expect((await client.get(`${ADMIN}/users`)).text).not.toContain('was reset')
      expect(told.filter((event) => event.name === 'reset')).toHaveLength(1)
    })
  })
}

describe('from a list that was searched, it leads back to it', () => {
  const query = '?status=activated&q=b%26b+%25&after=WzAs'

  test('from row to form, over a refusal, and after the reset', async () => {
    const { admin, phone } = await open({ admin: { limit: 1 } })
    const client = (await admin()).as('person')
    const hrefOf = (text: string, words: RegExp) =>
      (new RegExp(`href="([^"]*)"[^>]*>${words.source}`).exec(text)?.[1] ?? '').replaceAll('&amp;', '&')
    const second = hrefOf((await client.get(`${ADMIN}/users?status=activated`)).text, /Next page/)
    expect(second).toMatch(/\/users\?status=activated&after=./)
    const form = hrefOf((await client.get(second)).text, /Reset</)
    expect(form).toBe(second.replace('/users', '/users/u-bob/reset'))
    const page = await client.get(form)
    expect(hrefOf(page.text, /Cancel/)).toBe(second)
    const send = (code: string) =>
      client.send('POST', form, { ...hiddenFields(page.text, path()), code, reason: 'x' })
    const refused = await send(phone.wrongCode())
    expect([refused.status, hrefOf(refused.text, /Cancel/)]).toEqual([401, second])
    const done = await send(phone.code())
    expect([done.status, done.headers.location]).toEqual([303, second])
    expect((await client.get(second)).text).toContain('was reset')
  })

  test('also where there is nothing to reset, and after a step-up', async () => {
    const { admin, phone, clock, secondFactor } = await open()
    const client = (await admin()).as('person')
    const list = `${ADMIN}/users${query}`.replaceAll('&', '&amp;')
    for (const id of ['u-alice', 'nobody']) {
      expect((await client.get(path(id) + query)).text).toContain(`href="${list}"`)
    }
    const form = await client.get(path() + query)
    expect(form.text).toContain(`href="${list}"`)
    clock.forward(20 * 60)
    const fields = { ...hiddenFields(form.text, path()), code: phone.code(), reason: 'x' }
    expect((await client.send('POST', path() + query, fields)).headers.location).toBe('/two-factor/challenge')
    const challenge = await client.get('/two-factor/challenge')
    const answer = await client.send('POST', '/two-factor/challenge', {
      ...hiddenFields(challenge.text, '/two-factor/challenge'),
      code: phone.code(),
    })
    expect(answer.headers.location).toBe(path() + query)
    await secondFactor.reset('u-bob')
    const gone = await client.get(path() + query)
    expect([gone.status, gone.text.includes(`href="${list}"`)]).toEqual([409, true])
  })

  test.each([
    ['?status=nonsense&q=a', ''],
    ['?q=a&q=b', ''],
    ['?q=%00', ''],
    ['?list=https://evil.example&returnTo=//evil.example&q=a', '?q=a'],
    ['?q=//evil.example/%0d%0aset-cookie:a=b', '?q=%2F%2Fevil.example%2F%0D%0Aset-cookie%3Aa%3Db'],
    ['?q=%22%3E%3Cscript%3E', '?q=%22%3E%3Cscript%3E'],
  ])('and to nowhere else: %s', async (given, back) => {
    const { admin, phone } = await open()
    const client = (await admin()).as('person')
    const form = await client.get(path() + given)
    expect(form.text).not.toContain('<script>')
    const answer = await client.send('POST', path() + given, {
      ...hiddenFields(form.text, path()),
      code: phone.code(),
      reason: 'x',
    })
    expect([answer.status, answer.headers.location]).toEqual([303, `${ADMIN}/users${back}`])
  })
})

test('the user is told by mail, and the administrator is on the audit log', async () => {
  const Database = require('libsql')
  const audit = new SqlAuditLog(new Database(':memory:'))
  const { admin, phone, mails } = await open({ secondFactor: { audit } })
  const reason = `ß${'x'.repeat(498)}😀`
  await reset(await admin(), { code: phone.code(), reason })
  expect(mails).toMatchObject([{ to: 'bob@example.com', subject: expect.stringMatching(/turned off/) }])
  // Who it was, and why, is not the user's to read.
  expect(mails[0]?.text).not.toMatch(/u-alice|xxx/)
  const [event] = await audit.list({ accountId: 'u-bob' })
  expect(event).toMatchObject({ name: 'reset', by: 'u-alice', reason, wasEnabled: true })
})

test('an administrator cannot reset the own account', async () => {
  const { admin, phone, secondFactor } = await open()
  const client = await admin()
  const answer = await reset(client, { code: phone.code(), reason: 'x' }, 'u-alice')
  expect([answer.status, answer.body.code]).toEqual([403, 'own_account'])
  expect((await client.get(path('u-alice'))).body.code).toBe('own_account')
  expect((await client.as('person').get(path('u-alice'))).status).toBe(403)
  expect((await secondFactor.status('u-alice')).enabled).toBe(true)
  // And the code was not spent.
  expect((await client.challenge(phone.code())).status).toBe(200)
})

test.each(['nobody', 'U-BOB', 'u-bob%20', '%00', 'x'.repeat(300), "u-bob'--"])(
  'there is no user %s',
  async (id) => {
    const { admin, phone, told } = await open()
    const client = await admin()
    const before = told.length
    const answer = await reset(client, { code: phone.code(), reason: 'x' }, id)
    expect([answer.status, answer.body.code]).toEqual([404, 'unknown_user'])
    const page = await client.as('person').get(path(id))
    expect([page.status, page.type]).toEqual([404, 'text/html'])
    expect(told).toHaveLength(before)
    // The code was not spent.
    expect((await client.challenge(phone.code())).status).toBe(200)
  },
)

test('a directory that takes one id for another names nobody', async () => {
  const directory = {
    list: async () => ({ users: [], next: null }),
    get: async () => ({ id: 'u-bob', name: 'Bob', email: '' }),
  }
  const { admin, phone } = await open({ admin: { directory } })
  const client = await admin()
  expect((await reset(client, { code: phone.code(), reason: 'x' }, '0u-bob')).status).toBe(404)
  expect((await reset(client, { code: phone.code(), reason: 'x' }, 'u-bob')).status).toBe(200)
})

test('where the directory knows no single users, the store decides', async () => {
  const { admin, phone } = await open({
    admin: { directory: { list: async () => ({ users: [], next: null }) } },
  })
  const client = await admin()
  expect((await reset(client, { code: phone.code(), reason: 'x' }, 'nobody')).status).toBe(404)
  expect((await reset(client, { code: phone.code(), reason: 'x' }, 'u-bob')).status).toBe(200)
})

test.each<[string, () => void]>([
  ['answers nothing', () => {}],
  [
    'throws',
    () => {
      throw new Error('away')
    },
  ],
])('a directory whose note %s is told once, and has no part in the answer', async (what, note) => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const noted: unknown[] = []
  const directory = {
    list: async () => ({ users: [{ id: 'u-bob', name: 'Bob', email: '', activated: true }], next: null }),
    note: (...told: unknown[]) => {
      noted.push(told)
      note()
    },
  }
  const { admin, phone } = await open({ admin: { directory } })
  const client = await admin()
  const answer = await reset(client, { code: phone.code(), reason: 'x' })
  expect([answer.status, answer.body]).toEqual([200, { id: 'u-bob', status: 'not-activated' }])
  expect(noted).toEqual([['u-bob', false]])
  expect(warned).toHaveBeenCalledTimes(what === 'throws' ? 1 : 0)
  // The list, which puts right what the directory keeps, is there in spite of it.
  const { status, body } = await client.get(`${ADMIN}/users`)
  expect([status, body.users[0].status]).toEqual([200, 'not-activated'])
  expect(noted).toHaveLength(2)
  warned.mockRestore()
})

test('routers of one directory tell it once', async () => {
  const noted: unknown[] = []
  const directory = {
    list: async () => ({ users: [], next: null }),
    note: (...told: unknown[]) => void noted.push(told),
  }
  const { secondFactor } = await open({ admin: { directory } })
  for (let i = 0; i < 3; i++) secondFactor.adminRouter({ authorize: () => true, directory })
  await secondFactor.reset('u-bob')
  expect(noted).toEqual([['u-bob', false]])
})

test('nothing to reset is said before the code is spent', async () => {
  const { admin, phone, secondFactor } = await open()
  await secondFactor.reset('u-bob')
  const client = await admin()
  const answer = await reset(client, { code: phone.code(), reason: 'x' })
  expect([answer.status, answer.body.code]).toEqual([409, 'not_enabled'])
  expect((await client.challenge(phone.code())).status).toBe(200)
})

test.each([
  [{}],
  [{ code: '123456' }],
  [{ code: '123456', reason: ' ' }],
  [{ code: '123456', reason: '\u200b' }],
  [{ code: '123456', reason: 'a\nb' }],
  [{ code: '123456', reason: 'x'.repeat(501) }],
  [{ code: '123456', reason: ['x'] }],
  [{ reason: 'x' }],
  [{ code: 'nonsense', reason: 'x' }],
  [{ code: 123456, reason: 'x' }],
])('%j is malformed, and counts for nothing', async (body) => {
  const { admin, secondFactor, told } = await open()
  const client = await admin()
  const before = told.length
  for (let i = 0; i < 6; i++) {
    const answer = await reset(client, body)
    expect([answer.status, answer.body.code]).toEqual([400, 'malformed'])
  }
  expect((await secondFactor.status('u-alice')).locks.totp).toBeNull()
  expect((await secondFactor.status('u-bob')).enabled).toBe(true)
  expect(told).toHaveLength(before)
  // A form has texts only.
  if (!Object.values(body).every((value) => typeof value === 'string')) return
  const page = await client.as('person').post(path(), body, path())
  expect(page.status).toBe(400)
  expect(page.text).toContain('aria-invalid')
})

test('wrong codes count and lock like everywhere, and a code works once', async () => {
  const { app, admin, phone, clock, told, secondFactor } = await open()
  const client = await admin()
  const code = phone.code()
  told.length = 0
  const wrong = await reset(client, { code: phone.wrongCode(), reason: 'x' })
  expect([wrong.status, wrong.body.code]).toEqual([401, 'invalid_code'])
  expect(told).toMatchObject([
    { name: 'failed', accountId: 'u-alice', method: 'totp', purpose: 'administration' },
  ])
  await client.challenge(code)
  expect((await reset(client, { code, reason: 'x' })).body.code).toBe('invalid_code')
  for (let i = 0; i < 4; i++) await reset(client, { code: phone.wrongCode(i), reason: 'x' })
  clock.forward(1)
  const locked = await reset(client, { code: phone.code(1), reason: 'x' })
  expect([locked.status, locked.body.code, locked.headers['retry-after']]).toEqual([429, 'locked', '29'])
  const page = await client.as('person').post(path(), { code: phone.code(1), reason: 'still here' })
  expect([page.status, page.headers['retry-after']]).toEqual([429, '29'])
  expect(page.text).toContain('value="still here"')
  // The lock is the account's.
  const other = new Client(app)
  await other.login()
  expect((await other.challenge(phone.code(1))).status).toBe(429)
  expect((await secondFactor.status('u-bob')).enabled).toBe(true)
})

test('a backup code will do, and is gone', async () => {
  const { admin, backupCodes, secondFactor } = await open()
  const client = await admin()
  expect((await reset(client, { code: backupCodes[0], reason: 'x' })).status).toBe(200)
  expect((await secondFactor.status('u-alice')).backupCodes.remaining).toBe(4)
})

test('the code makes the session as fresh as a step-up', async () => {
  const { admin, phone, clock } = await open()
  const client = await admin()
  clock.forward(10 * 60)
  const before = client.cookies.get('connect.sid')
  expect((await reset(client, { code: phone.code(), reason: 'x' })).status).toBe(200)
  expect(client.cookies.get('connect.sid')).not.toBe(before)
  clock.forward(10 * 60)
  expect((await client.get(`${ADMIN}/users`)).status).toBe(200)
  clock.forward(6 * 60)
  expect((await client.get(`${ADMIN}/users`)).status).toBe(403)
})

test('of two resets at once one code serves one', async () => {
  const { admin, phone, told } = await open()
  const client = await admin()
  const { csrfToken } = (await client.get(`${ADMIN}/users`)).body
  const send = () =>
    client.copy().send('POST', path(), { code: phone.code(), reason: 'x' }, { 'x-csrf-token': csrfToken })
  const answers = await Promise.all([send(), send(), send(), send()])
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(told.filter(({ name }) => name === 'reset')).toHaveLength(1)
})

test('a form that comes too late is not carried out, and the form is shown again', async () => {
  const { admin, phone, clock, secondFactor } = await open()
  const client = (await admin()).as('person')
  const page = await client.get(path())
  clock.forward(20 * 60)
  const fields = { ...hiddenFields(page.text, path()), code: phone.code(), reason: 'x' }
  expect((await client.send('POST', path(), fields)).headers.location).toBe('/two-factor/challenge')
  const challenge = await client.get('/two-factor/challenge')
  const answer = await client.send('POST', '/two-factor/challenge', {
    ...hiddenFields(challenge.text, '/two-factor/challenge'),
    code: phone.code(),
  })
  expect(answer.headers.location).toBe(path())
  expect((await secondFactor.status('u-bob')).enabled).toBe(true)
})

test.each([
  [' a ', 'a'],
  ['x'.repeat(500), 'x'.repeat(500)],
  ['😀'.repeat(500), '😀'.repeat(500)],
  ['', null],
  ['\u2028', null],
  ['\u200b \u3164\ufe0f', null],
  ['\u2800', null],
  ['\u200b\u0627', '\u200b\u0627'],
  ['\u0301', '\u0301'],
  ['a\u2028b', null],
  ['a\u0000', null],
  ['\ud800', null],
  ['😀'.repeat(501), null],
  [undefined, null],
  [{}, null],
])('the reason %j is %j', (given, read) => expect(readOneLine(given, 500)).toBe(read))
