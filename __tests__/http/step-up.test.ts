import type { Express, RequestHandler } from 'express'
import type { SecondFactor } from 'express-second-factor'
import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Client, hiddenFields } from '../support/client'
import { opened } from '../support/devices'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { serve } from '../support/server'

const CHALLENGE = '/two-factor/challenge'
const SHOP = { host: 'shop.example' }
const MINUTES = 60

/** Routes that ask for more, and what got through to them. */
function counting() {
  const carriedOut: object[] = []
  const routes = (app: Express, { requireSecondFactor }: SecondFactor) => {
    const carryOut: RequestHandler = (req, res) => {
      carriedOut.push(req.body)
      res.json({ done: true })
    }
    app.get(['/form', '/elsewhere', '/back'], (req, res) => {
      res.json({ formNotSent: req.secondFactor?.formNotSent })
    })
    app.all('/app-only', requireSecondFactor({ methods: ['totp'] }), carryOut)
    app.all('/codes-only', requireSecondFactor({ methods: ['backup-code'] }), carryOut)
    app.all('/both', requireSecondFactor({ maxAge: '5m', methods: ['totp'] }), carryOut)
    app.all('/pay', requireSecondFactor({ maxAge: '5m' }), carryOut)
    app.all('/pay-back', requireSecondFactor({ maxAge: '5m', returnTo: '/back?here' }), carryOut)
  }
  return { carriedOut, routes }
}

/** A session of alice's, proven so many seconds ago. */
async function proven(ago: number, options: TestAppOptions = {}, kind: 'program' | 'person' = 'program') {
  const { carriedOut, routes } = counting()
  const made = await createEnrolledApp({ routes, ...options })
  const client = new Client(made.app, kind)
  await signIn(client, made.phone, made.clock)
  made.clock.forward(ago)
  return { ...made, client, carriedOut }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test('maxAge: a code of five minutes ago is enough, and not a second more', async () => {
    const { client, phone, clock } = await proven(5 * MINUTES - 1, { express })
    expect((await client.get('/transfer')).status).toBe(200)
    clock.forward(1)
    const refused = await client.get('/transfer')
    expect([refused.status, refused.body]).toEqual([
      403,
      expect.objectContaining({ code: 'step_up_required', challengeUrl: CHALLENGE }),
    ])
    // Only this gate asks for more.
    expect((await client.get('/vault')).status).toBe(200)
    expect((await client.get(CHALLENGE)).body).toMatchObject({ state: 'verified', expiresAt: null })
    const answer = await client.challenge(phone.code())
    expect(answer.body).toMatchObject({ state: 'verified', method: 'totp' })
    expect((await client.get('/transfer')).status).toBe(200)
  })

  test('a GET goes back to where it was, with its query', async () => {
    const { client, phone } = await proven(5 * MINUTES, { express }, 'person')
    const led = await client.get('/pay?to=bob&amount=1')
    expect([led.status, led.headers.location]).toEqual([303, CHALLENGE])
    const back = await client.challenge(phone.code())
    expect([back.status, back.headers.location]).toEqual([303, '/pay?to=bob&amount=1'])
    expect((await client.get('/pay?to=bob&amount=1')).body).toEqual({ done: true })
    expect((await client.get('/form')).body).toEqual({ formNotSent: false })
  })

  test('a form is never sent again: its page is shown, and told so once', async () => {
    const { client, phone, carriedOut } = await proven(5 * MINUTES, { express }, 'person')
    const from = { ...SHOP, referer: 'http://shop.example/form?x=1' }
    const led = await client.send('POST', '/pay', { amount: 'SECRET-AMOUNT' }, from)
    expect([led.status, led.headers.location]).toEqual([303, CHALLENGE])
    const page = (await client.get(CHALLENGE)).text
    expect(page).toContain('sf-note')
    expect(page).not.toContain('SECRET-AMOUNT')
    const back = await client.challenge(phone.code())
    expect([back.status, back.headers.location]).toEqual([303, '/form?x=1'])
    expect((await client.get('/form?x=1')).body).toEqual({ formNotSent: true })
    expect((await client.get('/form?x=1')).body).toEqual({ formNotSent: false })
    expect((await client.get('/elsewhere')).body).toEqual({ formNotSent: false })
    expect(carriedOut).toEqual([])
    // Sent again by its user it is carried out.
    expect((await client.send('POST', '/pay', { amount: '1' }, from)).body).toEqual({ done: true })
    expect(carriedOut).toEqual([{ amount: '1' }])
  })

  test('methods: a backup code will not do, and is neither spent nor counted', async () => {
    const { client, phone, backupCodes, secondFactor, store, clock } = await proven(0, { express })
    expect((await client.challenge(backupCodes[0])).status).toBe(200)
    const refused = await client.get('/app-only')
    expect([refused.status, refused.body]).toEqual([
      403,
      expect.objectContaining({ code: 'step_up_required', challengeUrl: CHALLENGE, methods: ['totp'] }),
    ])
    expect((await client.get(CHALLENGE)).body.methods).toEqual(['totp'])
    const before = await opened(store, 'u-alice')
    for (const code of [backupCodes[1], backupCodes[0], backupCodes[2]]) {
      const answer = await client.challenge(code)
      expect([answer.status, answer.body.code]).toEqual([403, 'step_up_required'])
    }
    expect(await opened(store, 'u-alice')).toEqual(before)
    expect((await secondFactor.status('u-alice')).backupCodes.remaining).toBe(4)
    clock.nextStep()
    expect((await client.challenge(phone.code())).status).toBe(200)
    expect((await client.get('/app-only')).body).toEqual({ done: true })
    // The demand is over with it.
    expect((await client.challenge(backupCodes[1])).status).toBe(200)
    expect((await client.get('/app-only')).status).toBe(403)
  })
})

