import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Express } from 'express'
import { type SecondFactorStore, SqlStore } from 'express-second-factor'
import Database from 'libsql'
import { hashOfToken } from '../../lib/account/devices'
import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client, hiddenFields } from '../support/client'
import { enrolCrowd } from '../support/crowd'
import { anotherDay, DEVICE_COOKIE, deviceLine, opened, tokenOf, trust, withCookie } from '../support/devices'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { type Fault, FaultyStore } from '../support/faulty-store'
import { RecordingSessions } from '../support/sessions'

const MONTH_IN_SECONDS = 30 * 86_400
const CHALLENGE = '/two-factor/challenge'
const HTTPS = { 'x-forwarded-proto': 'https' }
const on: TestAppOptions = { secondFactor: { trustedDevices: { maxAge: '30d' } } }

function routes(app: Express): void {
  app.get('/factor', (req, res) => {
    res.json(req.secondFactor)
  })
}

/** An app that offers it, with alice enrolled. */
const offering = (options: TestAppOptions = {}) =>
  createEnrolledApp({ routes, ...options, secondFactor: { ...on.secondFactor, ...options.secondFactor } })

/** The same with a browser that alice trusts. */
async function trusted(options: TestAppOptions = {}) {
  const made = await offering(options)
  const browser = new Client(made.app)
  await trust(browser, made.phone, made.clock)
  return { ...made, browser, token: tokenOf(browser) }
}

/** Logs in and tells what came of it. */
async function loginOf(client: Client, username = 'alice'): Promise<string> {
  const answer = await client.login(username)
  const { body } = await client.get('/factor')
  return `${answer.status} ${answer.headers.location ?? answer.body.code} ${body.state} ${body.method}`
}
const WENT_ON = '302 /account verified trusted-device'
const CHALLENGED = '403 second_factor_required pending null'

