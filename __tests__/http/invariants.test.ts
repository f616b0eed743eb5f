import type { Express } from 'express'
import { createSecondFactor, MemoryStore } from 'express-second-factor'
import session from 'express-session'
import {
  createTestApp,
  expresses,
  hostPassport,
  KEY,
  PASSWORD,
  type TestAppOptions,
  users,
} from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { type Fault, FaultyStore } from '../support/faulty-store'
import { serve } from '../support/server'
import { change, createPlainApp, RecordingSessions, read, sessionIdOf } from '../support/sessions'

/** What hosts do with their sessions. */
function hostRoutes(app: Express): void {
  app.get('/login', (_req, res) => {
    res.send('the login page')
  })
  app.get('/public', (req, res) => {
    res.json({ user: req.user ?? null, authenticated: req.isAuthenticated(), state: req.secondFactor?.state })
  })
  app.post('/public', (req, res) => {
    res.json({ user: req.user ?? null, authenticated: req.isAuthenticated() })
  })
  app.post('/cart', (req, res) => {
    Object.assign(req.session, { cart: ['book'], language: 'pt-BR' })
    req.session.cookie.maxAge = 86_400_000
    res.sendStatus(204)
  })
  app.get('/cart', (req, res) => {
    const { cart, language } = req.session as unknown as Record<string, unknown>
    // In seconds: express-session loses a millisecond now and then.
    const { originalMaxAge } = req.session.cookie
    res.json({ cart, language, maxAge: originalMaxAge && Math.round(originalMaxAge / 1000) })
  })
  app.post('/login-keep', hostPassport.authenticate('local', { keepSessionInfo: true }), (_req, res) => {
    res.sendStatus(204)
  })
  app.post('/logout-keep', (req, res, next) =>
    req.logout({ keepSessionInfo: true }, (error) => (error ? next(error) : res.sendStatus(204))),
  )
}

