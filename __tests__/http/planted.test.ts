import type { Express, RequestHandler } from 'express'
import { expresses, hostPassport, type TestAppOptions, type User, users } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp } from '../support/enrolled'
import { read, sessionIdOf } from '../support/sessions'

// Whoever knows the password can have half a login, and may get its cookie into the owner's browser (OWASP: session
// fixation). What they know of that session must be worth nothing in the one that the owner completes.

const login =
  (freshLogin?: boolean): RequestHandler =>
  (req, res, next) => {
    const options = { session: true, ...(freshLogin !== undefined && { freshLogin }) }
    req.login(users.alice as User, options, (error) => (error ? next(error) : res.json({})))
  }

function routes(app: Express): void {
  app.post('/note', (req, res) => {
    Object.assign(req.session, { note: 'the token of the host’s forms' })
    res.sendStatus(204)
  })
  app.post('/api/login', hostPassport.authenticate('local'), (_req, res) => void res.json({}))
  app.all('/by-cookie', login(false))
  app.all('/by-password', login(true))
  app.all('/by-either', login())
}

async function planted(options: TestAppOptions = {}, username = 'alice') {
  const made = await createEnrolledApp({ routes, ...options })
  const thief = new Client(made.app)
  const { csrfToken } = (await thief.login(username)).body
  await thief.send('POST', '/note')
  // The host's login page is as always, and the browser has the thief's cookie.
  return { ...made, thief, owner: thief.copy(), csrfToken: csrfToken as string }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test('the password begins a session of its own', async () => {
    const { sessionStore, phone, clock, thief, owner, csrfToken } = await planted({ express })
    await owner.login()
    expect(sessionIdOf(owner)).not.toBe(sessionIdOf(thief))
    expect(await read(sessionStore, sessionIdOf(owner))).not.toHaveProperty('note')
    expect(await read(sessionStore, sessionIdOf(thief))).toBeNull()
    clock.nextStep()
    expect((await owner.challenge(phone.code())).status).toBe(200)
    const forged = await owner.send('POST', '/two-factor/backup-codes', {}, { 'x-csrf-token': csrfToken })
    expect([forged.status, forged.body.code]).toEqual([403, 'csrf'])
    expect((await thief.get('/account')).status).toBe(401)
  })

  test('also where the login is posted to another place than the login page', async () => {
    const { phone, clock, thief, owner } = await planted({ express })
    clock.forward(590)
    await owner.send('POST', '/api/login', { username: 'alice', password: 'correct horse battery staple' })
    expect(sessionIdOf(owner)).not.toBe(sessionIdOf(thief))
    clock.forward(15)
    expect((await owner.challenge(phone.code())).status).toBe(200)
  })

  test('a code without it makes the forms of half a login worthless', async () => {
    const { phone, clock, owner, csrfToken } = await planted({ express })
    clock.nextStep()
    expect((await owner.challenge(phone.code())).status).toBe(200)
    const forged = await owner.send('POST', '/two-factor/backup-codes', {}, { 'x-csrf-token': csrfToken })
    expect([forged.status, forged.body.code]).toEqual([403, 'csrf'])
  })

  test('an authenticator that somebody else began to set up is not the one of whoever must enrol', async () => {
    const made = await planted({ express, secondFactor: { policy: () => 'required' } }, 'bob')
    const begun = await made.thief.post('/two-factor/enable')
    expect(begun.status).toBe(201)
    const owner = made.thief.copy()
    await owner.login('bob')
    const own = await owner.post('/two-factor/enable')
    expect(own.status).toBe(201)
    expect(own.body.secret).not.toBe(begun.body.secret)
  })
})

test.each<[string, string, boolean]>([
  ['GET', '/by-cookie', false],
  ['POST', '/by-cookie', false],
  ['GET', '/by-password', true],
  ['POST', '/by-password', true],
  // Remember-me logs in at every page.
  ['GET', '/by-either', false],
  ['HEAD', '/by-either', false],
  ['OPTIONS', '/by-either', false],
  ['POST', '/by-either', true],
  ['PUT', '/by-either', true],
])('%s %s begins a session of its own: %s', async (method, path, own) => {
  const { thief, owner } = await planted()
  expect((await owner.send(method, path)).status).toBe(403)
  expect(sessionIdOf(owner) !== sessionIdOf(thief)).toBe(own)
})

describe('people who come back from another site, with half a login in their browser', () => {
  const arrive = async (loginPaths?: string[]) => {
    const reached: string[] = []
    const made = await planted({
      ...(loginPaths && { secondFactor: { loginPaths } }),
      routes: (app) => {
        routes(app)
        app.use('/auth', (req, _res, next) => {
          reached.push(req.path)
          next()
        })
        app.get('/auth/start', (_req, res) => res.redirect('https://provider.example/'))
        app.get('/auth/callback', login())
      },
    })
    const owner = made.owner.as('person')
    const begun = await owner.get('/auth/start')
    const back = await owner.get('/auth/callback?code=1')
    return { ...made, owner, reached, begun, back }
  }

  test('are led away from any page, and a login of theirs is not seen', async () => {
    const { thief, owner, reached, begun, back } = await arrive()
    for (const { headers } of [begun, back]) expect(headers.location).toBe('/two-factor/challenge')
    expect(reached).toEqual([])
    expect(sessionIdOf(owner)).toBe(sessionIdOf(thief))
  })

  test('log in where loginPaths says so, in a session of their own', async () => {
    const { thief, owner, reached, begun, back, phone, clock } = await arrive([
      '/auth/start',
      '/auth/callback',
    ])
    expect(begun.headers.location).toBe('https://provider.example/')
    expect(reached).toEqual(['/start', '/callback'])
    expect(back.headers.location).toBe('/two-factor/challenge')
    expect(sessionIdOf(owner)).not.toBe(sessionIdOf(thief))
    clock.nextStep()
    expect((await owner.challenge(phone.code())).status).toBe(303)
  })
})