/** The trusted devices that are on record. */
const idsIn = async (store: SecondFactorStore, accountId = 'u-alice') =>
  (await opened(store, accountId)).devices.map(({ id }) => id)

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test('off by default: neither box nor field nor cookie does anything', async () => {
    const { app, phone, clock, store } = await createEnrolledApp({ express, routes })
    const person = new Client(app, 'person')
    await person.login()
    expect((await person.get(CHALLENGE)).text).not.toContain('trustDevice')
    const answer = await trust(new Client(app), phone, clock)
    expect(deviceLine(answer)).toBeUndefined()
    expect((await opened(store, 'u-alice')).devices).toEqual([])

    // What was given while it was offered.
    const { app: before } = createTestApp({ ...on, express, store, clock })
    const browser = new Client(before)
    await trust(browser, phone, clock)
    expect(tokenOf(browser)).not.toBe('')
    expect(await loginOf(withCookie(new Client(app), tokenOf(browser)))).toBe(CHALLENGED)
    expect(
      await loginOf(
        withCookie(new Client(createTestApp({ ...on, express, store, clock, routes }).app), tokenOf(browser)),
      ),
    ).toBe(WENT_ON)
  })

  test.each(['program', 'person'] as const)(
    'trusted at a login of a %s, the next one goes on',
    async (kind) => {
      const { app, phone, clock } = await offering({ express })
      const client = new Client(app, kind)
      await client.login()
      if (kind === 'person') {
        expect((await client.get(CHALLENGE)).text).toMatch(/name="trustDevice".*30 days/)
      }
      await trust(client, phone, clock)
      const next = anotherDay(client).as('program')
      expect(await loginOf(next)).toBe(WENT_ON)
      expect((await next.get('/account')).body).toEqual({
        user: { id: 'u-alice', email: 'alice@example.com' },
        state: 'verified',
      })
      expect((await next.get('/factor')).body).toMatchObject({ method: 'trusted-device', verifiedAt: null })
      expect((await next.get('/vault')).body).toEqual({ vault: 'u-alice' })
    },
  )

  test('what is verified by a trusted device never passes what asks for a code lately', async () => {
    const { browser, clock } = await trusted({ express })
    const next = anotherDay(browser)
    await next.login()
    const refusals = async () => [
      (await next.get('/transfer')).body.code,
      (await next.send('POST', '/transfer', {})).body.code,
      (await next.post('/two-factor/backup-codes')).body.code,
      (await next.get('/two-factor/replace')).body.code,
      (await next.post('/two-factor/replace', {}, '/two-factor')).body.code,
      (await next.post('/two-factor/replace/confirm', { code: '123456' }, '/two-factor')).body.code,
    ]
    expect(await refusals()).toEqual(Array(6).fill('step_up_required'))
    // Nor where clocks differ, and where one was set back an hour it is no proof at all.
    clock.forward(-30)
    expect(await refusals()).toEqual(Array(6).fill('step_up_required'))
    clock.forward(-3600)
    expect(await refusals()).toEqual(Array(6).fill('second_factor_required'))
  })

  test('it steps up with a code, and then no longer rests on the device', async () => {
    const { browser, phone, clock, secondFactor, store } = await trusted({ express })
    const next = anotherDay(browser)
    await next.login()
    clock.nextStep()
    const answer = await next.post(CHALLENGE, { code: phone.code(), trustDevice: true })
    expect(answer.body).toMatchObject({ state: 'verified', method: 'totp' })
    // And trust is not given by it: whoever is in has nothing to gain by it but a thief.
    expect(deviceLine(answer)).toBeUndefined()
    expect((await opened(store, 'u-alice')).devices).toHaveLength(1)
    expect((await next.get('/transfer')).body).toEqual({ transferred: true })
    expect((await next.post('/two-factor/devices/revoke', {}, '/two-factor/devices')).status).toBe(204)
    expect((await next.get('/factor')).body).toMatchObject({ state: 'verified', method: 'totp' })
    expect((await secondFactor.status('u-alice')).devices).toEqual([])
  })

  describe('the cookie', () => {
    const attributes = (line: string | undefined) => (line ?? '').split('; ').slice(1).sort()
    const expires = expect.stringMatching(/^Expires=/)

    test('over http: for this host alone, not for scripts, and for as long as the trust', async () => {
      const { app, phone, clock } = await offering({ express })
      const line = deviceLine(await trust(new Client(app), phone, clock))
      expect(line).toMatch(/^second-factor-device=[\w-]{43};/)
      expect(attributes(line)).toEqual([
        expires,
        'HttpOnly',
        `Max-Age=${MONTH_IN_SECONDS}`,
        'Path=/',
        'SameSite=Lax',
      ])
    })

    test('over https: nobody but this very host can have set it', async () => {
      const { app, phone, clock } = await offering({
        express,
        before: (host) => void host.set('trust proxy', true),
      })
      const browser = new Client(app)
      const { send } = browser
      browser.send = (method, path, body, headers) =>
        send.call(browser, method, path, body, { ...HTTPS, ...headers })
      const line = deviceLine(await trust(browser, phone, clock))
      expect(line).toMatch(/^__Host-second-factor-device=[\w-]{43};/)
      expect(attributes(line)).toEqual([
        expires,
        'HttpOnly',
        `Max-Age=${MONTH_IN_SECONDS}`,
        'Path=/',
        'SameSite=Lax',
        'Secure',
      ])
      const token = browser.cookies.get(`__Host-${DEVICE_COOKIE}`) as string

      // Its name is what counts: one that anybody may set over http does nothing here, and the other way round.
      const login = async (name: string, headers: Record<string, string>) => {
        const client = new Client(app)
        client.cookies.set(name, token)
        return (
          await client.send(
            'POST',
            '/login',
            { username: 'alice', password: 'correct horse battery staple' },
            headers,
          )
        ).status
      }
      expect(await login(`__Host-${DEVICE_COOKIE}`, HTTPS)).toBe(302)
      expect(await login(DEVICE_COOKIE, HTTPS)).toBe(403)
      expect(await login(DEVICE_COOKIE, {})).toBe(302)
    })
  })

  describe('an answer of the host in onVerified', () => {
    test('has the cookie too', async () => {
      const { app, phone, clock } = await offering({
        express,
        secondFactor: { onVerified: (_user, _req, res) => void res.json({ token: 'of the host' }) },
      })
      const browser = new Client(app)
      const answer = await trust(browser, phone, clock)
      expect(answer.body).toEqual({ token: 'of the host' })
      expect(await loginOf(anotherDay(browser))).toBe(WENT_ON)
    })
  })
})

