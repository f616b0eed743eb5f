import type { AddressInfo } from 'node:net'
import cookieSession from 'express-session'
import { createTestApp, hostPassport, PASSWORD, type User, users } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, putEnrolled } from '../support/enrolled'
import { blocksOf, page, runBlock } from './blocks'

const doc = page('recipes.md')

describe('remember-me', () => {
  const [middleware = '', form = ''] = blocksOf(doc, '## Remember-me')

  /** The two blocks in an app: alice has a second factor, bob has none; a cookie has their names. */
  async function rememberingApp() {
    const { options } = runBlock(
      form,
      {
        app: { post() {} },
        passport: hostPassport,
        setRememberCookie: (user: User, res: { cookie(...what: string[]): void }) =>
          void res.cookie('remember', user.email.split('@')[0] as string),
      },
      { returns: ['options'] },
    )
    const made = createTestApp({
      secondFactor: options as object,
      between: (app) =>
        runBlock(middleware, {
          app,
          userOfRememberCookie: async (req: { headers: { cookie?: string } }) =>
            users[/remember=(\w+)/.exec(req.headers.cookie ?? '')?.[1] ?? ''] ?? null,
        }),
      routes: (app) => {
        runBlock(form.replace('/login', '/form').replace("'/'", "'/account'"), {
          app,
          passport: hostPassport,
          setRememberCookie() {},
        })
      },
    })
    return { ...made, ...(await putEnrolled(made.store, made.clock)) }
  }

  test('with a second factor: the code first, and then the page that was opened', async () => {
    const { app, phone, clock } = await rememberingApp()
    const person = new Client(app, 'person')
    person.cookies.set('remember', 'alice')
    expect((await person.get('/vault?x=1')).headers.location).toBe('/two-factor/challenge')
    clock.nextStep()
    expect((await person.challenge(phone.code())).headers.location).toBe('/vault?x=1')
    expect((await person.get('/vault')).status).toBe(200)
  })

  test('without one: signed in, and enabling asks for the password', async () => {
    const { app } = await rememberingApp()
    const client = new Client(app)
    client.cookies.set('remember', 'bob')
    expect((await client.get('/account')).body).toMatchObject({ state: 'unenrolled' })
    expect((await client.post('/two-factor/enable')).body.code).toBe('password_required')
    expect((await client.post('/two-factor/enable', { password: PASSWORD })).status).toBe(201)
  })

  test('signing in again, to enable, forgets the cookie: else it would log in before anybody can', async () => {
    const { app } = await rememberingApp()
    const person = new Client(app, 'person')
    person.cookies.set('remember', 'bob')
    await person.get('/account')
    const { headers } = await person.post('/two-factor/enable', { signInAgain: '1' })
    expect(headers.location).toBe('/login')
    expect(String(headers['set-cookie'])).toContain('remember=;')
  })

  test('the box is kept until the code was right, and giving up forgets the cookie', async () => {
    const { app, phone, clock } = await rememberingApp()
    const person = new Client(app, 'person')
    await person.send('POST', '/form', { username: 'alice', password: PASSWORD, remember: 'on' })
    expect(person.cookies.has('remember')).toBe(false)
    clock.nextStep()
    await person.challenge(phone.code())
    expect(person.cookies.get('remember')).toBe('alice')

    const other = new Client(app, 'person')
    other.cookies.set('remember', 'alice')
    await other.get('/vault')
    const { headers } = await other.post('/two-factor/challenge/cancel', {}, '/two-factor/challenge')
    expect(String(headers['set-cookie'])).toContain('remember=;')
  })
})

describe('a single-page app', () => {
  const [code = ''] = blocksOf(doc, '## A single-page app')

  test('logs in, steps up and does what was asked for', async () => {
    const { app, phone, clock } = await createEnrolledApp()
    const server = app.listen(0)
    try {
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      let cookie = ''
      const asked: unknown[] = []
      const shown: string[] = []
      const typed = ['000000', () => phone.code(), () => phone.code()]
      const browserFetch = async (path: string, options: RequestInit = {}) => {
        const answer = await fetch(origin + path, {
          ...options,
          headers: { ...options.headers, cookie },
          redirect: 'manual',
        })
        cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
        return answer
      }
      const { call, proveCode } = runBlock(
        code,
        {
          fetch: browserFetch,
          askForCode: async (methods: unknown) => {
            asked.push(methods)
            const next = typed.shift()
            return typeof next === 'function' ? next() : (next ?? null)
          },
          showProblem: async (problem: { code: string }) => void shown.push(problem.code),
        },
        { returns: ['call', 'proveCode'] },
      ) as {
        call(url: string, options?: RequestInit): Promise<Response>
        proveCode(url: string): Promise<boolean>
      }
      clock.nextStep()
      const login = await browserFetch('/login', {
        method: 'POST',
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'alice', password: PASSWORD }),
      })
      expect(login.status).toBe(403)
      expect(await proveCode(((await login.json()) as { challengeUrl: string }).challengeUrl)).toBe(true)
      expect(shown).toEqual(['invalid_code'])
      expect(await (await call('/vault')).json()).toEqual({ vault: 'u-alice' })

      clock.forward(360)
      const transfer = await call('/transfer', { method: 'POST', body: '{}' })
      expect([transfer.status, await transfer.json()]).toEqual([200, { transferred: true }])
      clock.forward(360)
      const givenUp = await call('/transfer', { method: 'POST', body: '{}' })
      expect([givenUp.status, ((await givenUp.json()) as { code: string }).code]).toEqual([
        403,
        'step_up_required',
      ])
      expect(asked).toEqual(Array(4).fill(['totp', 'backup-code']))
    } finally {
      server.close()
    }
  })
})

describe('a session cookie that is not sent', () => {
  test.each<[string, boolean]>([
    ['secure, behind a proxy that is not trusted', false],
    ['secure, behind a proxy that is', true],
  ])('%s', async (_what, trusted) => {
    jest.resetModules()
    const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      const express = require('express')
      const { createSecondFactor, MemoryStore } = require('express-second-factor')
      const { Passport } = require('passport')
      const passport = new Passport()
      passport.serializeUser((user: { id: string }, done: (error: null, id: string) => void) =>
        done(null, user.id),
      )
      const secondFactor = createSecondFactor({
        issuer: 'Acme',
        account: ({ id }: { id: string }) => ({ id, name: id }),
        keys: [Buffer.from('0123456789abcdef0123456789abcdef')],
        store: new MemoryStore(),
        passport,
      })
      const app = express()
      app.set('trust proxy', trusted ? 1 : false)
      const cookie = { secure: true }
      app.use(cookieSession({ secret: 'x', resave: false, saveUninitialized: false, cookie }))
      app.use(passport.session(), secondFactor.session())
      app.post('/login', (req: Express.Request, res: { sendStatus(status: number): void }) =>
        req.login({ id: 'a' } as never, () => res.sendStatus(204)),
      )
      const client = new Client(app)
      for (let n = 0; n < 2; n++) await client.send('POST', '/login', {}, { 'x-forwarded-proto': 'https' })
      const told = emitted.mock.calls.map(([, options]) => (options as { code?: string })?.code)
      expect(told.filter((code) => code === 'SF_NO_COOKIE')).toHaveLength(trusted ? 0 : 1)
    } finally {
      emitted.mockRestore()
    }
  })
})