const routed = (options: TestAppOptions = {}) => createEnrolledApp({ routes: hostRoutes, ...options })
const credentials = (username: string) => ({ username, password: PASSWORD })

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  describe('1. a pending session is an anonymous session', () => {
    test('no write of it says that somebody is logged in, not even one', async () => {
      const sessionStore = new RecordingSessions()
      const { app, phone, clock } = await routed({ express, sessionStore })
      const client = new Client(app)
      await client.send('POST', '/cart')
      sessionStore.writes.length = 0
      await client.login()
      await client.send('POST', '/cart')
      await client.as('person').get('/vault')
      await client.challenge(phone.wrongCode())
      await client.challenge('no code')
      await client.send('POST', '/login-keep', credentials('alice'))

      expect(sessionStore.writes.length).toBeGreaterThanOrEqual(3)
      for (const write of sessionStore.writes) {
        expect(write.passport).toBeUndefined()
        expect(JSON.stringify(write)).not.toContain(PASSWORD)
        expect(write.secondFactor).toMatchObject({ state: 'pending', user: 'u-alice' })
      }
      clock.nextStep()
      await client.challenge(phone.code())
      expect(sessionStore.writes.at(-1)?.passport).toEqual({ user: 'u-alice' })
      expect(JSON.stringify(sessionStore.writes)).not.toContain(PASSWORD)
    })

    test('nor when somebody else is logged in and the session is kept', async () => {
      const sessionStore = new RecordingSessions()
      const { app } = await routed({ express, sessionStore })
      const client = new Client(app)
      await client.login('bob')
      expect(sessionStore.writes.at(-1)?.passport).toEqual({ user: 'u-bob' })
      sessionStore.writes.length = 0
      await client.send('POST', '/login-keep', credentials('alice'))
      expect(sessionStore.writes.length).toBeGreaterThan(0)
      for (const write of sessionStore.writes) expect(write.passport).toBeUndefined()
    })

    test('the host sees nobody', async () => {
      const { app } = await routed({ express })
      const client = new Client(app)
      await client.login()
      expect((await client.get('/public')).body).toEqual({
        user: null,
        authenticated: false,
        state: 'pending',
      })
      expect((await client.send('POST', '/public')).body).toEqual({ user: null, authenticated: false })
    })

    test('a process without the plugin sees nobody, and sees the user afterwards', async () => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const client = new Client(app)
      const elsewhere = new Client(createPlainApp(sessionStore))
      elsewhere.cookies = client.cookies
      await client.login()
      expect((await elsewhere.get('/who')).body).toEqual({ user: null })
      clock.nextStep()
      await client.challenge(phone.code())
      expect((await elsewhere.get('/who')).body).toMatchObject({ user: { id: 'u-alice' } })
    })
  })

  describe('2. the login does not go on until the factor is proven', () => {
    test('people are led to the challenge, programs are told', async () => {
      const { app } = await routed({ express })
      const page = await new Client(app, 'person').login()
      expect([page.status, page.headers.location]).toEqual([303, '/two-factor/challenge'])
      const answer = await new Client(app).login()
      expect(answer.status).toBe(403)
      expect(answer.body).toMatchObject({
        code: 'second_factor_required',
        challengeUrl: '/two-factor/challenge',
      })
    })

    test.each(['/login', '/login-keep'])(
      'a further login of the same account by %s is half a login of its own',
      async (path) => {
        const { app, sessionStore, phone, clock } = await routed({ express })
        const client = new Client(app)
        await client.login()
        const id = sessionIdOf(client)
        const before = (await read(sessionStore, id))?.secondFactor
        clock.forward(60)
        expect((await client.send('POST', path, credentials('alice'))).status).toBe(403)
        expect(sessionIdOf(client)).not.toBe(id)
        expect(await read(sessionStore, id)).toBeNull()
        const after = (await read(sessionStore, sessionIdOf(client)))?.secondFactor
        expect(after).toEqual({
          ...before,
          csrf: expect.any(String),
          loginAt: clock.now(),
          heldAt: clock.now(),
        })
        expect(after?.csrf).not.toBe(before?.csrf)
        expect((await client.challenge(phone.code())).status).toBe(200)
      },
    )

    test.each(['/login', '/login-keep'])('a login of another account by %s replaces it', async (path) => {
      const { app, store, sessionStore, phone, clock } = await routed({ express })
      const bobs = await putEnrolled(store, clock, 'bob')
      const client = new Client(app)
      await client.login()
      const id = sessionIdOf(client)
      expect((await client.send('POST', path, credentials('bob'))).status).toBe(403)
      expect(sessionIdOf(client)).not.toBe(id)
      expect(await read(sessionStore, id)).toBeNull()
      clock.nextStep()
      expect((await client.challenge(phone.code())).status).toBe(401)
      expect((await client.challenge(bobs.phone.code())).status).toBe(200)
      expect((await client.get('/vault')).body).toEqual({ vault: 'u-bob' })
    })

    test.each(['/login', '/login-keep'])('so does one without a second factor by %s', async (path) => {
      const { app, sessionStore } = await routed({ express })
      const client = new Client(app)
      await client.login()
      await client.send('POST', path, credentials('bob'))
      expect((await client.get('/account')).body).toMatchObject({
        user: { id: 'u-bob' },
        state: 'unenrolled',
      })
      expect(JSON.stringify(await read(sessionStore, sessionIdOf(client)))).not.toContain('alice')
    })

    test.each(['/logout', '/logout-keep'])('%s ends it', async (path) => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const client = new Client(app)
      await client.login()
      const { csrfToken } = (await client.get('/two-factor/challenge')).body
      const stolen = client.copy()
      expect((await client.send('POST', path)).status).toBe(204)
      clock.nextStep()
      for (const one of [client, stolen]) {
        const answer = await one.send(
          'POST',
          '/two-factor/challenge',
          { code: phone.code() },
          { 'x-csrf-token': csrfToken },
        )
        expect([answer.status, answer.body.code]).toEqual([401, 'not_authenticated'])
        expect(JSON.stringify(await read(sessionStore, sessionIdOf(one)))).not.toContain('alice')
      }
    })

    test('it ends after ten minutes', async () => {
      const { app, phone, clock } = await routed({ express })
      const client = new Client(app)
      await client.login()
      clock.forward(599)
      const { body } = await client.get('/two-factor/challenge')
      expect(body.expiresAt).toBe(new Date(clock.time + 1000).toISOString())
      clock.forward(1)
      const late = await client.send(
        'POST',
        '/two-factor/challenge',
        { code: phone.code() },
        { 'x-csrf-token': body.csrfToken },
      )
      expect([late.status, late.body.code]).toEqual([401, 'not_authenticated'])
      const page = await client.as('person').get('/two-factor/challenge')
      expect([page.status, page.headers.location]).toEqual([303, '/login'])
      // And a new login begins anew.
      await client.login()
      expect((await client.challenge(phone.code())).status).toBe(200)
    })

    test('it lasts until the very end of the ten minutes', async () => {
      const { app, phone, clock } = await routed({ express })
      const client = new Client(app)
      await client.login()
      clock.time += 599_999
      expect((await client.challenge(phone.code())).status).toBe(200)
    })

    test.each([
      ['program', 204, undefined],
      ['person', 303, '/login'],
    ] as const)('cancel: %s', async (kind, status, location) => {
      const { app } = await routed({ express })
      const client = new Client(app, kind)
      await client.login()
      const old = client.copy()
      const answer = await client.post('/two-factor/challenge/cancel', {}, '/two-factor/challenge')
      expect([answer.status, answer.headers.location]).toEqual([status, location])
      for (const one of [client, old]) {
        expect((await one.as('program').get('/two-factor/challenge')).body.code).toBe('not_authenticated')
      }
    })
  })

  describe('3. navigations are led to the challenge and back', () => {
    const html = 'text/html,*/*;q=0.8'
    test.each([
      ['GET', { accept: html }, true],
      ['GET', { accept: html, 'sec-fetch-dest': 'document' }, true],
      ['GET', { accept: 'application/json', 'sec-fetch-dest': 'document' }, true],
      ['HEAD', { accept: html }, true],
      ['HEAD', { accept: 'application/json', 'sec-fetch-dest': 'document' }, true],
      ['GET', { accept: html, 'sec-fetch-dest': 'empty' }, false],
      ['GET', { accept: html, 'sec-fetch-dest': 'iframe' }, false],
      ['GET', { accept: 'image/*', 'sec-fetch-dest': 'image' }, false],
      ['GET', { accept: 'application/json' }, false],
      ['GET', { accept: '*/*' }, false],
      ['HEAD', { accept: '*/*' }, false],
      ['POST', { accept: html }, false],
      ['POST', { accept: html, 'sec-fetch-dest': 'document' }, false],
    ] as const)('%s with %j: %s', async (method, headers, led) => {
      const { app, phone, clock } = await routed({ express })
      const client = new Client(app)
      await client.login()
      const answer = await client.send(method, '/public?a=1&b=%2F', undefined, headers)
      expect([answer.status, answer.headers.location]).toEqual(
        led ? [303, '/two-factor/challenge'] : [200, undefined],
      )
      if (!led && method !== 'HEAD') expect(answer.body).toMatchObject({ user: null, authenticated: false })
      clock.nextStep()
      const { redirectTo } = (await client.challenge(phone.code())).body
      expect(redirectTo).toBe(led ? '/public?a=1&b=%2F' : '/account')
    })

    test('the last one counts, and the way back is used once', async () => {
      const { app, phone, clock } = await routed({ express })
      const person = new Client(app, 'person')
      await person.login()
      await person.get('/vault')
      await person.get('/transfer?to=1')
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/transfer?to=1')
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/')
    })

    test.each([
      ['/login', 200],
      ['/login?failed=1', 200],
      ['/two-factor/challenge', 200],
      ['/two-factor/assets/none.css', 404],
    ])('%s is exempt', async (path, status) => {
      const { app, phone, clock } = await routed({ express })
      const person = new Client(app, 'person')
      await person.login()
      expect((await person.get(path)).status).toBe(status)
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/account')
    })

    test.each(['/two-factorial', '/logins', '/login/x'])('%s is not', async (path) => {
      const { app } = await routed({ express })
      const person = new Client(app, 'person')
      await person.login()
      expect((await person.get(path)).headers.location).toBe('/two-factor/challenge')
    })

    test('a page of the plugin that needs the factor is come back to', async () => {
      const { app, phone, clock } = await routed({ express })
      const person = new Client(app, 'person')
      await person.login()
      const answer = await person.get('/two-factor/backup-codes')
      expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor/challenge'])
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/two-factor/backup-codes')
    })

    test('what could lead to another site is never come back to', async () => {
      const { app, phone, clock } = await routed({ express })
      const server = await serve(app)
      for (const target of [
        '//evil.example/x',
        '/\\evil.example',
        '/x\\y',
        'http://evil.example/x',
        `/${'x'.repeat(2048)}`,
      ]) {
        const person = new Client(app, 'person')
        await person.login()
        expect(await server.navigate(person, target)).toEqual({
          status: 303,
          location: '/two-factor/challenge',
        })
        clock.nextStep()
        expect([target, (await person.challenge(phone.code())).headers.location]).toEqual([
          target,
          '/account',
        ])
      }
      const person = new Client(app, 'person')
      await person.login()
      await server.navigate(person, '/x?to=//evil.example%0d%0a')
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/x?to=//evil.example%0d%0a')
    })
  })

  describe('4. the session id changes at the password, the second factor and the step-up', () => {
    test('and what the session holds survives, its lifetime too', async () => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const client = new Client(app)
      await client.send('POST', '/cart')
      const ids = [sessionIdOf(client)]
      await client.send('POST', '/login-keep', credentials('alice'))
      ids.push(sessionIdOf(client))
      expect((await client.get('/cart')).body).toEqual({
        cart: ['book'],
        language: 'pt-BR',
        maxAge: 86_400,
      })
      for (const _step of ['second factor', 'step-up']) {
        clock.nextStep()
        const answer = await client.challenge(phone.code())
        expect(answer.status).toBe(200)
        expect(String(answer.headers['set-cookie'])).toMatch(/connect\.sid=.*; Expires=/)
        ids.push(sessionIdOf(client))
        expect((await client.get('/cart')).body).toEqual({
          cart: ['book'],
          language: 'pt-BR',
          maxAge: 86_400,
        })
      }
      expect(new Set(ids).size).toBe(4)
      for (const old of ids.slice(0, -1)) expect(await read(sessionStore, old)).toBeNull()
    })

    test('at the password Passport’s own rule holds', async () => {
      const { app } = await routed({ express })
      const client = new Client(app)
      await client.send('POST', '/cart')
      await client.login()
      expect((await client.get('/cart')).body).toEqual({ maxAge: null })
    })

    test('a session that ends with the browser still does', async () => {
      const { app, phone, clock } = await routed({ express })
      const client = new Client(app)
      const answer = await signIn(client, phone, clock)
      expect(String(answer.headers['set-cookie'])).not.toMatch(/Expires|Max-Age/i)
    })

    test('enabling changes it too', async () => {
      const { app, sessionStore, clock } = createTestApp({ express, routes: hostRoutes })
      const client = new Client(app)
      await client.login()
      const before = sessionIdOf(client)
      await enrol(client, clock.now)
      expect(sessionIdOf(client)).not.toBe(before)
      expect(await read(sessionStore, before)).toBeNull()
    })
  })

  describe('5. the proof is bound to account and epoch', () => {
    const atOnce = { revalidateAfter: 0 }

    /** The same accounts and sessions in another process. */
    function anotherProcess(from: Awaited<ReturnType<typeof routed>>, client: Client, options = {}) {
      const { app } = createTestApp({
        express,
        store: from.store,
        sessionStore: from.sessionStore,
        clock: from.clock,
        routes: hostRoutes,
        secondFactor: options,
      })
      const there = new Client(app)
      there.cookies = client.cookies
      return there
    }

    test('disabled in one session, the other is out at once, and the acting one goes on', async () => {
      const { app, phone, clock, backupCodes } = await routed({ express, secondFactor: atOnce })
      const acting = new Client(app)
      const other = new Client(app)
      await signIn(acting, phone, clock)
      await signIn(other, phone, clock)
      expect((await other.get('/vault')).status).toBe(200)
      expect((await acting.post('/two-factor/disable', { code: backupCodes[0] })).status).toBe(200)
      expect((await other.get('/account')).body).toEqual({ state: 'anonymous' })
      expect((await acting.get('/account')).body).toMatchObject({
        user: { id: 'u-alice' },
        state: 'unenrolled',
      })
    })

    test('another process notices within 60 seconds', async () => {
      const here = await routed({ express })
      const { app, phone, clock, backupCodes } = here
      const acting = new Client(app)
      const other = new Client(app)
      await signIn(acting, phone, clock)
      await signIn(other, phone, clock)
      const there = anotherProcess(here, other)
      expect((await there.get('/vault')).status).toBe(200)
      await acting.post('/two-factor/disable', { code: backupCodes[0] })
      clock.time += 59_999
      expect((await there.get('/vault')).status).toBe(200)
      clock.time += 1
      expect((await there.get('/vault')).status).toBe(401)
      expect((await there.get('/account')).body).toEqual({ state: 'anonymous' })
    })

    test('with revalidateAfter 0 at once', async () => {
      const here = await routed({ express })
      const { app, phone, clock, backupCodes } = here
      const acting = new Client(app)
      const other = new Client(app)
      await signIn(acting, phone, clock)
      await signIn(other, phone, clock)
      const there = anotherProcess(here, other, atOnce)
      expect((await there.get('/vault')).status).toBe(200)
      await acting.post('/two-factor/disable', { code: backupCodes[0] })
      expect((await there.get('/vault')).status).toBe(401)
    })

    test('enabled in one session, the other is pending, and the acting one goes on', async () => {
      const { app, clock } = createTestApp({ express, routes: hostRoutes, secondFactor: atOnce })
      const acting = new Client(app)
      const other = new Client(app)
      await other.login()
      expect((await other.get('/account')).body.state).toBe('unenrolled')
      const { authenticator } = await enrol(acting, clock.now)
      expect((await acting.get('/vault')).status).toBe(200)
      expect((await other.get('/account')).body).toEqual({ state: 'pending' })
      expect((await other.get('/vault')).body.code).toBe('second_factor_required')
      clock.nextStep()
      expect((await other.challenge(authenticator.code())).status).toBe(200)
      expect((await other.get('/vault')).status).toBe(200)
      expect((await acting.get('/vault')).status).toBe(200)
    })

    test('a session that falls back to pending is stored as one', async () => {
      const sessionStore = new RecordingSessions()
      const { app, secondFactor, phone, clock } = await routed({
        express,
        sessionStore,
        secondFactor: atOnce,
      })
      const client = new Client(app)
      await signIn(client, phone, clock)
      await secondFactor.revokeSessions('u-alice')
      await client.get('/public')
      expect(sessionStore.writes.at(-1)?.passport).toBeUndefined()
      expect(sessionStore.writes.at(-1)?.secondFactor).toMatchObject({ state: 'pending', user: 'u-alice' })
    })

    test('revokeSessions: verified sessions prove themselves again, pending ones are over', async () => {
      const { app, secondFactor, phone, clock } = await routed({ express, secondFactor: atOnce })
      const verified = new Client(app)
      const pending = new Client(app)
      await signIn(verified, phone, clock)
      await pending.login()
      const { csrfToken } = (await pending.get('/two-factor/challenge')).body
      await secondFactor.revokeSessions('u-alice')
      expect((await verified.get('/account')).body).toEqual({ state: 'pending' })
      clock.nextStep()
      const late = await pending.send(
        'POST',
        '/two-factor/challenge',
        { code: phone.code() },
        { 'x-csrf-token': csrfToken },
      )
      expect([late.status, late.body.code]).toEqual([401, 'not_authenticated'])
      // The code was not spent by it.
      expect((await verified.challenge(phone.code())).status).toBe(200)
    })

    test('revokeSessions ends unenrolled sessions', async () => {
      const { app, secondFactor } = await routed({ express, secondFactor: atOnce })
      const client = new Client(app)
      await client.login('bob')
      expect((await client.get('/account')).status).toBe(200)
      await secondFactor.revokeSessions('u-bob')
      expect((await client.get('/account')).body).toEqual({ state: 'anonymous' })
      await client.login('bob')
      expect((await client.get('/account')).status).toBe(200)
    })

    test('a step-up of a revoked session, before it is noticed, changes nothing', async () => {
      const here = await routed({ express })
      const { app, phone, clock, secondFactor } = here
      const client = new Client(app)
      await signIn(client, phone, clock)
      const there = anotherProcess(here, client)
      expect((await there.get('/vault')).status).toBe(200)
      const { csrfToken } = (await there.get('/two-factor/challenge')).body
      await secondFactor.revokeSessions('u-alice')
      clock.nextStep()
      const answer = await there.send(
        'POST',
        '/two-factor/challenge',
        { code: phone.code() },
        { 'x-csrf-token': csrfToken },
      )
      expect([answer.status, answer.body.code]).toEqual([403, 'second_factor_required'])
      expect((await there.get('/account')).body).toEqual({ state: 'pending' })
      expect((await there.challenge(phone.code())).status).toBe(200)
    })

    test('a session proven in another process is not thrown out by what this one remembers', async () => {
      const here = await routed({ express })
      const { app, phone, clock, backupCodes } = here
      const old = new Client(app)
      await signIn(old, phone, clock)
      const acting = new Client(app)
      await signIn(acting, phone, clock)
      const there = anotherProcess(here, acting)
      expect((await old.get('/vault')).status).toBe(200)
      await there.post('/two-factor/disable', { code: backupCodes[0] })
      await enrol(there, clock.now)
      const here2 = new Client(app)
      here2.cookies = there.cookies
      expect((await here2.get('/vault')).status).toBe(200)
      // And what this process has learned from it counts for the older session.
      expect((await old.get('/account')).body).toEqual({ state: 'pending' })
    })

    test('nor is a session that has disabled it elsewhere', async () => {
      const here = await routed({ express })
      const { app, phone, clock, backupCodes } = here
      const client = new Client(app)
      await signIn(client, phone, clock)
      const there = anotherProcess(here, client)
      expect((await there.get('/vault')).status).toBe(200)
      await client.post('/two-factor/disable', { code: backupCodes[0] })
      expect((await there.get('/account')).body).toMatchObject({
        user: { id: 'u-alice' },
        state: 'unenrolled',
      })
      expect((await client.get('/account')).body).toMatchObject({
        user: { id: 'u-alice' },
        state: 'unenrolled',
      })
    })

    test('disabled and enabled again, no older session counts', async () => {
      const { app, phone, clock, backupCodes } = await routed({ express, secondFactor: atOnce })
      const old = new Client(app)
      const acting = new Client(app)
      await signIn(old, phone, clock)
      await signIn(acting, phone, clock)
      await acting.post('/two-factor/disable', { code: backupCodes[0] })
      await enrol(acting, clock.now)
      expect((await old.get('/account')).body).toEqual({ state: 'pending' })
    })

    test('forgotten, its id inherits nothing: not even what an old session has proven', async () => {
      const { app, secondFactor, phone, clock } = await routed({ express, secondFactor: atOnce })
      const old = new Client(app)
      await signIn(old, phone, clock)
      await secondFactor.forget('u-alice')
      const successor = new Client(app)
      expect((await successor.login()).headers.location).toBe('/account')
      expect((await successor.get('/account')).body.state).toBe('unenrolled')
      await enrol(successor, clock.now)
      expect((await old.get('/account')).status).toBe(401)
      expect((await old.get('/vault')).status).not.toBe(200)
    })

    test('new backup codes end no session', async () => {
      const { app, phone, clock } = await routed({ express, secondFactor: atOnce })
      const acting = new Client(app)
      const other = new Client(app)
      await signIn(other, phone, clock)
      await signIn(acting, phone, clock)
      expect((await acting.post('/two-factor/backup-codes')).status).toBe(200)
      expect((await other.get('/vault')).status).toBe(200)
    })

    test.each(['/logout', '/logout-keep'])('it does not survive %s', async (path) => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      await client.send('POST', '/cart')
      const stolen = client.copy()
      await client.send('POST', path)
      expect(JSON.stringify(await read(sessionStore, sessionIdOf(client)))).not.toContain('secondFactor')
      for (const one of [client, stolen]) {
        expect((await one.get('/vault')).body.code).toBe('not_authenticated')
        expect((await one.send('POST', '/login-keep', credentials('alice'))).status).toBe(403)
        expect((await one.get('/vault')).body.code).toBe('second_factor_required')
      }
    })

    test.each(['/login', '/login-keep'])('nor another user’s %s', async (path) => {
      const { app, store, phone, clock } = await routed({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      await client.send('POST', path, credentials('bob'))
      expect((await client.get('/vault')).body.code).toBe('enrolment_required')
      expect((await client.send('POST', path, credentials('alice'))).status).toBe(403)
      expect((await client.get('/vault')).body.code).toBe('second_factor_required')
      // And where the other one has a second factor too.
      clock.nextStep()
      await client.challenge(phone.code())
      expect((await client.get('/vault')).status).toBe(200)
      await putEnrolled(store, clock, 'bob')
      clock.forward(60)
      expect((await client.send('POST', path, credentials('bob'))).status).toBe(403)
      expect((await client.get('/vault')).body.code).toBe('second_factor_required')
    })

    test('the same user’s login in the session keeps it', async () => {
      const { app, phone, clock } = await routed({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      expect((await client.login()).headers.location).toBe('/account')
      expect((await client.get('/vault')).status).toBe(200)
    })

    test('a login of Passport’s user that the host swaps in the store does not inherit it', async () => {
      const { app, store, sessionStore, phone, clock } = await routed({ express })
      await putEnrolled(store, clock, 'bob')
      const client = new Client(app)
      await signIn(client, phone, clock)
      await change(sessionStore, sessionIdOf(client), (data) => {
        data.passport.user = 'u-bob'
      })
      expect((await client.get('/vault')).body.code).toBe('second_factor_required')
    })
  })

  describe('6. a session without the marker is evaluated at its next request', () => {
    test('enrolled: pending at once, and stored so', async () => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const client = new Client(app)
      const before = new Client(createPlainApp(sessionStore))
      before.cookies = client.cookies
      expect((await before.login()).status).toBe(204)
      expect((await before.get('/who')).body).toMatchObject({ user: { id: 'u-alice' } })
      expect((await client.get('/account')).body).toEqual({ state: 'pending' })
      expect((await before.get('/who')).body).toEqual({ user: null })
      clock.nextStep()
      expect((await client.challenge(phone.code())).status).toBe(200)
      expect((await client.get('/vault')).status).toBe(200)
    })

    test('enrolled and on the way: led to the challenge and back', async () => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const person = new Client(app, 'person')
      const before = new Client(createPlainApp(sessionStore))
      before.cookies = person.cookies
      await before.login()
      expect((await person.get('/vault?x=1')).headers.location).toBe('/two-factor/challenge')
      clock.nextStep()
      expect((await person.challenge(phone.code())).headers.location).toBe('/vault?x=1')
    })

    test('not enrolled: goes on, but is not fresh enough to enable without the password', async () => {
      const { app, sessionStore } = await routed({ express })
      const client = new Client(app)
      const before = new Client(createPlainApp(sessionStore))
      before.cookies = client.cookies
      await before.login('bob')
      expect((await client.get('/account')).body).toMatchObject({
        user: { id: 'u-bob' },
        state: 'unenrolled',
      })
      expect((await client.post('/two-factor/enable', {}, '/two-factor')).body.code).toBe('password_required')
      expect((await client.post('/two-factor/enable', { password: PASSWORD }, '/two-factor')).status).toBe(
        201,
      )
    })

    test('demanded by the host: it must enrol', async () => {
      const { app, sessionStore } = await routed({ express, secondFactor: { policy: () => 'required' } })
      const client = new Client(app)
      const before = new Client(createPlainApp(sessionStore))
      before.cookies = client.cookies
      await before.login('bob')
      expect((await client.get('/account')).body).toEqual({ state: 'must-enrol' })
    })

    test('a marker that is half a login beside Passport’s user is no login', async () => {
      const { app, sessionStore } = await routed({ express })
      const client = new Client(app)
      await client.login()
      await change(sessionStore, sessionIdOf(client), (data) => {
        data.passport = { user: 'u-alice' }
      })
      expect((await client.get('/account')).body).toEqual({ state: 'pending' })
    })

    test('a proof without Passport’s user is no login', async () => {
      const { app, sessionStore, phone, clock } = await routed({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      await change(sessionStore, sessionIdOf(client), (data) => {
        delete data.passport
      })
      expect((await client.get('/vault')).body.code).toBe('not_authenticated')
      expect((await read(sessionStore, sessionIdOf(client)))?.secondFactor).toBeUndefined()
    })
  })

  describe('7. closed in doubt', () => {
    const faults: Exclude<Fault, null>[] = [
      'get rejects',
      'get throws',
      'the record is unreadable',
      'the record was altered',
      'the record is of another account',
      'the record says deactivated',
      'the store answers undefined',
    ]

    async function faulty(options: TestAppOptions = {}) {
      const store = new FaultyStore()
      const made = await routed({ express, store, secondFactor: { revalidateAfter: 0 }, ...options })
      await putEnrolled(store, made.clock, 'bob')
      return { ...made, store }
    }

    test.each(faults)(
      '%s: gates and pages answer 503, public pages stay up, nobody is logged in',
      async (fault) => {
        const { app, store, phone, clock } = await faulty()
        const client = new Client(app)
        const person = client.as('person')
        await signIn(client, phone, clock)
        store.fault = fault
        for (const path of [
          '/vault',
          '/transfer',
          '/two-factor',
          '/two-factor/enable',
          '/two-factor/challenge',
          '/two-factor/backup-codes',
          '/two-factor/disable',
        ]) {
          const answer = await client.get(path)
          expect([path, answer.status, answer.body.code]).toEqual([path, 503, 'unavailable'])
          expect(answer.type).toBe('application/problem+json')
          const page = await person.get(path)
          expect([path, page.status, page.type]).toEqual([path, 503, 'text/html'])
          expect(page.headers['cache-control']).toBe('no-store')
        }
        for (const path of [
          '/two-factor/enable',
          '/two-factor/enable/confirm',
          '/two-factor/challenge',
          '/two-factor/challenge/cancel',
          '/two-factor/backup-codes',
          '/two-factor/disable',
        ]) {
          expect([path, (await client.send('POST', path, { code: phone.code() })).status]).toEqual([
            path,
            503,
          ])
        }
        expect((await client.get('/account')).body).toEqual({ state: 'unavailable' })
        for (const one of [client, person]) {
          const open = await one.get('/public')
          expect([open.status, open.body]).toEqual([
            200,
            { user: null, authenticated: false, state: 'unavailable' },
          ])
        }
        store.fault = null
        expect((await client.get('/vault')).status).toBe(200)
      },
    )

    test.each(faults)('%s: a login answers 503, and works again afterwards', async (fault) => {
      const { app, store, phone, clock } = await faulty()
      store.fault = fault
      for (const kind of ['program', 'person'] as const) {
        const client = new Client(app, kind)
        const login = await client.login()
        expect(login.status).toBe(503)
        expect(login.headers.location).toBeUndefined()
        if (kind === 'program') expect(login.body.code).toBe('unavailable')
        expect((await client.get('/public')).body).toMatchObject({ user: null, authenticated: false })
      }
      store.fault = null
      const client = new Client(app)
      await signIn(client, phone, clock)
      expect((await client.get('/vault')).status).toBe(200)
    })

    test.each(faults)('%s: a pending session stays pending, and goes on afterwards', async (fault) => {
      const { app, store, phone, clock } = await faulty()
      const client = new Client(app)
      await client.login()
      const { csrfToken } = (await client.get('/two-factor/challenge')).body
      clock.nextStep()
      store.fault = fault
      const submit = () =>
        client.send('POST', '/two-factor/challenge', { code: phone.code() }, { 'x-csrf-token': csrfToken })
      const answer = await submit()
      expect([answer.status, answer.body.code]).toEqual([503, 'unavailable'])
      expect((await client.get('/public')).body).toEqual({
        user: null,
        authenticated: false,
        state: 'pending',
      })
      expect((await client.get('/two-factor/challenge')).status).toBe(503)
      store.fault = null
      expect((await submit()).status).toBe(200)
    })

    test.each(['get rejects', 'the store answers undefined'] as const)(
      '%s: an unenrolled account is not let on either',
      async (fault) => {
        const { app, store } = await faulty()
        await store.delete('u-bob')
        const client = new Client(app)
        await client.login('bob')
        expect((await client.get('/account')).status).toBe(200)
        store.fault = fault
        expect((await client.get('/account')).body).toEqual({ state: 'unavailable' })
        expect((await client.get('/vault')).status).toBe(503)
        store.fault = null
        expect((await client.get('/account')).status).toBe(200)
      },
    )

    test('compareAndSet rejects: no code is accepted, nothing is changed, and the same code works afterwards', async () => {
      const { app, store, phone, clock } = await faulty()
      const client = new Client(app)
      await client.login()
      clock.nextStep()
      store.fault = 'compareAndSet rejects'
      for (const code of [phone.code(), phone.wrongCode()]) {
        const answer = await client.challenge(code)
        expect([answer.status, answer.body.code]).toEqual([503, 'unavailable'])
        expect((await client.get('/vault')).body.code).toBe('second_factor_required')
      }
      const page = await client.as('person').challenge(phone.code())
      expect([page.status, page.type]).toEqual([503, 'text/html'])
      store.fault = null
      expect((await client.challenge(phone.code())).status).toBe(200)
      for (const [path, body] of [
        ['/two-factor/disable', { code: phone.code(1) }],
        ['/two-factor/backup-codes', {}],
      ] as const) {
        store.fault = 'compareAndSet rejects'
        expect([path, (await client.post(path, body)).status]).toEqual([path, 503])
        store.fault = null
        expect((await client.get('/vault')).status).toBe(200)
      }
      expect((await client.post('/two-factor/disable', { code: phone.code(1) })).status).toBe(200)
    })

    test('compareAndSet rejects while enabling: not enabled, no codes shown, and it works afterwards', async () => {
      const store = new FaultyStore()
      const { app, clock } = createTestApp({ express, store })
      const client = new Client(app)
      await client.login()
      store.fault = 'compareAndSet rejects'
      await expect(enrol(client, clock.now)).rejects.toThrow('503')
      expect((await client.get('/two-factor')).body).toMatchObject({ state: 'unenrolled', enabled: false })
      store.fault = null
      await enrol(client, clock.now)
      expect((await client.get('/vault')).status).toBe(200)
    })

    test('the key is missing', async () => {
      const { store, sessionStore, clock, app, phone } = await routed({ express })
      const client = new Client(app)
      await signIn(client, phone, clock)
      const other = createTestApp({
        express,
        store,
        sessionStore,
        clock,
        routes: hostRoutes,
        secondFactor: { keys: [Buffer.from('another key of exactly 32 bytes!').toString('base64')] },
      })
      const there = new Client(other.app)
      there.cookies = client.cookies
      expect((await there.get('/vault')).body.code).toBe('unavailable')
      expect((await there.get('/public')).body).toEqual({
        user: null,
        authenticated: false,
        state: 'unavailable',
      })
      expect((await new Client(other.app).login()).status).toBe(503)
      // With both keys everything works.
      const both = createTestApp({
        express,
        store,
        sessionStore,
        clock,
        routes: hostRoutes,
        secondFactor: { keys: [Buffer.from('another key of exactly 32 bytes!').toString('base64'), KEY] },
      })
      const again = new Client(both.app)
      again.cookies = client.cookies
      expect((await again.get('/vault')).status).toBe(200)
    })

    test('status rejects with 503', async () => {
      const { store, secondFactor } = await faulty()
      store.fault = 'get rejects'
      await expect(secondFactor.status('u-alice')).rejects.toMatchObject({ status: 503, code: 'unavailable' })
      await expect(secondFactor.revokeSessions('u-alice')).rejects.toMatchObject({ status: 503 })
    })

    test('a row that has gone does not make a verified session one without a second factor', async () => {
      const { app, store, phone, clock } = await faulty()
      const client = new Client(app)
      await signIn(client, phone, clock)
      await store.delete('u-alice')
      expect((await client.get('/account')).body).toEqual({ state: 'anonymous' })
    })

    test('an option account that fails leaves no user to the error handler, and nothing is lost', async () => {
      let fails = false
      const account = (user: { id: string; email: string }) => {
        if (fails) throw new Error('no such tenant')
        return { id: user.id, name: user.email }
      }
      const { app, phone, clock } = await routed({
        express,
        secondFactor: { account },
      })
      app.use(((_error, req, res, _next) => {
        const { user = null, secondFactor } = req
        res.status(500).json({ user, authenticated: req.isAuthenticated(), state: secondFactor?.state })
      }) as import('express').ErrorRequestHandler)
      // Settled at once, and with a look at the store.
      const [alice, bob] = [new Client(app), new Client(app)]
      await signIn(alice, phone, clock)
      await bob.login('bob')
      fails = true
      for (const client of [alice, bob]) {
        const { status, body } = await client.get('/public')
        expect([status, body]).toEqual([500, { user: null, authenticated: false, state: 'unavailable' }])
      }
      fails = false
      for (const client of [alice, bob]) expect((await client.get('/account')).status).toBe(200)
    })

    test('a policy that fails lets nobody in', async () => {
      let fails = false
      const policy = () => {
        if (fails) throw new Error('the directory is away')
        return 'optional' as const
      }
      const { app } = createTestApp({ express, routes: hostRoutes, secondFactor: { policy } })
      const client = new Client(app)
      await client.login('bob')
      fails = true
      expect((await client.get('/account')).status).toBe(500)
      expect((await new Client(app).login('bob')).status).toBe(500)
      fails = false
      expect((await client.get('/account')).status).toBe(200)
    })
  })
})

test('without a session of express-session nothing goes on: logins would go by unseen', async () => {
  const clock = { now: () => 0 }
  const secondFactor = createSecondFactor({
    issuer: 'Acme',
    account: () => users.alice as { id: string },
    keys: [KEY],
    store: new MemoryStore(),
    ...clock,
  })
  const app = expresses['Express 5']()
  app.use(secondFactor.session())
  app.use('/two-factor', secondFactor.router())
  app.get('/vault', secondFactor.requireSecondFactor(), (_req, res) => {
    res.send('open')
  })
  const client = new Client(app)
  for (const path of ['/vault', '/two-factor']) {
    const { status, text } = await client.get(path)
    expect([status, text]).toEqual([500, expect.stringContaining('SF_ORDER')])
  }
})

test('mounted before passport.session() it says so instead of letting anybody in', async () => {
  const { sessionStore, clock, store } = await createEnrolledApp()
  const before = new Client(createPlainApp(sessionStore))
  await before.login()
  const secondFactor = createSecondFactor({
    issuer: 'Acme',
    account: (user: { id: string }) => user,
    keys: [KEY],
    store,
    now: clock.now,
  })
  const app = expresses['Express 5']()
  app.use(session({ secret: 'test', resave: false, saveUninitialized: false, store: sessionStore }))
  app.use(secondFactor.session())
  app.get('/vault', secondFactor.requireSecondFactor(), (_req, res) => {
    res.send('open')
  })
  app.use(((error, _req, res, _next) => {
    res.status(500).json({ code: error.code })
  }) as import('express').ErrorRequestHandler)
  const client = new Client(app)
  client.cookies = before.cookies
  expect((await client.get('/vault')).body).toEqual({ code: 'SF_ORDER' })
})