describe('methods', () => {
  test('people see the one field that will do, and no way to the other', async () => {
    const { client, backupCodes, phone, clock } = await proven(0, {}, 'person')
    await client.challenge(backupCodes[0])
    expect((await client.get('/app-only')).headers.location).toBe(CHALLENGE)
    for (const path of [CHALLENGE, `${CHALLENGE}?method=backup-code`]) {
      const page = (await client.get(path)).text
      expect(page).toContain('inputmode="numeric"')
      expect(page).not.toContain('method=backup-code')
    }
    const refused = await client.challenge(backupCodes[1])
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('role="alert"')
    clock.nextStep()
    expect((await client.challenge(phone.code())).headers.location).toBe('/app-only')
  })

  test('the other way round, too', async () => {
    const { client, backupCodes, phone, clock, secondFactor } = await proven(0)
    expect((await client.get('/codes-only')).body).toMatchObject({
      code: 'step_up_required',
      methods: ['backup-code'],
    })
    clock.nextStep()
    expect((await client.challenge(phone.code())).body.code).toBe('step_up_required')
    expect((await secondFactor.status('u-alice')).locks).toEqual({ totp: null, 'backup-code': null })
    expect((await client.challenge(backupCodes[0])).status).toBe(200)
    expect((await client.get('/codes-only')).status).toBe(200)
    // The code of the app was not spent.
    expect((await client.challenge(phone.code())).status).toBe(200)
  })

  test('and maxAge: both must be right', async () => {
    const { client, backupCodes, phone, clock } = await proven(0)
    expect((await client.get('/both')).status).toBe(200)
    await client.challenge(backupCodes[0])
    expect((await client.get('/both')).body.code).toBe('step_up_required')
    clock.nextStep()
    await client.challenge(phone.code())
    expect((await client.get('/both')).status).toBe(200)
    clock.forward(5 * MINUTES)
    expect((await client.get('/both')).body.code).toBe('step_up_required')
    expect((await client.get('/app-only')).status).toBe(200)
  })

  test('what one gate demanded is forgotten where another one asks, or when it is given up', async () => {
    const { client, backupCodes, clock } = await proven(0)
    await client.challenge(backupCodes[0])
    await client.get('/app-only')
    clock.forward(5 * MINUTES)
    await client.get('/pay')
    expect((await client.get(CHALLENGE)).body.methods).toEqual(['totp', 'backup-code'])
    await client.get('/app-only')
    expect((await client.post(`${CHALLENGE}/cancel`, {}, CHALLENGE)).status).toBe(204)
    expect((await client.get(CHALLENGE)).body.methods).toEqual(['totp', 'backup-code'])
    expect((await client.challenge(backupCodes[1])).status).toBe(200)
  })

  test('what a page asks for in the background forgets nothing of where somebody is going', async () => {
    const { client, backupCodes, clock } = await proven(0)
    await client.challenge(backupCodes[0])
    clock.forward(5 * MINUTES)
    await client.as('person').get('/app-only')
    await client.get('/pay', { 'Sec-Fetch-Dest': 'empty' })
    expect((await client.get(CHALLENGE)).body.methods).toEqual(['totp'])
  })

  test('of what a single-page app asks for the last counts', async () => {
    const { client, phone } = await proven(5 * MINUTES)
    const fetching = { 'Sec-Fetch-Dest': 'empty' }
    expect((await client.get('/codes-only', fetching)).body.methods).toEqual(['backup-code'])
    expect((await client.get('/pay', fetching)).body).not.toHaveProperty('methods')
    expect((await client.get(CHALLENGE, fetching)).body.methods).toEqual(['totp', 'backup-code'])
    expect((await client.challenge(phone.code())).status).toBe(200)
    expect((await client.get('/pay', fetching)).status).toBe(200)
  })
})