describe('the field', () => {
  test.each([true, 'on', '1', 'true', 'YES'])('%p trusts', async (trustDevice) => {
    const { app, phone, clock } = await offering()
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    expect(deviceLine(await client.post(CHALLENGE, { code: phone.code(), trustDevice }))).toBeDefined()
  })

  test.each([
    [false],
    ['false'],
    ['off'],
    ['0'],
    [''],
    [0],
    [1],
    [null],
    [['on']],
    [{ on: true }],
    ['on '.repeat(9)],
  ])('%p does not', async (trustDevice) => {
    const { app, phone, clock, store } = await offering()
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    const answer = await client.post(CHALLENGE, { code: phone.code(), trustDevice })
    expect(answer.status).toBe(200)
    expect(deviceLine(answer)).toBeUndefined()
    expect((await opened(store, 'u-alice')).devices).toEqual([])
  })

  test('a refused code trusts nothing, and a backup code may', async () => {
    const { app, phone, clock, store, backupCodes } = await offering()
    const client = new Client(app)
    await client.login()
    clock.nextStep()
    for (const code of [phone.wrongCode(), 'no code', phone.code(-5)]) {
      expect(deviceLine(await client.post(CHALLENGE, { code, trustDevice: true }))).toBeUndefined()
    }
    expect((await opened(store, 'u-alice')).devices).toEqual([])
    expect(
      deviceLine(await client.post(CHALLENGE, { code: backupCodes[0], trustDevice: true })),
    ).toBeDefined()
    expect(await loginOf(anotherDay(client))).toBe(WENT_ON)
  })
})

