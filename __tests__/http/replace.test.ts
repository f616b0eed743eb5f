import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { opened, trust } from '../support/devices'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { change, RecordingSessions, read, sessionIdOf } from '../support/sessions'

const BEGIN = '/two-factor/replace'
const CONFIRM = '/two-factor/replace/confirm'
const CHALLENGE = '/two-factor/challenge'
const MINUTES = 60

/** A fresh session of alice's. */
async function fresh(options: TestAppOptions = {}, kind: 'program' | 'person' = 'program') {
  const made = await createEnrolledApp(options)
  const client = new Client(made.app, kind)
  await signIn(client, made.phone, made.clock)
  return { ...made, client }
}

/** The same with a new phone that is being set up. */
async function begun(options: TestAppOptions = {}) {
  const made = await fresh(options)
  const { body, status } = await made.client.post(BEGIN, {}, '/two-factor')
  expect(status).toBe(201)
  const newPhone = new Authenticator(body.secret, made.clock.now)
  const confirm = (code: unknown, client = made.client) => client.post(CONFIRM, { code }, '/two-factor')
  return { ...made, begun: body, newPhone, confirm }
}

async function codeIsRight(made: Pick<Client, 'app'>, code: string) {
  const client = new Client(made.app)
  await client.login()
  return (await client.challenge(code)).status === 200
}

describe.each(Object.entries(expresses))('a new phone on %s', (_name, express) => {
  test('for a program: begin, look again, confirm', async () => {
    const { client, clock, begun: first, newPhone, confirm } = await begun({ express })
    expect(first).toEqual({
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
      uri: expect.stringContaining(`secret=${first.secret}`),
      qr: expect.stringMatching(/^<svg/),
      expiresAt: new Date(clock.time + 15 * MINUTES * 1000).toISOString(),
      csrfToken: expect.any(String),
    })
    const again = await client.post(BEGIN, {}, '/two-factor')
    expect([again.status, again.body.secret]).toEqual([201, first.secret])
    expect((await client.get(BEGIN)).body).toMatchObject({ secret: first.secret, uri: first.uri })
    const done = await confirm(newPhone.code())
    expect([done.status, done.body]).toEqual([200, { replaced: true }])
    expect((await client.get('/transfer')).status).toBe(200)
  })

  test('for a person: page by page', async () => {
    const { client, clock, phone, app } = await fresh({ express }, 'person')
    const start = await client.get(BEGIN)
    expect([start.status, start.text.includes(`action="${BEGIN}"`)]).toEqual([200, true])
    const led = await client.post(BEGIN)
    expect([led.status, led.headers.location]).toEqual([303, BEGIN])
    const page = (await client.get(BEGIN)).text
    expect(page).toContain('<svg')
    const key = (/>([A-Z2-7]{4}(?: [A-Z2-7]{4}){7})</.exec(page)?.[1] ?? '').replaceAll(' ', '')
    const newPhone = new Authenticator(key, clock.now)
    const wrong = await client.post(CONFIRM, { code: newPhone.wrongCode() }, BEGIN)
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([401, true])
    expect(wrong.text).toContain('<svg')
    const done = await client.post(CONFIRM, { code: newPhone.code() }, BEGIN)
    expect([done.status, done.headers.location]).toEqual([303, '/two-factor'])
    expect((await client.get('/two-factor')).text).toContain('role="status"')
    // Once.
    expect((await client.get('/two-factor')).text).not.toContain('role="status"')
    expect((await client.get('/vault')).status).toBe(200)
    clock.nextStep()
    expect(await codeIsRight({ app }, phone.code())).toBe(false)
    expect(await codeIsRight({ app }, newPhone.code())).toBe(true)
  })

  test('the old one works until the new one is proven, and backup codes go on', async () => {
    const { app, clock, phone, newPhone, confirm, backupCodes, secondFactor } = await begun({ express })
    clock.nextStep()
    expect(await codeIsRight({ app }, newPhone.code())).toBe(false)
    expect(await codeIsRight({ app }, phone.code())).toBe(true)
    clock.nextStep()
    const used = newPhone.code()
    expect((await confirm(used)).status).toBe(200)
    // Its first code is used, and the old one's are nobody's.
    expect(await codeIsRight({ app }, used)).toBe(false)
    clock.nextStep()
    expect(await codeIsRight({ app }, phone.code())).toBe(false)
    expect(await codeIsRight({ app }, newPhone.code())).toBe(true)
    expect(await codeIsRight({ app }, backupCodes[0] as string)).toBe(true)
    expect((await secondFactor.status('u-alice')).backupCodes).toMatchObject({ remaining: 4, total: 5 })
  })

  test('the other sessions prove themselves again; the one that did it goes on, under a new id', async () => {
    const { app, client, clock, phone, newPhone, confirm } = await begun({ express })
    const other = new Client(app)
    await signIn(other, phone, clock)
    const pending = new Client(app)
    await pending.login()
    clock.nextStep()
    const stolen = client.copy()
    expect((await confirm(newPhone.code())).status).toBe(200)
    expect(client.cookies.get('connect.sid')).not.toBe(stolen.cookies.get('connect.sid'))
    expect((await client.get('/vault')).status).toBe(200)
    expect((await stolen.get('/vault')).status).toBe(401)
    expect((await other.get('/vault')).body.code).toBe('second_factor_required')
    // Half a login of before is over: its code is of nobody now.
    clock.nextStep()
    const { csrfToken } = (await pending.get(CHALLENGE)).body
    expect(csrfToken).toBeUndefined()
    expect((await pending.get('/account')).status).toBe(401)
  })
})

