import type { Response } from 'express'
import { createTestApp, hostPassport, type TestAppOptions, users } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { createEnrolledApp } from '../support/enrolled'
import { dump, FaultyStore } from '../support/faulty-store'

// The user whom onVerified is told is asked of the host before anything is on record.

/** An app with onVerified, and a user table that can be away. */
function options(store: FaultyStore, more: TestAppOptions['secondFactor'] = {}) {
  const host = { away: false, told: [] as string[] }
  type Done = (error: Error | null, user?: unknown) => void
  const deserializeUser = (id: unknown, _req: unknown, done: Done) =>
    host.away
      ? done(new Error('the user table is away'))
      : done(
          null,
          Object.values(users).find((user) => user.id === id),
        )
  const passport = Object.assign(Object.create(hostPassport), { deserializeUser })
  const onVerified = ({ id }: { id: string }) => void host.told.push(id)
  return {
    host,
    app: {
      store,
      secondFactor: { passport, onVerified, ...more },
    } satisfies TestAppOptions,
  }
}

test('the code of a login: it is not spent while the host does not know its user', async () => {
  const store = new FaultyStore()
  const { host, app } = options(store)
  const { clock, phone, ...made } = await createEnrolledApp(app)
  const client = new Client(made.app)
  await client.login()
  clock.nextStep()
  const before = await dump(store)
  host.away = true
  expect((await client.challenge(phone.code())).status).toBe(500)
  expect(await dump(store)).toBe(before)
  expect((await client.get('/vault')).body.code).toBe('second_factor_required')
  host.away = false
  expect((await client.challenge(phone.code())).status).toBe(200)
  expect(host.told).toEqual(['u-alice'])
})

test('an enrolment that is demanded: not on record, so that no backup codes are lost', async () => {
  const store = new FaultyStore()
  const { host, app } = options(store, { policy: () => 'required' })
  const { clock, ...made } = createTestApp(app)
  const client = new Client(made.app)
  await client.login('bob')
  const begun = await client.post('/two-factor/enable')
  const phone = new Authenticator(begun.body.secret, clock.now)
  const confirm = () =>
    client.post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor/enable')
  const before = await dump(store)
  host.away = true
  expect((await confirm()).status).toBe(500)
  expect(await dump(store)).toBe(before)
  expect((await made.secondFactor.status('u-bob')).enabled).toBe(false)
  host.away = false
  const done = await confirm()
  expect([done.status, done.body.backupCodes?.length]).toEqual([200, 5])
  expect(host.told).toEqual(['u-bob'])
  expect((await client.get('/vault')).status).toBe(200)
})

describe('backup codes of an enrolment that was demanded are shown, whatever onVerified does', () => {
  let warn: jest.SpyInstance
  beforeEach(() => {
    warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  })
  afterEach(() => warn.mockRestore())

  async function enrolled(onVerified: (res: Response) => unknown, kind: 'program' | 'person') {
    warn.mockClear()
    const made = createTestApp({
      secondFactor: {
        policy: () => 'required',
        onVerified: async (_user, _req, res) => void (await onVerified(res)),
      },
    })
    const client = new Client(made.app, 'person')
    await client.login('bob')
    const begun = await client.as('program').post('/two-factor/enable')
    const phone = new Authenticator(begun.body.secret, made.clock.now)
    const answer = await client
      .as(kind)
      .post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor/enable')
    expect((await client.as('program').get('/vault')).status).toBe(200)
    return answer
  }

  const answers: [string, (res: Response) => unknown][] = [
    ['nothing', (res) => res.cookie('remember', 'bob')],
    [
      'JSON',
      (res) => {
        res.removeHeader('X-Powered-By')
        res.cookie('remember', 'bob').status(201).set('X-Token', 'x').json({ token: 'x' })
      },
    ],
    ['a redirect', (res) => res.cookie('remember', 'bob').redirect('/welcome?new')],
    [
      'a stream',
      (res) => {
        res.cookie('remember', 'bob').writeHead(202, { 'content-type': 'text/plain' })
        res.write('part')
        res.end('rest')
      },
    ],
  ]

  test.each(answers)('it answers with %s', async (what, onVerified) => {
    const page = await enrolled(onVerified, 'person')
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(new Set(page.text.match(/[0-9A-Z]{5}-[0-9A-Z]{5}/g)).size).toBe(5)
    expect(page.text.includes('href="/welcome?new"')).toBe(what === 'a redirect')
    for (const { headers, body, status } of [page, await enrolled(onVerified, 'program')]) {
      expect(status).toBe(200)
      expect(String(headers['set-cookie'])).toContain('remember=bob')
      expect(headers).not.toHaveProperty('x-token')
      expect(headers).not.toHaveProperty('location')
      expect(headers).toHaveProperty('x-powered-by')
      if (body?.backupCodes) expect(body).toEqual({ enabled: true, backupCodes: expect.any(Array) })
    }
    expect(warn).not.toHaveBeenCalled()
  })

  test('it fails: warned of', async () => {
    const { status, body } = await enrolled(() => Promise.reject(new Error('no cart to merge')), 'program')
    expect([status, body.backupCodes?.length]).toEqual([200, 5])
    expect(warn.mock.calls).toEqual([
      [
        'Option onVerified failed after two-factor authentication was set up: no cart to merge',
        { type: 'SecondFactorWarning', code: 'SF_LISTENER' },
      ],
    ])
  })
})