describe('a cookie that does not stand in for a code', () => {
  type Made = Awaited<ReturnType<typeof trusted>>
  const tampered = (token: string) => (token.startsWith('A') ? 'B' : 'A') + token.slice(1)
  const other = (n: number) => String(n).padStart(43, 'x')

  test.each<[string, (made: Made) => string | Promise<string>]>([
    ['tampered with', ({ token }) => tampered(token)],
    [
      'in another case',
      ({ token }) => (token.toUpperCase().toLowerCase() === token ? other(0) : token.toLowerCase()),
    ],
    ['truncated', ({ token }) => token.slice(0, -1)],
    ['longer', ({ token }) => `${token}A`],
    ['empty', () => ''],
    ['junk', () => '%00<script>;=;;"'],
    ['undecodable', () => '%E0%A4%A'],
    ['10 kB of junk', () => 'x'.repeat(10_000)],
    [
      'a hundred tokens, the right one last',
      ({ token }) => [...Array.from({ length: 99 }, (_, n) => other(n)), token].join('.'),
    ],
    [
      'five others before it',
      ({ token }) => [...Array.from({ length: 5 }, (_, n) => other(n)), token].join('.'),
    ],
    ['the hash of the token', ({ token }) => hashOfToken(token)],
    ['the hash, in its form', ({ token }) => Buffer.from(hashOfToken(token), 'base64').toString('base64url')],
    ['the id of the device', async ({ store }) => (await opened(store, 'u-alice')).devices[0]?.id as string],
    ['quoted', ({ token }) => `"${token}"`],
  ])('%s', async (_what, value) => {
    const made = await trusted()
    expect(await loginOf(withCookie(new Client(made.app), await value(made)))).toBe(CHALLENGED)
    // And as it was, it does.
    expect(await loginOf(withCookie(new Client(made.app), made.token))).toBe(WENT_ON)
  })

  test('four others before it do no harm', async () => {
    const { app, token } = await trusted()
    const others = Array.from({ length: 4 }, (_, n) => other(n))
    expect(await loginOf(withCookie(new Client(app), [...others, token].join('.')))).toBe(WENT_ON)
  })

  test("another account's", async () => {
    const made = await trusted()
    const bobs = await putEnrolled(made.store, made.clock, 'bob')
    const thief = withCookie(new Client(made.app), made.token)
    expect(await loginOf(thief, 'bob')).toBe(CHALLENGED)
    await signIn(thief, bobs.phone, made.clock, 'bob')
    expect((await thief.get('/vault')).body).toEqual({ vault: 'u-bob' })
    // Nor has bob's login done anything to alice's.
    expect(await loginOf(withCookie(new Client(made.app), made.token))).toBe(WENT_ON)
  })

  test.each<[string, (made: Made) => Promise<unknown>]>([
    [
      'was revoked',
      async (made) =>
        made.browser.post(
          `/two-factor/devices/${(await idsIn(made.store))[0]}/revoke`,
          {},
          '/two-factor/devices',
        ),
    ],
    [
      'was revoked with all',
      ({ browser }) => browser.post('/two-factor/devices/revoke', {}, '/two-factor/devices'),
    ],
    ['is too old', async ({ clock }) => clock.forward(MONTH_IN_SECONDS)],
    ['was given in time to come', async ({ clock }) => clock.forward(-3600)],
    ['is of before revokeSessions', ({ secondFactor }) => secondFactor.revokeSessions('u-alice')],
    [
      'is of before another phone',
      async ({ browser, clock }) => {
        const begun = await browser.post('/two-factor/replace', {}, '/two-factor')
        clock.nextStep()
        const phone = new Authenticator(begun.body.secret, clock.now)
        return browser.post('/two-factor/replace/confirm', { code: phone.code() }, '/two-factor')
      },
    ],
    [
      'is of before it was disabled and enabled',
      async ({ browser, phone, clock }) => {
        clock.nextStep()
        const off = await browser.post('/two-factor/disable', { code: phone.code() })
        expect(off.body).toEqual({ enabled: false })
        const begun = await browser.post('/two-factor/enable', {}, '/two-factor')
        const code = new Authenticator(begun.body.secret, clock.now).code()
        return browser.post('/two-factor/enable/confirm', { code }, '/two-factor')
      },
    ],
    [
      'is of before a reset',
      async ({ secondFactor, store, clock }) => {
        await secondFactor.reset('u-alice')
        await store.delete?.('u-alice')
        return putEnrolled(store, clock)
      },
    ],
  ])('one that %s', async (_what, end) => {
    const made = await trusted()
    const answer = (await end(made)) as { status?: number; text?: string } | undefined
    if (answer?.status !== undefined) expect([200, 204]).toContain(answer.status)
    expect(await loginOf(withCookie(new Client(made.app), made.token))).toBe(CHALLENGED)
  })

  test('until the very end of its time it does', async () => {
    const { app, token, clock } = await trusted()
    clock.forward(MONTH_IN_SECONDS - 1)
    expect(await loginOf(withCookie(new Client(app), token))).toBe(WENT_ON)
    // Being used has not made it last longer.
    clock.forward(1)
    expect(await loginOf(withCookie(new Client(app), token))).toBe(CHALLENGED)
  })

  test('one that is older than the host now allows', async () => {
    const { app, token, store, clock } = await trusted()
    clock.forward(86_400)
    const shorter = createTestApp({
      routes,
      store,
      clock,
      secondFactor: { trustedDevices: { maxAge: '1d' } },
    })
    expect(await loginOf(withCookie(new Client(shorter.app), token))).toBe(CHALLENGED)
    expect(await loginOf(withCookie(new Client(app), token))).toBe(WENT_ON)
  })

  test('tells nobody whether an account is there, or whose it is', async () => {
    const store = new FaultyStore()
    const made = await trusted({ store })
    let asked = 0
    const { get } = store
    store.get = (accountId) => {
      asked++
      return get.call(store, accountId)
    }
    const answers = async (username: string, password: string, cookie: string) => {
      const { status, headers, text } = await withCookie(new Client(made.app), cookie).login(
        username,
        password,
      )
      const { date: _date, ...rest } = headers
      return { status, text, headers: rest }
    }
    const first = await answers('alice', 'wrong', made.token)
    expect(first.status).toBe(401)
    for (const username of ['alice', 'bob', 'nobody']) {
      for (const cookie of [made.token, 'x', other(1)]) {
        expect(await answers(username, 'wrong', cookie)).toEqual(first)
      }
    }
    // Not even by the time that it takes: nothing was looked up.
    expect(asked).toBe(0)

    await putEnrolled(store, made.clock, 'bob')
    const challenged = async (cookie: string) => {
      const { status, headers, body } = await withCookie(new Client(made.app), cookie).login('bob')
      const { code, challengeUrl } = body
      return { status, headers: Object.keys(headers).sort(), body: Object.keys(body), code, challengeUrl }
    }
    expect(await challenged(made.token)).toEqual(await challenged(''))
    expect(await challenged(made.token)).toEqual(await challenged(other(1)))
  })
})

