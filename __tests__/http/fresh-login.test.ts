import type { Express, Request } from 'express'
import { Strategy } from 'passport'
import { createTestApp, hostPassport, PASSWORD, type TestAppOptions, type User, users } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp } from '../support/enrolled'
import { read, type Stored, sessionIdOf } from '../support/sessions'

// Enabling asks for the password unless somebody has just given it. A cookie that logs in has not.

const ENABLE = '/two-factor/enable'

/** The browser is known by a cookie. */
class RememberMe extends Strategy {
  override readonly name = 'remember-me'
  override authenticate(req: Request): void {
    const [, name = ''] = /(?:^|; )remember=(\w+)/.exec(req.headers.cookie ?? '') ?? []
    const user = users[name]
    if (user) this.success(user)
    else this.pass()
  }
}
hostPassport.use(new RememberMe())

const routes = (app: Express) => {
  app.post('/log-in/:fresh', (req, res, next) => {
    const freshLogin = { yes: true, no: false }[req.params.fresh as string]
    const options = { session: true, ...(freshLogin !== undefined && { freshLogin }) }
    req.login(users[req.body.username] as User, options, (error) => (error ? next(error) : res.json({})))
  })
  app.post('/log-in-again', (req, res, next) => {
    req.login(req.user as User, { session: true, freshLogin: false }, (error) =>
      error ? next(error) : res.json({}),
    )
  })
  app.post('/remembered', hostPassport.authenticate('remember-me', { freshLogin: false }), (_req, res) => {
    res.json({})
  })
  app.post('/by-link', hostPassport.authenticate('remember-me'), (_req, res) => {
    res.json({})
  })
}

const world = (options: TestAppOptions = {}) => createTestApp({ routes, ...options })
const enrolled = () => createEnrolledApp({ routes })

/** A browser that is remembered, and has no session yet. */
function remembered(app: Express, name: string) {
  const client = new Client(app)
  client.cookies.set('remember', name)
  return client
}

const beginning = async (client: Client, body = {}) => {
  const { status, body: answer } = await client.post(ENABLE, body)
  return [status, answer.code]
}

test.each(['req.login', 'passport.authenticate'])(
  'freshLogin: false of %s: enabling asks for the password',
  async (how) => {
    const { app } = world()
    const client = remembered(app, 'bob')
    if (how === 'req.login') await client.send('POST', '/log-in/no', { username: 'bob' })
    else await client.send('POST', '/remembered')
    expect((await client.get('/account')).body.state).toBe('unenrolled')
    expect((await client.as('person').get(ENABLE)).text).toContain('name="password"')
    expect(await beginning(client)).toEqual([403, 'password_required'])
    expect(await beginning(client, { password: 'wrong' })).toEqual([403, 'password_required'])
    expect(await beginning(client, { password: PASSWORD })).toEqual([201, undefined])
  },
)

test.each(['/log-in/yes', '/log-in/unsaid', '/by-link', '/login'])(
  'a login by %s is one that was just made, as ever',
  async (path) => {
    const { app } = world()
    const client = remembered(app, 'bob')
    await client.send('POST', path, { username: 'bob', password: PASSWORD })
    expect(await beginning(client)).toEqual([201, undefined])
  },
)

test('a route that logs its user in again, and says so, makes an old login no younger', async () => {
  const { app, clock } = world()
  const client = new Client(app)
  await client.login('bob')
  clock.forward(600)
  await client.send('POST', '/log-in-again')
  expect(await beginning(client)).toEqual([403, 'password_required'])
})

test('who must enrol gives the password, too', async () => {
  const { app } = world({ routes, secondFactor: { policy: () => 'required' } })
  const client = remembered(app, 'bob')
  expect((await client.send('POST', '/remembered')).body.code).toBe('enrolment_required')
  expect(await beginning(client)).toEqual([403, 'password_required'])
  expect(await beginning(client, { password: PASSWORD })).toEqual([201, undefined])
})

test('half a login of somebody enrolled: no password was given, and none is after the code', async () => {
  const { app, sessionStore, phone, clock } = await enrolled()
  const client = remembered(app, 'alice')
  const markerOf = async () => ((await read(sessionStore, sessionIdOf(client))) as Stored).secondFactor
  expect((await client.send('POST', '/remembered')).body.code).toBe('second_factor_required')
  expect(await markerOf()).toMatchObject({ state: 'pending', loginAt: 0, heldAt: clock.time })
  clock.nextStep()
  expect((await client.challenge(phone.code())).status).toBe(200)
  expect(await markerOf()).toMatchObject({ state: 'verified', loginAt: 0 })
  clock.nextStep()
  expect((await client.post('/two-factor/disable', { code: phone.code() })).status).toBe(200)
  expect(await beginning(client)).toEqual([403, 'password_required'])
})

test('half a login of a cookie, and then the password', async () => {
  const { app, sessionStore, clock } = await enrolled()
  const client = remembered(app, 'alice')
  await client.send('POST', '/remembered')
  clock.forward(1)
  await client.login()
  const { secondFactor } = (await read(sessionStore, sessionIdOf(client))) as Stored
  expect(secondFactor).toMatchObject({ state: 'pending', loginAt: clock.time })
  // And once more by the cookie: it is the same half login.
  clock.forward(1)
  await client.send('POST', '/remembered')
  const again = (await read(sessionStore, sessionIdOf(client))) as Stored
  expect(again.secondFactor?.loginAt).toBe(clock.time - 1000)
})