describe('setting a new phone up', () => {
  test('takes a code of the last five minutes, on each of its routes', async () => {
    const { client, clock, phone, newPhone, begun: first } = await begun()
    clock.forward(5 * MINUTES)
    const codes = [
      (await client.get(BEGIN)).body.code,
      (await client.post(BEGIN, {}, '/two-factor')).body.code,
      (await client.post(CONFIRM, { code: newPhone.code() }, '/two-factor')).body.code,
      (await client.post(`${BEGIN}/cancel`, {}, '/two-factor')).body.code,
    ]
    expect(codes).toEqual(Array(4).fill('step_up_required'))
    expect((await client.challenge(phone.code())).status).toBe(200)
    // What was begun is still the same: the phone has it already.
    expect((await client.get(BEGIN)).body.secret).toBe(first.secret)
    expect((await client.post(CONFIRM, { code: newPhone.code() }, '/two-factor')).body).toEqual({
      replaced: true,
    })
  })

  test('people are led to the challenge first, and back', async () => {
    const { client, clock, phone } = await fresh({}, 'person')
    clock.forward(5 * MINUTES)
    const led = await client.get(BEGIN)
    expect([led.status, led.headers.location]).toEqual([303, CHALLENGE])
    expect((await client.challenge(phone.code())).headers.location).toBe(BEGIN)
    expect((await client.get(BEGIN)).status).toBe(200)
  })

  test('is for sessions that have proven it, and for accounts that have one', async () => {
    const { app, client } = await fresh()
    const pending = new Client(app)
    await pending.login()
    const token = (await pending.get(CHALLENGE)).body.csrfToken
    const unenrolled = new Client(app)
    await unenrolled.login('bob')
    const bobs = (await unenrolled.get('/two-factor')).body.csrfToken
    for (const [one, csrf, code] of [
      [new Client(app), '', 'not_authenticated'],
      [pending, token, 'second_factor_required'],
      [unenrolled, bobs, 'not_enabled'],
    ] as const) {
      expect((await one.get(BEGIN)).body.code).toBe(code)
      for (const path of [BEGIN, CONFIRM, `${BEGIN}/cancel`]) {
        const answer = await one.send('POST', path, { code: '123456' }, { 'x-csrf-token': csrf })
        expect(answer.body.code).toBe(code)
      }
    }
    for (const path of [BEGIN, CONFIRM, `${BEGIN}/cancel`]) {
      expect((await client.send('POST', path, { code: '123456' })).body.code).toBe('csrf')
    }
    expect((await client.get(BEGIN)).body.code).toBe('no_enrolment')
  })

  test('that nobody began, or whose time is over, or that was given up, cannot be confirmed', async () => {
    const { client, clock, phone, newPhone, confirm } = await begun()
    const refusal = async () => (await confirm(newPhone.code())).body.code
    expect((await client.post(`${BEGIN}/cancel`, {}, '/two-factor')).status).toBe(204)
    expect(await refusal()).toBe('no_enrolment')
    expect((await client.post(`${BEGIN}/cancel`, {}, '/two-factor')).body.code).toBe('no_enrolment')

    const { body } = await client.post(BEGIN, {}, '/two-factor')
    const another = new Authenticator(body.secret, clock.now)
    for (let n = 0; n < 3; n++) {
      clock.forward(5 * MINUTES)
      await client.challenge(phone.code())
    }
    expect((await confirm(another.code())).body.code).toBe('no_enrolment')
  })

  test('in one session is nothing to another', async () => {
    const { app, phone, clock, newPhone, confirm } = await begun()
    const other = new Client(app)
    await signIn(other, phone, clock)
    expect((await other.get(BEGIN)).body.code).toBe('no_enrolment')
    expect((await confirm(newPhone.code(), other)).body.code).toBe('no_enrolment')
  })

  test('refuses what is malformed, wrong, or a backup code, and counts none of it', async () => {
    const { confirm, newPhone, phone, backupCodes, store, secondFactor, clock } = await begun()
    clock.nextStep()
    const before = await opened(store, 'u-alice')
    for (const [code, refusal] of [
      ['', 'malformed'],
      [undefined, 'malformed'],
      [123456, 'malformed'],
      ['12345', 'malformed'],
      [backupCodes[0], 'invalid_code'],
      [phone.code(), 'invalid_code'],
    ] as const) {
      expect((await confirm(code)).body.code).toBe(refusal)
    }
    for (let n = 0; n < 8; n++) expect((await confirm(newPhone.wrongCode(n))).status).toBe(401)
    expect(await opened(store, 'u-alice')).toEqual(before)
    expect((await secondFactor.status('u-alice')).locks).toEqual({ totp: null, 'backup-code': null })
    expect((await confirm(newPhone.code())).status).toBe(200)
  })

  test("tells how a phone's clock differs", async () => {
    const { confirm, begun: first, clock } = await begun()
    const fast = new Authenticator(first.secret, clock.now, 300)
    const { body } = await confirm(fast.code())
    expect(body).toMatchObject({
      code: 'invalid_code',
      clock: { direction: 'fast', seconds: 300, timeZone: false },
    })
  })

  test('ends the trust in devices, and what was counted against the old phone', async () => {
    const { app, client, clock, newPhone, confirm, phone, secondFactor } = await begun({
      secondFactor: { trustedDevices: { maxAge: '30d' } },
    })
    await trust(new Client(app), phone, clock)
    for (let n = 0; n < 5; n++) await client.challenge(phone.wrongCode(n))
    expect((await secondFactor.status('u-alice')).locks.totp).not.toBeNull()
    // Whoever proved it lately need not wait.
    expect((await confirm(newPhone.code())).status).toBe(200)
    expect(await secondFactor.status('u-alice')).toMatchObject({ devices: [], locks: { totp: null } })
  })

  test('that was overtaken by revokeSessions does not come true', async () => {
    const { client, newPhone, phone, secondFactor, clock, app } = await begun()
    const { csrfToken } = (await client.get(BEGIN)).body
    await secondFactor.revokeSessions('u-alice')
    const answer = await client.send(
      'POST',
      CONFIRM,
      { code: newPhone.code() },
      { 'x-csrf-token': csrfToken },
    )
    expect([answer.status, answer.body.code]).toEqual([403, 'second_factor_required'])
    clock.nextStep()
    expect(await codeIsRight({ app }, phone.code())).toBe(true)
  })

  test('one that was begun for enabling is none for replacing', async () => {
    const { app, clock, sessionStore } = createTestApp()
    const one = new Client(app)
    await one.login()
    const { body } = await one.post('/two-factor/enable', {}, '/two-factor')
    const two = new Client(app)
    await two.login()
    const twos = await two.post('/two-factor/enable', {}, '/two-factor')
    const phone = new Authenticator(twos.body.secret, clock.now)
    await two.post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor')
    // Whoever could write to the session store puts what the one began where the other looks.
    const { enrolment } = (await read(sessionStore, sessionIdOf(one)))?.secondFactor ?? {}
    await change(sessionStore, sessionIdOf(two), (data) => {
      Object.assign(data.secondFactor as object, { enrolment })
    })
    expect((await two.get(BEGIN)).body.code).toBe('no_enrolment')
    const code = new Authenticator(body.secret, clock.now).code()
    expect((await two.post(CONFIRM, { code }, '/two-factor')).body.code).toBe('no_enrolment')
  })

  test('keeps its secret sealed in the session until then', async () => {
    const sessionStore = new RecordingSessions()
    const { begun: first } = await begun({ sessionStore })
    const kept = JSON.stringify(sessionStore.writes)
    expect(kept).toContain('"enrolment"')
    expect(kept).not.toContain(first.secret)
  })

  test('while the store is away: 503, and the old phone is as it was', async () => {
    const store = new FaultyStore()
    const { app, client, newPhone, phone, clock } = await begun({
      store,
      secondFactor: { onUnavailable: () => {} },
    })
    const { csrfToken } = (await client.get(BEGIN)).body
    store.fault = 'compareAndSet rejects'
    const answer = await client.send(
      'POST',
      CONFIRM,
      { code: newPhone.code() },
      { 'x-csrf-token': csrfToken },
    )
    expect([answer.status, answer.body.code]).toEqual([503, 'unavailable'])
    store.fault = null
    clock.nextStep()
    expect(await codeIsRight({ app }, newPhone.code())).toBe(false)
    expect(await codeIsRight({ app }, phone.code())).toBe(true)
  })
})