describe('a session that rests on a trusted device', () => {
  test('ends with it: here at once', async () => {
    const { browser, app, phone, clock, store } = await trusted()
    const next = anotherDay(browser)
    await next.login()
    const elsewhere = new Client(app)
    await signIn(elsewhere, phone, clock)
    expect((await next.get('/vault')).status).toBe(200)
    const [device] = (await opened(store, 'u-alice')).devices
    const path = `/two-factor/devices/${device?.id}/revoke`
    expect((await elsewhere.post(path, {}, '/two-factor/devices')).status).toBe(204)
    expect((await next.get('/vault')).body.code).toBe('second_factor_required')
    expect((await next.get('/account')).status).toBe(401)
    expect((await next.get('/factor')).body.state).toBe('pending')
    // Half a login, that goes on with a code.
    clock.nextStep()
    expect((await next.challenge(phone.code())).status).toBe(200)
    expect((await elsewhere.get('/vault')).status).toBe(200)
  })

  test('in another process: within revalidateAfter', async () => {
    const { browser, app, store, sessionStore, phone, clock } = await trusted()
    const other = createTestApp({ ...on, routes, store, sessionStore, clock })
    const next = anotherDay(browser)
    await next.login()
    const there = new Client(other.app)
    there.cookies = next.cookies
    expect((await there.get('/vault')).status).toBe(200)
    const here = new Client(app)
    await signIn(here, phone, clock)
    await here.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
    clock.forward(60)
    expect((await there.get('/vault')).body.code).toBe('second_factor_required')
  })

  test('with its time: within revalidateAfter', async () => {
    const { browser, clock } = await trusted()
    clock.forward(MONTH_IN_SECONDS - 10)
    const next = anotherDay(browser)
    await next.login()
    expect((await next.get('/vault')).status).toBe(200)
    clock.forward(60)
    expect((await next.get('/vault')).body.code).toBe('second_factor_required')
  })

  test('where nothing is remembered, at the very moment', async () => {
    const { browser, clock } = await trusted({ secondFactor: { revalidateAfter: 0 } })
    clock.forward(MONTH_IN_SECONDS - 10)
    const next = anotherDay(browser)
    await next.login()
    clock.forward(9)
    expect((await next.get('/vault')).status).toBe(200)
    clock.forward(1)
    expect((await next.get('/vault')).body.code).toBe('second_factor_required')
  })

  test('at the page of its devices at once, whatever is remembered', async () => {
    const { browser, store, sessionStore, phone, clock } = await trusted()
    const other = createTestApp({ ...on, routes, store, sessionStore, clock })
    const next = anotherDay(browser)
    await next.login()
    await next.get('/vault')
    const there = new Client(other.app)
    await signIn(there, phone, clock)
    await there.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
    expect((await next.get('/vault')).status).toBe(200)
    expect((await next.get('/two-factor/devices')).body.code).toBe('second_factor_required')
    expect((await next.get('/vault')).status).toBe(403)
  })

  test('and goes on where another device is revoked, or pushed out', async () => {
    const { app, browser, phone, clock, store } = await trusted()
    const next = anotherDay(browser)
    await next.login()
    const [first] = await idsIn(store)
    const second = new Client(app)
    await trust(second, phone, clock)
    const [newer] = (await idsIn(store)).filter((id) => id !== first)
    await next.post(`/two-factor/devices/${newer}/revoke`, {}, '/two-factor/devices')
    expect((await next.get('/vault')).status).toBe(200)
    expect((await second.get('/vault')).status).toBe(200)
  })
})