describe('where a step-up returns', () => {
  const sent = async (path: string, headers: Record<string, string>) => {
    const { client, phone } = await proven(5 * MINUTES, {}, 'person')
    await client.send('POST', path, { amount: '1' }, headers)
    return (await client.challenge(phone.code())).headers.location
  }

  test.each<[string, string, Record<string, string>, string]>([
    [
      'the page that the form was sent from',
      '/pay',
      { ...SHOP, referer: 'http://shop.example/form' },
      '/form',
    ],
    [
      'what the gate says, where it does',
      '/pay-back',
      { ...SHOP, referer: 'http://shop.example/form' },
      '/back?here',
    ],
    ['what the gate says, without a Referer', '/pay-back', {}, '/back?here'],
    ['option returnTo, without a Referer', '/pay', {}, '/'],
    [
      'option returnTo, where the form is of another site',
      '/pay',
      { ...SHOP, referer: 'http://evil.example/form' },
      '/',
    ],
    ['option returnTo, where the Referer is no URL', '/pay', { ...SHOP, referer: 'form' }, '/'],
    [
      'option returnTo, where it hides one',
      '/pay',
      { ...SHOP, referer: 'http://shop.example//evil.example' },
      '/',
    ],
  ])('%s', async (_what, path, headers, location) => {
    expect(await sent(path, headers)).toBe(location)
  })

  test('what the gate says is for forms: a page is returned to itself', async () => {
    const { client, phone } = await proven(5 * MINUTES, {}, 'person')
    await client.get('/pay-back?page')
    expect((await client.challenge(phone.code())).headers.location).toBe('/pay-back?page')
  })

  test.each(['//evil.example', 'https://evil.example', 'back', '/\\evil.example', ''])(
    'a gate that names %j is none',
    (returnTo) => {
      const { secondFactor } = createTestApp()
      expect(() => secondFactor.requireSecondFactor({ returnTo })).toThrow('SF_REQUIREMENT')
    },
  )

  test.each<[object | null]>([
    [{ methods: [] }],
    [{ methods: ['sms'] }],
    [{ methods: 'totp' }],
    [{ methods: ['trusted-device'] }],
    [{ maxage: '5m' }],
    [null],
    ['5m' as unknown as object],
  ])('a gate that takes %j is none', (requirement) => {
    const { secondFactor } = createTestApp()
    expect(() => secondFactor.requireSecondFactor(requirement as object)).toThrow('SF_REQUIREMENT')
  })
})

describe('a form that was not carried out', () => {
  const from = { ...SHOP, referer: 'http://shop.example/form' }

  test('is nothing to the page to which a GET returns later', async () => {
    const { client, phone } = await proven(5 * MINUTES, {}, 'person')
    await client.send('POST', '/pay', {}, from)
    await client.get('/pay')
    await client.challenge(phone.code())
    expect((await client.get('/form')).body).toEqual({ formNotSent: false })
  })

  test('is nothing after the step-up was given up', async () => {
    const { client } = await proven(5 * MINUTES, {}, 'person')
    await client.send('POST', '/pay', {}, from)
    expect((await client.post(`${CHALLENGE}/cancel`, {}, CHALLENGE)).status).toBe(303)
    expect((await client.get('/form')).body).toEqual({ formNotSent: false })
  })

  test('is told to people on their way to a page, and to no program', async () => {
    const { client, phone } = await proven(5 * MINUTES, {}, 'person')
    await client.send('POST', '/pay', {}, from)
    await client.challenge(phone.code())
    expect((await client.as('program').get('/form')).body).toEqual({ formNotSent: false })
    expect((await client.get('/form')).body).toEqual({ formNotSent: true })
  })

  test('of our own pages is told on none of the host', async () => {
    const { client, phone, clock } = await proven(0, {}, 'person')
    // Its page was open for a while.
    const fields = hiddenFields(
      (await client.get('/two-factor/backup-codes')).text,
      '/two-factor/backup-codes',
    )
    clock.forward(5 * MINUTES)
    const own = { ...SHOP, referer: 'http://shop.example/two-factor/backup-codes' }
    const led = await client.send('POST', '/two-factor/backup-codes', fields, own)
    expect([led.status, led.headers.location]).toEqual([303, CHALLENGE])
    const back = await client.challenge(phone.code())
    expect(back.headers.location).toBe('/two-factor/backup-codes')
    await client.get('/two-factor/backup-codes')
    expect((await client.get('/elsewhere')).body).toEqual({ formNotSent: false })
  })
})

