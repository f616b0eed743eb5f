import type { Express } from 'express'
import { createTestApp, expresses, PASSWORD, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client, hiddenFields } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { dump, FaultyStore } from '../support/faulty-store'
import { read, sessionIdOf } from '../support/sessions'

const ENABLE = '/two-factor/enable'

/** The backup codes that a page shows. */
const codesOn = (html: string) =>
  [...html.matchAll(/<li>([0-9A-Z]{5}-[0-9A-Z]{5})<\/li>/g)].map(([, code]) => code)
const keyOn = (html: string) => /class="sf-key"[^>]*>([A-Z2-7 ]+)</.exec(html)?.[1] ?? ''

async function fresh(options: TestAppOptions = {}) {
  const store = new FaultyStore()
  const made = createTestApp({ store, ...options })
  const person = new Client(made.app, 'person')
  await person.login()
  return { ...made, store, person }
}

/** Begins to enable, as a person does, and takes the phone. */
async function begin(person: Client, now: () => number, from = '/two-factor') {
  const answer = await person.post(ENABLE, {}, from)
  expect([answer.status, answer.headers.location]).toEqual([303, ENABLE])
  const page = await person.get(ENABLE)
  expect(page.status).toBe(200)
  return { page, phone: new Authenticator(keyOn(page.text), now) }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  describe('enabling', () => {
    test('from the settings to the codes, and out again', async () => {
      const { app, person, clock } = await fresh({ express })
      const settings = await person.get('/two-factor')
      expect([settings.status, settings.type]).toEqual([200, 'text/html'])
      const { page, phone } = await begin(person, clock.now)
      expect(page.text).toContain('<svg')
      expect(keyOn(page.text)).toMatch(/^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/)
      // Not before a code proves it.
      expect((await person.as('program').get('/two-factor')).body).toMatchObject({
        enabled: false,
        state: 'unenrolled',
      })
      expect((await new Client(app).login()).headers.location).toBe('/account')
      const wrong = await person.post(`${ENABLE}/confirm`, { code: phone.wrongCode() }, ENABLE)
      expect(wrong.status).toBe(401)
      expect(keyOn(wrong.text)).toBe(keyOn(page.text))
      const done = await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)
      expect(done.status).toBe(200)
      expect(codesOn(done.text)).toHaveLength(5)
      expect((await person.get('/vault')).status).toBe(200)
      expect((await person.as('program').get('/two-factor')).body).toMatchObject({
        state: 'verified',
        enabled: true,
        methods: ['totp', 'backup-code'],
        backupCodes: { remaining: 5, total: 5, generatedAt: new Date(clock.time).toISOString() },
      })
      expect((await new Client(app, 'person').login()).headers.location).toBe('/two-factor/challenge')
    })

    test('each shown code opens, once', async () => {
      const { app, person, clock } = await fresh({ express })
      const { phone } = await begin(person, clock.now)
      const codes = codesOn((await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)).text)
      for (const code of codes) {
        for (const status of [303, 401]) {
          const one = new Client(app, 'person')
          await one.login()
          expect([code, (await one.challenge(code)).status]).toEqual([code, status])
          clock.forward(3600)
        }
      }
    })

    test('wrong codes are not counted', async () => {
      const { person, clock, store } = await fresh({ express })
      const { phone } = await begin(person, clock.now)
      const before = await dump(store)
      for (let guess = 0; guess < 8; guess++) {
        expect((await person.post(`${ENABLE}/confirm`, { code: phone.wrongCode() }, ENABLE)).status).toBe(401)
      }
      expect(await dump(store)).toBe(before)
      expect((await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)).status).toBe(200)
    })

    test('reloading the codes shows that they are gone, and changes nothing', async () => {
      const { person, clock, store, sessionStore } = await fresh({ express })
      const { page, phone } = await begin(person, clock.now)
      const form = { ...hiddenFields(page.text, `${ENABLE}/confirm`), code: phone.code() }
      const first = await person.send('POST', `${ENABLE}/confirm`, form)
      const codes = codesOn(first.text)
      expect(codes).toHaveLength(5)
      const state = async () => [await dump(store), await read(sessionStore, sessionIdOf(person))]
      const before = await state()
      for (let reload = 0; reload < 2; reload++) {
        const again = await person.send('POST', `${ENABLE}/confirm`, form)
        expect(again.status).toBe(200)
        expect(again.text).toContain('These backup codes were shown once')
        for (const code of codes) expect(again.text).not.toContain(code)
      }
      expect(await state()).toEqual(before)
    })

    test('sending it twice before the answer came', async () => {
      const { person, clock } = await fresh({ express })
      const { page, phone } = await begin(person, clock.now)
      const form = { ...hiddenFields(page.text, `${ENABLE}/confirm`), code: phone.code() }
      const twin = person.copy()
      const answers = await Promise.all(
        [person, twin].map((one) => one.send('POST', `${ENABLE}/confirm`, form)),
      )
      expect(answers.filter(({ text }) => codesOn(text).length === 5)).toHaveLength(1)
    })

    test('asked for again it is the same secret, for 15 minutes', async () => {
      const { person, clock } = await fresh({ express })
      const first = await begin(person, clock.now)
      clock.time += 15 * 60_000 - 1
      const { _csrf } = hiddenFields(first.page.text, `${ENABLE}/confirm`)
      expect((await person.send('POST', ENABLE, { _csrf })).headers.location).toBe(ENABLE)
      expect(keyOn((await person.get(ENABLE)).text)).toBe(keyOn(first.page.text))
      expect((await person.as('program').get(ENABLE)).body.expiresAt).toBe(
        new Date(clock.time + 1).toISOString(),
      )
      clock.time += 1
      const over = await person.get(ENABLE)
      expect(keyOn(over.text)).toBe('')
      const told = await person.as('program').get(ENABLE)
      expect([told.status, told.body.code]).toEqual([409, 'no_enrolment'])
      const form = { ...hiddenFields(first.page.text, `${ENABLE}/confirm`), code: first.phone.code() }
      const late = await person.send('POST', `${ENABLE}/confirm`, form)
      expect(late.status).toBe(409)
      expect((await person.as('program').get('/two-factor')).body.enabled).toBe(false)
      // Begun anew it is another one; the login is old by now.
      await person.post(ENABLE, { password: PASSWORD })
      const second = await person.get(ENABLE)
      expect(keyOn(second.text)).not.toBe('')
      expect(keyOn(second.text)).not.toBe(keyOn(first.page.text))
    })

    test('another session has a secret of its own, and the second to confirm is told', async () => {
      const { app, person, clock } = await fresh({ express })
      const other = new Client(app, 'person')
      await other.login()
      const [mine, theirs] = [await begin(person, clock.now), await begin(other, clock.now)]
      expect(keyOn(mine.page.text)).not.toBe(keyOn(theirs.page.text))
      const form = { ...hiddenFields(theirs.page.text, `${ENABLE}/confirm`), code: theirs.phone.code() }
      await person.post(`${ENABLE}/confirm`, { code: mine.phone.code() }, ENABLE)
      const late = await other.send('POST', `${ENABLE}/confirm`, form)
      expect([late.status, late.headers.location]).toEqual([303, '/two-factor/challenge'])
      clock.nextStep()
      const third = new Client(app, 'person')
      await third.login()
      expect((await third.challenge(theirs.phone.code())).status).toBe(401)
      expect((await third.challenge(mine.phone.code())).status).toBe(303)
    })

    test('the secret lies in no store as it is', async () => {
      const { person, clock, store, sessionStore } = await fresh({ express })
      const { page, phone } = await begin(person, clock.now)
      const key = keyOn(page.text).replaceAll(' ', '')
      const session = JSON.stringify(await read(sessionStore, sessionIdOf(person)))
      expect(session).not.toContain(key)
      const done = await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)
      const stored = `${JSON.stringify(await read(sessionStore, sessionIdOf(person)))}${await dump(store)}`
      for (const secret of [key, ...codesOn(done.text)]) expect(stored).not.toContain(secret)
      expect(stored).not.toContain('enrolment')
    })

    test('cancel', async () => {
      const { person, clock, store } = await fresh({ express })
      const { page, phone } = await begin(person, clock.now)
      const form = { ...hiddenFields(page.text, `${ENABLE}/confirm`), code: phone.code() }
      const answer = await person.post(`${ENABLE}/cancel`, {}, ENABLE)
      expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor'])
      expect(keyOn((await person.get(ENABLE)).text)).toBe('')
      expect((await person.send('POST', `${ENABLE}/confirm`, form)).status).toBe(409)
      expect(await dump(store)).toBe('[]')
      const program = person.as('program')
      await program.post(ENABLE, {}, '/two-factor')
      expect((await program.post(`${ENABLE}/cancel`, {}, ENABLE)).status).toBe(204)
      const again = await program.post(`${ENABLE}/cancel`, {}, '/two-factor')
      expect([again.status, again.body.code]).toEqual([409, 'no_enrolment'])
    })

    test.each([-45, 45])('a phone %i seconds off enrols and signs in afterwards', async (fastBy) => {
      const { app, person, clock } = await fresh({ express })
      const { page } = await begin(person, clock.now)
      const phone = new Authenticator(keyOn(page.text), clock.now, fastBy)
      expect((await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)).status).toBe(200)
      clock.nextStep()
      const next = new Client(app, 'person')
      await next.login()
      expect((await next.challenge(phone.code())).status).toBe(303)
    })

    test('a phone five minutes off is told so', async () => {
      const { person, clock } = await fresh({ express })
      const { page } = await begin(person, clock.now)
      const phone = new Authenticator(keyOn(page.text), clock.now, 300)
      const told = await person.as('program').post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)
      expect([told.status, told.body.clock]).toEqual([
        401,
        { direction: 'fast', seconds: 300, timeZone: false },
      ])
      const shown = await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)
      expect([shown.status, shown.text]).toEqual([401, expect.stringContaining('5 minutes')])
    })
  })

  describe('an old login proves itself before enabling', () => {
    test('up to ten minutes nothing is asked', async () => {
      const { person, clock } = await fresh({ express })
      clock.time += 599_999
      expect((await person.get(ENABLE)).text).not.toContain('name="password"')
      await begin(person, clock.now)
    })

    test('then the password', async () => {
      const asked: string[] = []
      const { person, clock } = await fresh({
        express,
        secondFactor: {
          verifyPassword: async (user, password) => {
            asked.push(`${user.id} ${password}`)
            return password === PASSWORD
          },
        },
      })
      clock.forward(600)
      expect((await person.get(ENABLE)).text).toContain('name="password"')
      for (const password of [undefined, '', 'wrong']) {
        const answer = await person.post(ENABLE, password === undefined ? {} : { password })
        expect(answer.status).toBe(403)
        expect(answer.text).toContain('name="password"')
        expect((await person.as('program').get(ENABLE)).body.code).toBe('no_enrolment')
      }
      expect((await person.as('program').post(ENABLE)).body.code).toBe('password_required')
      const right = await person.post(ENABLE, { password: PASSWORD })
      expect([right.status, right.headers.location]).toEqual([303, ENABLE])
      expect(asked).toEqual(['u-alice wrong', `u-alice ${PASSWORD}`])
    })

    test.each([undefined, null, 'yes', 1, {}])('%j is not true', async (verdict) => {
      const { person, clock } = await fresh({
        express,
        secondFactor: { verifyPassword: () => verdict as never },
      })
      clock.forward(600)
      expect((await person.as('program').post(ENABLE, { password: PASSWORD })).body.code).toBe(
        'password_required',
      )
    })

    test('five wrong passwords lock, the right one too', async () => {
      const { person, clock } = await fresh({ express })
      clock.forward(600)
      const program = person.as('program')
      for (let guess = 0; guess < 5; guess++) {
        expect((await program.post(ENABLE, { password: 'wrong' })).body.code).toBe('password_required')
      }
      const locked = await program.post(ENABLE, { password: PASSWORD })
      expect([locked.status, locked.body.code, locked.headers['retry-after']]).toEqual([429, 'locked', '30'])
      expect((await person.post(ENABLE, { password: PASSWORD })).status).toBe(429)
      clock.forward(30)
      expect((await program.post(ENABLE, { password: PASSWORD })).status).toBe(201)
    })

    test('without a way to check it, a new login', async () => {
      const { person, clock } = await fresh({ express, secondFactor: { verifyPassword: undefined as never } })
      clock.forward(600)
      const page = await person.get(ENABLE)
      expect(page.text).not.toContain('name="password"')
      const form = hiddenFields(page.text, ENABLE)
      expect((await person.as('program').post(ENABLE, { password: PASSWORD }, '/two-factor')).body.code).toBe(
        'password_required',
      )
      const out = await person.send('POST', ENABLE, form)
      expect([out.status, out.headers.location]).toEqual([303, '/login'])
      expect((await person.get('/account')).status).toBe(401)
      await person.login()
      await begin(person, clock.now)
    })
  })

  describe('new backup codes', () => {
    test('replace the old ones, and reloading changes nothing', async () => {
      const store = new FaultyStore()
      const { app, phone, clock, backupCodes, sessionStore } = await createEnrolledApp({ express, store })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      const page = await person.get('/two-factor/backup-codes')
      const form = hiddenFields(page.text, '/two-factor/backup-codes')
      const done = await person.send('POST', '/two-factor/backup-codes', form)
      const codes = codesOn(done.text)
      expect(codes).toHaveLength(5)
      const state = async () => [await dump(store), await read(sessionStore, sessionIdOf(person))]
      const before = await state()
      for (let reload = 0; reload < 2; reload++) {
        const again = await person.send('POST', '/two-factor/backup-codes', form)
        expect(again.status).toBe(200)
        expect(again.text).toContain('These backup codes were shown once')
        for (const code of codes) expect(again.text).not.toContain(code)
      }
      expect(await state()).toEqual(before)
      const other = new Client(app, 'person')
      await other.login()
      expect((await other.challenge(backupCodes[0])).status).toBe(401)
      expect((await other.challenge(codes[0])).status).toBe(303)
      // The page loaded anew gives new ones.
      clock.nextStep()
      expect(codesOn((await person.post('/two-factor/backup-codes')).text)).toHaveLength(5)
    })

    test('a form without the name of its set changes nothing', async () => {
      const store = new FaultyStore()
      const { app, phone, clock } = await createEnrolledApp({ express, store })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      const { _csrf } = hiddenFields(
        (await person.get('/two-factor/backup-codes')).text,
        '/two-factor/backup-codes',
      )
      const before = await dump(store)
      for (const set of [undefined, '', '0', 'x']) {
        const answer = await person.send('POST', '/two-factor/backup-codes', {
          _csrf,
          ...(set !== undefined && { set }),
        })
        expect(codesOn(answer.text)).toEqual([])
      }
      expect(await dump(store)).toBe(before)
    })

    test('need a proof of the last five minutes, and one comes back to their page', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      clock.time += 299_999
      const page = await person.get('/two-factor/backup-codes')
      const form = hiddenFields(page.text, '/two-factor/backup-codes')
      expect(codesOn((await person.copy().send('POST', '/two-factor/backup-codes', form)).text)).toHaveLength(
        5,
      )
      clock.time += 1
      const headers = { host: 'app.example', referer: 'http://app.example/two-factor/backup-codes' }
      const stopped = await person.send('POST', '/two-factor/backup-codes', form, headers)
      expect([stopped.status, stopped.headers.location]).toEqual([303, '/two-factor/challenge'])
      const told = await person.as('program').post('/two-factor/backup-codes')
      expect([told.status, told.body.code, told.body.challengeUrl]).toEqual([
        403,
        'step_up_required',
        '/two-factor/challenge',
      ])
      const back = await person.challenge(phone.code())
      expect([back.status, back.headers.location]).toEqual([303, '/two-factor/backup-codes'])
      expect(codesOn((await person.post('/two-factor/backup-codes')).text)).toHaveLength(5)
    })

    test('without a referer one comes back to the settings', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      clock.forward(301)
      await person.post('/two-factor/backup-codes')
      expect((await person.challenge(phone.code())).headers.location).toBe('/two-factor')
    })
  })

  describe('step-up', () => {
    test('up to maxAge nothing is asked; then a code, and on to the page', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      clock.time += 299_999
      expect((await person.get('/transfer')).status).toBe(200)
      clock.time += 1
      const stopped = await person.get('/transfer?to=bob')
      expect([stopped.status, stopped.headers.location]).toEqual([303, '/two-factor/challenge'])
      const page = await person.get('/two-factor/challenge')
      expect(page.text).toContain('/transfer')
      expect(page.text).not.toContain('to=bob')
      // Meanwhile the session stays verified.
      expect((await person.get('/vault')).status).toBe(200)
      const wrong = await person.challenge(phone.wrongCode())
      expect(wrong.status).toBe(401)
      const back = await person.challenge(phone.code())
      expect([back.status, back.headers.location]).toEqual([303, '/transfer?to=bob'])
      expect((await person.get('/transfer')).status).toBe(200)
    })

    test('given up, the session stays as it was', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      clock.forward(301)
      await person.get('/transfer')
      const answer = await person.post('/two-factor/challenge/cancel', {}, '/two-factor/challenge')
      expect([answer.status, answer.headers.location]).toEqual([303, '/'])
      expect((await person.get('/vault')).status).toBe(200)
      expect((await person.get('/transfer')).headers.location).toBe('/two-factor/challenge')
      expect((await person.challenge(phone.code())).headers.location).toBe('/transfer')
    })

    test('a proof from the future is not fresh, unless another process’s clock is a minute ahead', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      clock.time -= 60_000
      expect((await client.get('/transfer')).status).toBe(200)
      clock.time -= 1
      expect((await client.get('/transfer')).body.code).toBe('step_up_required')
    })
  })

  describe('the host demands a second factor', () => {
    const routes = (app: Express) => {
      app.get('/public', (req, res) => {
        res.json({
          user: req.user ?? null,
          authenticated: req.isAuthenticated(),
          state: req.secondFactor?.state,
        })
      })
    }
    const required: TestAppOptions = { express, routes, secondFactor: { policy: () => 'required' } }

    test('everything leads to enabling, and then to where the user was going', async () => {
      const store = new FaultyStore()
      const { app, clock, sessionStore } = createTestApp({ ...required, store })
      const person = new Client(app, 'person')
      const login = await person.login()
      expect([login.status, login.headers.location]).toEqual([303, ENABLE])
      for (const path of [
        '/public',
        '/vault',
        '/account',
        '/two-factor',
        '/two-factor/challenge',
        '/two-factor/disable',
        '/two-factor/backup-codes',
        '/vault?x=1',
      ]) {
        const answer = await person.get(path)
        expect([path, answer.status, answer.headers.location]).toEqual([path, 303, ENABLE])
      }
      const program = person.as('program')
      expect((await program.get('/public')).body).toEqual({
        user: null,
        authenticated: false,
        state: 'must-enrol',
      })
      for (const path of ['/vault', '/two-factor', '/two-factor/challenge', '/two-factor/disable']) {
        const told = await program.get(path)
        expect([path, told.status, told.body.code, told.body.enableUrl]).toEqual([
          path,
          403,
          'enrolment_required',
          ENABLE,
        ])
      }
      expect((await read(sessionStore, sessionIdOf(person)))?.passport).toBeUndefined()
      const { phone } = await begin(person, clock.now, ENABLE)
      const before = sessionIdOf(person)
      const done = await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)
      expect(codesOn(done.text)).toHaveLength(5)
      expect(done.text).toContain('href="/vault?x=1"')
      expect(sessionIdOf(person)).not.toBe(before)
      expect((await person.get('/vault')).body).toEqual({ vault: 'u-alice' })
    })

    test('a program is told at the login', async () => {
      const { app } = createTestApp(required)
      const answer = await new Client(app).login()
      expect([answer.status, answer.body.code, answer.body.enableUrl]).toEqual([
        403,
        'enrolment_required',
        ENABLE,
      ])
    })

    test('an enrolled user is pending as ever, and cannot disable', async () => {
      const store = new FaultyStore()
      const { app, phone, clock } = await createEnrolledApp({ ...required, store })
      const person = new Client(app, 'person')
      expect((await person.login()).headers.location).toBe('/two-factor/challenge')
      clock.nextStep()
      await person.challenge(phone.code())
      expect((await person.get('/two-factor')).text).not.toContain('/two-factor/disable')
      const page = await person.get('/two-factor/disable')
      expect(page.status).toBe(403)
      const before = await dump(store)
      clock.nextStep()
      const told = await person
        .as('program')
        .post('/two-factor/disable', { code: phone.code() }, '/two-factor')
      expect([told.status, told.body.code]).toEqual([403, 'required_by_policy'])
      expect(await dump(store)).toBe(before)
    })

    test('a session that began before the demand must enrol, too', async () => {
      let policy: 'optional' | 'required' = 'optional'
      const { app } = createTestApp({
        express,
        routes,
        secondFactor: { policy: () => policy, revalidateAfter: 0 },
      })
      const client = new Client(app)
      await client.login()
      expect((await client.get('/account')).status).toBe(200)
      policy = 'required'
      expect((await client.get('/public')).body).toEqual({
        user: null,
        authenticated: false,
        state: 'must-enrol',
      })
    })

    test('what is no policy is a demand', async () => {
      const { app } = createTestApp({ express, secondFactor: { policy: () => undefined as never } })
      expect((await new Client(app).login()).body.code).toBe('enrolment_required')
    })

    test('sign out', async () => {
      const { app } = createTestApp(required)
      const person = new Client(app, 'person')
      await person.login()
      const answer = await person.post('/two-factor/challenge/cancel', {}, ENABLE)
      expect([answer.status, answer.headers.location]).toEqual([303, '/login'])
      expect((await person.get(ENABLE)).headers.location).toBe('/login')
    })

    test('it lasts ten minutes, once begun as long as the enrolment', async () => {
      const { app, clock } = createTestApp(required)
      const idle = new Client(app, 'person')
      await idle.login()
      clock.time += 599_999
      const busy = new Client(app, 'person')
      expect((await idle.get(ENABLE)).status).toBe(200)
      clock.time += 1
      expect((await idle.get(ENABLE)).headers.location).toBe('/login')
      await busy.login()
      clock.time += 599_999
      const { phone } = await begin(busy, clock.now, ENABLE)
      clock.forward(14 * 60)
      expect((await busy.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)).status).toBe(200)
    })

    test('where the enrolment ran out the password begins another', async () => {
      const { app, clock } = createTestApp(required)
      const person = new Client(app, 'person')
      await person.login()
      await begin(person, clock.now, ENABLE)
      clock.forward(15 * 60)
      expect((await person.get(ENABLE)).text).toContain('name="password"')
      expect((await person.post(ENABLE, { password: 'wrong' })).status).toBe(403)
      const answer = await person.post(ENABLE, { password: PASSWORD })
      expect([answer.status, answer.headers.location]).toEqual([303, ENABLE])
      expect(keyOn((await person.get(ENABLE)).text)).not.toBe('')
    })
  })

  describe('disabling', () => {
    test('a wrong code, then the right one; the session goes on', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      clock.nextStep()
      const wrong = await person.post('/two-factor/disable', { code: phone.wrongCode() })
      expect([wrong.status, wrong.text]).toEqual([401, expect.stringContaining('role="alert"')])
      expect((await person.get('/vault')).status).toBe(200)
      const done = await person.post('/two-factor/disable', { code: phone.code() })
      expect([done.status, done.headers.location]).toEqual([303, '/two-factor'])
      expect((await person.get('/account')).body).toMatchObject({
        user: { id: 'u-alice' },
        state: 'unenrolled',
      })
      const gate = await person.get('/vault')
      expect([gate.status, gate.headers.location]).toEqual([303, ENABLE])
      expect((await person.get('/two-factor/disable')).status).toBe(409)
      expect((await person.as('program').get('/two-factor')).body).toMatchObject({
        enabled: false,
        methods: [],
        backupCodes: { remaining: 0 },
      })
    })

    test('and an unenrolled user at a gate enables, and comes back', async () => {
      const { person, clock } = await fresh({ express })
      expect((await person.get('/vault?x=2')).headers.location).toBe(ENABLE)
      const { phone } = await begin(person, clock.now, ENABLE)
      const done = await person.post(`${ENABLE}/confirm`, { code: phone.code() }, ENABLE)
      expect(done.text).toContain('href="/vault?x=2"')
    })
  })

  describe('methods', () => {
    const pages = [
      '/two-factor',
      ENABLE,
      '/two-factor/challenge',
      '/two-factor/disable',
      '/two-factor/backup-codes',
    ]

    test('HEAD is GET without a body, and changes nothing', async () => {
      const store = new FaultyStore()
      const { app, phone, clock } = await createEnrolledApp({ express, store })
      for (const kind of ['person', 'program'] as const) {
        const client = new Client(app, kind)
        await signIn(client, phone, clock)
        const before = await dump(store)
        for (const path of pages) {
          const [get, head] = [await client.get(path), await client.send('HEAD', path)]
          expect([path, head.status, head.type]).toEqual([path, get.status, get.type])
          expect(head.text ?? '').toBe('')
          expect(head.headers['cache-control']).toBe('no-store')
        }
        expect(await dump(store)).toBe(before)
      }
    })

    test('OPTIONS lists the methods', async () => {
      const { app } = await createEnrolledApp({ express })
      const answer = await new Client(app).send('OPTIONS', '/two-factor/challenge')
      expect(answer.status).toBe(200)
      expect(String(answer.headers.allow).split(/, ?/).sort()).toEqual(['GET', 'HEAD', 'POST'])
    })

    test.each(['PUT', 'PATCH', 'DELETE'])('%s is 404 and changes nothing', async (method) => {
      const store = new FaultyStore()
      const { app, phone, clock } = await createEnrolledApp({ express, store })
      const client = new Client(app)
      await signIn(client, phone, clock)
      const { csrfToken } = (await client.get('/two-factor')).body
      const before = await dump(store)
      for (const path of [...pages, '/two-factor/challenge/cancel', '/two-factor/enable/confirm']) {
        const answer = await client.send(method, path, { code: phone.code(1) }, { 'x-csrf-token': csrfToken })
        expect([path, answer.status]).toEqual([path, 404])
      }
      expect(await dump(store)).toBe(before)
    })

    test('POST where only GET is, GET where only POST is, and what there is not: 404', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      for (const [method, path] of [
        ['POST', '/two-factor'],
        ['GET', '/two-factor/enable/confirm'],
        ['GET', '/two-factor/enable/cancel'],
        ['GET', '/two-factor/challenge/cancel'],
        ['GET', '/two-factor/nothing'],
        ['POST', '/two-factor/nothing'],
        ['GET', '/two-factor/assets/../challenge.ejs'],
        ['GET', '/two-factor/assets/..%2fchallenge.ejs'],
      ] as const) {
        expect([path, (await client.send(method, path)).status]).toEqual([path, 404])
      }
    })

    test('a method override is not heard', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      clock.nextStep()
      const { csrfToken } = (await client.get('/two-factor')).body
      await client.get(`/two-factor/disable?_method=POST&code=${phone.code()}`, {
        'x-http-method-override': 'POST',
        'x-csrf-token': csrfToken,
      })
      expect((await client.get('/two-factor')).body.enabled).toBe(true)
    })
  })
})