describe('one browser, several accounts', () => {
  test('each is trusted for its own', async () => {
    const { app, browser, store, clock, token } = await trusted()
    const bobs = await putEnrolled(store, clock, 'bob')
    const shared = anotherDay(browser)
    await trust(shared, bobs.phone, clock, 'bob')
    expect(tokenOf(shared)).toMatch(/^[\w-]{43}\.[\w-]{43}$/)
    expect(tokenOf(shared).split('.')[1]).toBe(token)
    expect(await loginOf(anotherDay(shared))).toBe(WENT_ON)
    expect(await loginOf(anotherDay(shared), 'bob')).toBe(WENT_ON)
    expect((await opened(store, 'u-alice')).devices).toHaveLength(1)
    expect((await opened(store, 'u-bob')).devices).toHaveLength(1)
    // The cookie tells nobody whose it is.
    expect(tokenOf(shared)).not.toMatch(/alice|bob/)
    expect(await loginOf(new Client(app))).toBe(CHALLENGED)
  })

  test('five of them: a sixth pushes out the first', async () => {
    const { app, store, clock } = createTestApp({ ...on, routes })
    const members = await enrolCrowd(store, 6, clock)
    let browser = new Client(app)
    for (const { username, phone } of members) {
      browser = anotherDay(browser)
      await trust(browser, phone, clock, username)
    }
    expect(tokenOf(browser).split('.')).toHaveLength(5)
    const outcomes = []
    for (const { username } of members) outcomes.push(await loginOf(anotherDay(browser), username))
    expect(outcomes).toEqual([CHALLENGED, ...Array(5).fill(WENT_ON)])
  })
})

describe('an account has at most ten trusted devices', () => {
  test('the eleventh pushes out the one that was not seen for longest', async () => {
    const { app, browser, phone, clock } = await trusted()
    const browsers = [browser]
    for (let n = 1; n < 10; n++) {
      const one = new Client(app)
      await trust(one, phone, clock)
      browsers.push(one)
    }
    clock.forward(60)
    expect(await loginOf(anotherDay(browser))).toBe(WENT_ON)
    const last = new Client(app)
    await trust(last, phone, clock)
    expect((await last.get('/two-factor/devices')).body.devices).toHaveLength(10)
    const outcomes = []
    for (const one of [...browsers, last]) outcomes.push(await loginOf(anotherDay(one)))
    expect(outcomes).toEqual([WENT_ON, CHALLENGED, ...Array(9).fill(WENT_ON)])
  })
})