describe('a code serves once, whatever for', () => {
  test('one of a login is refused at a step-up, and the other way round', async () => {
    const { client, phone, clock, app } = await proven(0)
    expect((await client.challenge(phone.code())).body.code).toBe('invalid_code')
    clock.nextStep()
    const code = phone.code()
    expect((await client.challenge(code)).status).toBe(200)
    const another = new Client(app)
    await another.login()
    expect((await another.challenge(code)).body.code).toBe('invalid_code')
    expect((await client.post('/two-factor/disable', { code })).body.code).toBe('invalid_code')
  })

  test('and no older one after it', async () => {
    const { client, phone, clock, app } = await proven(0)
    clock.nextStep()
    const older = phone.code()
    clock.nextStep()
    const another = new Client(app)
    await another.login()
    expect((await another.challenge(phone.code())).status).toBe(200)
    // Within its time, and never used.
    expect((await client.challenge(older)).body.code).toBe('invalid_code')
    expect((await client.get('/vault')).status).toBe(200)
  })

  test('a backup code, too', async () => {
    const { client, backupCodes, app } = await proven(0)
    expect((await client.challenge(backupCodes[0])).status).toBe(200)
    const another = new Client(app)
    await another.login()
    expect((await another.challenge(backupCodes[0])).body.code).toBe('invalid_code')
    expect((await client.post('/two-factor/disable', { code: backupCodes[0] })).body.code).toBe(
      'invalid_code',
    )
  })
})

describe('guessing', () => {
  /** Three ways to guess, each in a session of its own. */
  async function ways() {
    const { app, client, phone, clock, secondFactor } = await proven(0)
    const other = new Client(app)
    await signIn(other, phone, clock)
    const login = new Client(app)
    await login.login()
    const disable = (one: Client, code: string) => one.post('/two-factor/disable', { code })
    return {
      app,
      client,
      phone,
      clock,
      secondFactor,
      guesses: [
        (code: string) => client.challenge(code),
        (code: string) => disable(client, code),
        (code: string) => other.challenge(code),
        (code: string) => login.challenge(code),
        (code: string) => disable(other, code),
      ],
    }
  }

  test('at step-up, disabling and login counts as one, over all sessions', async () => {
    const { guesses, phone, clock, secondFactor, client } = await ways()
    for (const [n, guess] of guesses.entries()) expect((await guess(phone.wrongCode(n))).status).toBe(401)
    const lock = { until: clock.time + 30_000 }
    expect((await secondFactor.status('u-alice')).locks.totp).toEqual(lock)
    clock.forward(20)
    for (const guess of guesses) {
      const { status, body } = await guess(phone.code(1))
      expect([status, body.code, body.lockedUntil]).toEqual([
        429,
        'locked',
        new Date(lock.until).toISOString(),
      ])
    }
    // Nothing of that ends the session, which is proven; and what is right afterwards is right.
    expect((await client.get('/vault')).status).toBe(200)
    clock.forward(10)
    expect((await guesses[2]?.(phone.code()))?.status).toBe(200)
    expect((await secondFactor.status('u-alice')).locks.totp).toBeNull()
  })

  test('in a burst over all of them is answered no more often than the lock allows', async () => {
    const { app, phone, clock } = await proven(0)
    const server = await serve(app)
    const sessions: { one: Client; token: string }[] = []
    for (let n = 0; n < 4; n++) {
      const one = new Client(app)
      await signIn(one, phone, clock)
      sessions.push({ one, token: (await one.get(CHALLENGE)).body.csrfToken as string })
    }
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => {
        const { one, token } = sessions[n % 4] as (typeof sessions)[number]
        const path = n % 8 < 4 ? CHALLENGE : '/two-factor/disable'
        return server.post(one, path, { code: phone.wrongCode(n) }, { 'x-csrf-token': token })
      }),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 401)).toHaveLength(5)
    expect(statuses.filter((status) => status === 429)).toHaveLength(55)
  })

  test('backup codes have their own lock, as at a login', async () => {
    const { client, app, phone, clock, backupCodes } = await proven(0)
    const used = backupCodes[4] as string
    await client.challenge(used)
    for (let n = 0; n < 5; n++) {
      const way = n % 2 ? client.challenge(used) : client.post('/two-factor/disable', { code: used })
      expect((await way).status).toBe(401)
    }
    expect((await client.challenge(backupCodes[0])).status).toBe(429)
    const login = new Client(app)
    await login.login()
    expect((await login.challenge(backupCodes[0])).status).toBe(429)
    clock.nextStep()
    expect((await login.challenge(phone.code())).status).toBe(200)
  })
})