describe('the list of devices', () => {
  test('for the host says nothing of the token, not even its hash', async () => {
    const { secondFactor } = await trusted()
    const [device] = (await secondFactor.status('u-alice')).devices
    expect(Object.keys(device ?? {}).sort()).toEqual([
      'expiresAt',
      'firstSeenAt',
      'id',
      'label',
      'lastSeenAt',
    ])
  })

  test('for programs', async () => {
    const { browser, clock } = await trusted()
    const first = new Date(clock.time)
    clock.forward(3600)
    const next = anotherDay(browser)
    await next.login()
    const { body } = await next.get('/two-factor/devices')
    const device = {
      id: expect.stringMatching(/^[\w-]{12}$/),
      label: '',
      firstSeenAt: first.toISOString(),
      lastSeenAt: new Date(clock.time).toISOString(),
      expiresAt: new Date(first.getTime() + MONTH_IN_SECONDS * 1000).toISOString(),
      current: true,
    }
    expect(body).toEqual({ devices: [device], csrfToken: expect.any(String) })
    expect((await next.get('/two-factor')).body.devices).toEqual([device])
    // Another session of the same account sees it as another one.
    expect((await browser.get('/two-factor/devices')).body.devices).toEqual([{ ...device, current: false }])
  })

  test('for people, who end the trust in one or in all', async () => {
    const { app, phone, clock, store } = await offering()
    const person = new Client(app, 'person')
    await signIn(person, phone, clock)
    expect((await person.get('/two-factor/devices')).text).not.toContain('/revoke')
    expect((await person.get('/two-factor')).text).toContain('href="/two-factor/devices"')
    for (let n = 0; n < 3; n++) await trust(new Client(app), phone, clock)
    const page = (await person.get('/two-factor/devices')).text
    const all = await idsIn(store)
    for (const id of all) expect(page).toContain(`action="/two-factor/devices/${id}/revoke"`)
    const one = await person.post(`/two-factor/devices/${all[1]}/revoke`, {}, '/two-factor/devices')
    expect([one.status, one.headers.location]).toEqual([303, '/two-factor/devices'])
    expect(await idsIn(store)).toEqual([all[0], all[2]])
    const rest = await person.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
    expect([rest.status, rest.headers.location]).toEqual([303, '/two-factor/devices'])
    expect(await idsIn(store)).toEqual([])
  })

  test('is of those who are in: nobody else sees or changes it', async () => {
    const { app, store, browser } = await trusted()
    const [id] = await idsIn(store)
    const pending = new Client(app)
    await pending.login()
    const { csrfToken } = (await pending.get(CHALLENGE)).body
    const unenrolled = new Client(app)
    await unenrolled.login('bob')
    const bobs = (await unenrolled.get('/two-factor')).body.csrfToken
    const paths = [`/two-factor/devices/${id}/revoke`, '/two-factor/devices/revoke']
    for (const [client, token, code] of [
      [new Client(app), '', 'not_authenticated'],
      [pending, csrfToken, 'second_factor_required'],
      [unenrolled, bobs, 'not_enabled'],
    ] as const) {
      expect((await client.get('/two-factor/devices')).body.code).toBe(code)
      for (const path of paths) {
        expect((await client.send('POST', path, {}, { 'x-csrf-token': token })).body.code).toBe(code)
      }
    }
    for (const path of paths) {
      expect((await browser.send('POST', path, {})).body.code).toBe('csrf')
      const foreign = { 'x-csrf-token': bobs }
      expect((await browser.send('POST', path, {}, foreign)).body.code).toBe('csrf')
    }
    expect(await idsIn(store)).toEqual([id])
  })

  test('an id of another account, and one that there is not, end nothing', async () => {
    const { app, store, clock, browser } = await trusted()
    const bobs = await putEnrolled(store, clock, 'bob')
    const bob = new Client(app)
    await trust(bob, bobs.phone, clock, 'bob')
    const [own] = await idsIn(store)
    const [foreign] = await idsIn(store, 'u-bob')
    const long = 'x'.repeat(3000)
    for (const id of [foreign, 'unknown', '..', '%2e%2e', '%00', 'constructor', long]) {
      const { status } = await browser.post(`/two-factor/devices/${id}/revoke`, {}, '/two-factor/devices')
      expect([204, 404]).toContain(status)
    }
    expect(await idsIn(store)).toEqual([own])
    expect(await idsIn(store, 'u-bob')).toEqual([foreign])
    expect((await browser.send('POST', '/two-factor/devices/%ZZ/revoke', {})).status).toBe(400)
  })
})

describe('what is kept', () => {
  test('is a hash: neither the row nor the session store has the token', async () => {
    const sessionStore = new RecordingSessions()
    const folder = mkdtempSync(join(tmpdir(), 'trusted-'))
    const database = new Database(join(folder, 'app.db'))
    const store = new SqlStore(database)
    const { browser, token } = await trusted({ store, sessionStore })
    const next = anotherDay(browser)
    expect(await loginOf(next)).toBe(WENT_ON)
    const record = await opened(store, 'u-alice')
    expect(record.devices).toEqual([expect.objectContaining({ hash: hashOfToken(token) })])
    const rows = JSON.stringify(database.prepare('select * from second_factor_accounts').all())
    const sessions = JSON.stringify(sessionStore.writes)
    expect(rows).toContain('u-alice')
    expect(sessions).toContain('"trusted-device"')
    const bytes = Buffer.from(token, 'base64url')
    for (const form of [
      token,
      bytes.toString('base64'),
      bytes.toString('hex'),
      Buffer.from(token).toString('base64'),
    ]) {
      for (const place of [JSON.stringify(record), rows, sessions]) expect(place).not.toContain(form)
    }
    // Of the hash the session store need know nothing either.
    expect(sessions).not.toContain(hashOfToken(token))
    expect(rows).not.toContain(hashOfToken(token))
    database.close()
    rmSync(folder, { recursive: true })
  })

  const windows = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)'
  test.each([
    ['Chrome, Windows', `${windows} Chrome/126.0.0.0 Safari/537.36`],
    ['Edge, Windows', `${windows} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0`],
    ['Opera, Windows', `${windows} Chrome/126.0.0.0 Safari/537.36 OPR/111.0.0.0`],
    ['Firefox, Linux', 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0'],
    [
      'Safari, iPhone',
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
    ],
    [
      'Samsung Internet, Android',
      'Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36',
    ],
    [
      'Safari, macOS',
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15',
    ],
    ['', 'curl/8.5.0'],
    ['', '<script>alert(1)</script>'],
    ['', '"\'><img src=x onerror=alert(1)>'],
    ['', '<%= 7*7 %> {{7*7}} #{7*7}'],
    ['', 'x'.repeat(10_000)],
    ['Firefox, Linux', `${'Linux '.repeat(1500)}Firefox/1 <b>bold</b>`],
    ['', 'constructor __proto__'],
  ])('the label %j, of what the browser says of itself and nothing more', async (label, userAgent) => {
    const { app, phone, clock, store } = await offering()
    const person = new Client(app, 'person')
    await person.login()
    const fields = hiddenFields((await person.get(CHALLENGE)).text, CHALLENGE)
    clock.nextStep()
    const form = { ...fields, code: phone.code(), trustDevice: 'on' }
    const answer = await person.send('POST', CHALLENGE, form, { 'user-agent': userAgent })
    expect(answer.status).toBe(303)
    expect((await opened(store, 'u-alice')).devices).toEqual([expect.objectContaining({ label })])
    const page = (await person.get('/two-factor/devices')).text
    expect(/<h2><bdi>([^<]*)<\/bdi>/.exec(page)?.[1]).toMatch(
      label ? new RegExp(`^${label}$`) : /^Unknown \w+$/,
    )
    expect(page).not.toMatch(/alert\(1\)|<b>bold|xxxx|>49/)
  })
})

describe('where the store is away', () => {
  test.each<Fault>(['get rejects', 'get throws', 'compareAndSet rejects', 'the record was altered'])(
    '%s: neither a login nor a challenge, and afterwards all is as before',
    async (fault) => {
      const store = new FaultyStore()
      const { app, token } = await trusted({ store, secondFactor: { onUnavailable: () => {} } })
      store.fault = fault
      for (const kind of ['program', 'person'] as const) {
        const client = withCookie(new Client(app, kind), token)
        const answer = await client.login()
        expect(answer.status).toBe(503)
        if (kind === 'program') expect(answer.body.code).toBe('unavailable')
        store.fault = null
        expect((await client.as('program').get('/factor')).body.state).toBe('anonymous')
        expect((await client.as('program').get('/account')).status).toBe(401)
        store.fault = fault
      }
      store.fault = null
      expect(await loginOf(withCookie(new Client(app), token))).toBe(WENT_ON)
    },
  )

  test('while the code is checked: nothing is trusted', async () => {
    const store = new FaultyStore()
    const { app, phone, clock } = await offering({ store, secondFactor: { onUnavailable: () => {} } })
    const client = new Client(app)
    await client.login()
    const { csrfToken } = (await client.get(CHALLENGE)).body
    clock.nextStep()
    store.fault = 'compareAndSet rejects'
    const body = { code: phone.code(), trustDevice: true }
    const answer = await client.send('POST', CHALLENGE, body, { 'x-csrf-token': csrfToken })
    expect(answer.status).toBe(503)
    expect(deviceLine(answer)).toBeUndefined()
    store.fault = null
    expect((await opened(store, 'u-alice')).devices).toEqual([])
  })
})
