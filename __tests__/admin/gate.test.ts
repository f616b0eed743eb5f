import { adminRoutes } from '../../lib/admin/admin-router'
import { MemoryStore, type SecondFactorStore } from '../../lib/index'
import { expresses } from '../support/app'
import { Client, hiddenFields } from '../support/client'
import { putEnrolled, signIn } from '../support/enrolled'
import { ADMIN, type AdminAppOptions, createAdminApp } from './support'

jest.setTimeout(30_000)

// Who gets as far as a handler is the same for every route of the administrator's: the rows come from its table.

const rows = adminRoutes.map(({ method, path }) => ({
  method: method.toUpperCase(),
  path: ADMIN + path.replaceAll(':id', 'u-bob'),
  name: `${method.toUpperCase()} ${path}`,
}))

/** What the administrator gets who is let in; of a POST, with the token and nothing else. */
const letIn: Record<string, number> = {
  'GET /users': 200,
  'GET /users.csv': 200,
  // Bob has no second factor.
  'GET /users/:id/reset': 409,
  'POST /users/:id/reset': 400,
  'GET /recovery': 200,
  'GET /recovery/:id': 404,
  'POST /recovery/:id/approve': 400,
  'POST /recovery/:id/reject': 400,
}

type Express = (typeof expresses)['Express 5']

test('every route is listed here', () => {
  expect(Object.keys(letIn).sort()).toEqual(rows.map(({ name }) => name).sort())
})

for (const [name, express] of Object.entries(expresses)) describe(name, () => gate(express))

function gate(express: Express): void {
  const open = (options: AdminAppOptions = {}) => createAdminApp({ express, ...options })

  /** Every route, to people and to programs; a POST has the session's own token, so that nothing else refuses it. */
  async function everywhere(
    client: Client,
    token = '',
  ): Promise<Map<string, { page: string; problem: string }>> {
    const answers = new Map()
    for (const { method, path, name: route } of rows) {
      const body = method === 'POST' ? {} : undefined
      const headers = method === 'POST' ? { 'x-csrf-token': token } : {}
      const page = await client.copy().as('person').send(method, path, body, headers)
      const program = await client.copy().as('program').send(method, path, body, headers)
      answers.set(route, {
        page: page.status === 303 ? `303 ${page.headers.location}` : String(page.status),
        problem: `${program.status} ${program.body?.code}`,
        location: program.body?.challengeUrl ?? program.body?.enableUrl,
      })
    }
    return answers
  }

  async function refused(client: Client, page: string, problem: string, location?: string, token?: string) {
    const answers = await everywhere(client, token)
    expect([...answers]).toEqual(rows.map(({ name: route }) => [route, { page, problem, location }]))
  }

  const tokenOf = async (client: Client) => (await client.copy().get('/two-factor')).body.csrfToken as string

  test('nobody', async () => {
    const { app } = await open()
    await refused(new Client(app), '303 /login', '401 not_authenticated')
  })

  test('half a login of the administrator', async () => {
    const { app, clock } = await open()
    clock.nextStep()
    const client = new Client(app)
    await client.login()
    const url = '/two-factor/challenge'
    await refused(client, `303 ${url}`, '403 second_factor_required', url)
  })

  test('an administrator who must enrol', async () => {
    const { app, secondFactor } = await open({ secondFactor: { policy: () => 'required' } })
    await secondFactor.reset('u-alice')
    const client = new Client(app)
    await client.login()
    await refused(client, '303 /two-factor/enable', '403 enrolment_required', '/two-factor/enable')
  })

  test('an administrator without a second factor', async () => {
    const { app, secondFactor } = await open()
    await secondFactor.reset('u-alice')
    const client = new Client(app)
    await client.login()
    const token = await tokenOf(client)
    await refused(client, '303 /two-factor/enable', '403 enrolment_required', '/two-factor/enable', token)
  })

  test('somebody else, with a fresh code and without a second factor', async () => {
    const { app, store, clock } = await open()
    const without = new Client(app)
    await without.login('bob')
    await refused(without, '403', '403 not_authorized', undefined, await tokenOf(without))
    const { phone } = await putEnrolled(store, clock, 'bob')
    const client = new Client(app)
    await signIn(client, phone, clock, 'bob')
    await refused(client, '403', '403 not_authorized', undefined, await tokenOf(client))
  })

  test('an administrator whose code was accepted too long ago', async () => {
    const { admin, clock } = await open()
    const client = await admin()
    const token = await tokenOf(client)
    clock.forward(15 * 60)
    const url = '/two-factor/challenge'
    await refused(client, `303 ${url}`, '403 step_up_required', url, token)
  })

  test('an administrator on a trusted device', async () => {
    const { app, phone, clock } = await open({ secondFactor: { trustedDevices: { maxAge: '30d' } } })
    clock.nextStep()
    const client = new Client(app)
    await client.login()
    await client.post('/two-factor/challenge', { code: phone.code(), trustDevice: true })
    client.cookies.delete('connect.sid')
    await client.login()
    expect((await client.get('/account')).body.state).toBe('verified')
    const url = '/two-factor/challenge'
    await refused(client, `303 ${url}`, '403 step_up_required', url, await tokenOf(client))
  })

  test('an administrator by single sign-on, with a second factor here and without', async () => {
    const { app, secondFactor } = await open({ secondFactor: { skip: () => true } })
    const client = new Client(app)
    await client.login()
    const url = '/two-factor/challenge'
    await refused(client, `303 ${url}`, '403 step_up_required', url, await tokenOf(client))
    await secondFactor.reset('u-alice')
    const without = new Client(app)
    await without.login()
    await refused(without, '303 /two-factor/enable', '403 enrolment_required', '/two-factor/enable')
  })

  test('a user of this request alone, beside the session of an administrator', async () => {
    const { admin } = await open({
      between: (app) =>
        app.use((req, _res, next) => {
          if (req.get('x-as-bob')) req.user = { id: 'u-bob', email: 'bob@example.com' } as Express.User
          next()
        }),
    })
    const client = await admin()
    for (const { method, path } of rows) {
      const { status } = await client.send(method, path, method === 'POST' ? {} : undefined, {
        'x-as-bob': '1',
      })
      expect(status).toBe(401)
    }
  })

  test.each([1, 'true', {}, [true], null, undefined])(
    'authorize that answers %j lets nobody in',
    async (answer) => {
      const { admin } = await open({ admin: { authorize: async () => answer as boolean } })
      const client = await admin()
      await refused(client, '403', '403 not_authorized', undefined, await tokenOf(client))
    },
  )

  test('authorize that fails lets nobody in', async () => {
    const errors: unknown[] = []
    const { admin } = await open({
      admin: {
        authorize: () => {
          throw new Error('no directory of roles')
        },
      },
      routes: (app) =>
        // Express knows an error handler by its four parameters.
        app.use(((error, _req, res, _next) => {
          errors.push(error.message)
          res.status(500).json({ code: 'mine' })
        }) as import('express').ErrorRequestHandler),
    })
    const client = await admin()
    await refused(client, '500', '500 mine', undefined, await tokenOf(client))
    expect(new Set(errors)).toEqual(new Set(['no directory of roles']))
  })

  test('a store that does not answer is 503', async () => {
    const memory = new MemoryStore()
    let down = false
    const fails = () => Promise.reject(new Error('down'))
    const store: SecondFactorStore = {
      get: (id) => (down ? fails() : memory.get(id)),
      compareAndSet: (...all) => (down ? fails() : memory.compareAndSet(...all)),
    }
    const { admin } = await open({ behind: () => store, secondFactor: { onUnavailable() {} } })
    const client = await admin()
    const token = await tokenOf(client)
    down = true
    await refused(client, '503', '503 unavailable', undefined, token)
  })

  test('an administrator with a fresh code', async () => {
    const { admin } = await open()
    const client = await admin()
    const token = await tokenOf(client)
    for (const { method, path, name: route } of rows) {
      const post = method === 'POST'
      const answer = await client.send(
        method,
        path,
        post ? {} : undefined,
        post ? { 'x-csrf-token': token } : {},
      )
      expect([route, answer.status]).toEqual([route, letIn[route]])
      const { headers } = answer
      expect(headers['cache-control']).toBe('no-store')
      expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      expect(headers['x-content-type-options']).toBe('nosniff')
    }
  })

  test('no POST without the token of this session', async () => {
    const { admin } = await open()
    const client = await admin()
    const foreign = await tokenOf(await admin())
    for (const { method, path } of rows.filter((row) => row.method === 'POST')) {
      for (const token of [undefined, '', 'x', foreign]) {
        const headers = token === undefined ? {} : { 'x-csrf-token': token }
        const { status, body } = await client.send(method, path, { code: '123456', reason: 'x' }, headers)
        expect([status, body.code]).toEqual([403, 'csrf'])
      }
    }
  })

  test('a code that is entered on the way lets in, and leads back', async () => {
    const { admin, clock, phone } = await open()
    const client = (await admin()).as('person')
    clock.forward(20 * 60)
    for (const { path, back } of [
      { path: `${ADMIN}/users?status=activated&q=a`, back: `${ADMIN}/users?status=activated&q=a` },
      // A file is nothing to come back to.
      { path: `${ADMIN}/users.csv?status=activated&after=x`, back: `${ADMIN}/users?status=activated` },
    ]) {
      expect((await client.get(path)).headers.location).toBe('/two-factor/challenge')
      const page = await client.get('/two-factor/challenge')
      const fields = { ...hiddenFields(page.text, '/two-factor/challenge'), code: phone.code() }
      const answer = await client.send('POST', '/two-factor/challenge', fields)
      expect([answer.status, answer.headers.location]).toEqual([303, back])
      expect((await client.get(back)).status).toBe(200)
      clock.forward(20 * 60)
    }
  })

  test('an app without secondFactor.session() is told', async () => {
    const { secondFactor } = await open()
    const bare = express()
    bare.use(
      ADMIN,
      secondFactor.adminRouter({
        authorize: () => true,
        directory: { list: async () => ({ users: [], next: null }) },
      }),
    )
    bare.use(((error, _req, res, _next) =>
      res.status(500).json({ code: error.code })) as import('express').ErrorRequestHandler)
    expect((await new Client(bare).get(`${ADMIN}/users`)).body.code).toBe('SF_SESSION_MISSING')
  })
}

describe('options', () => {
  const directory = { list: async () => ({ users: [], next: null }) }
  const authorize = () => true
  test.each([
    [undefined, 'SF_ADMIN_OPTIONS'],
    [{ directory }, 'SF_ADMIN_AUTHORIZE'],
    [{ directory, authorize: true }, 'SF_ADMIN_AUTHORIZE'],
    [{ authorize }, 'SF_ADMIN_DIRECTORY'],
    [{ authorize, directory: {} }, 'SF_ADMIN_DIRECTORY'],
    [{ authorize, directory: { ...directory, get: 1 } }, 'SF_ADMIN_DIRECTORY'],
    [{ authorize, directory, maxAge: 'soon' }, 'SF_DURATION'],
    [{ authorize, directory, maxAge: 0 }, 'SF_DURATION'],
    [{ authorize, directory, maxAge: null }, 'SF_DURATION'],
    [{ authorize, directory, limit: 0 }, 'SF_ADMIN_LIMIT'],
    [{ authorize, directory, limit: 201 }, 'SF_ADMIN_LIMIT'],
    [{ authorize, directory, roles: [] }, 'SF_ADMIN_OPTIONS'],
  ])('%j is %s', async (options, code) => {
    const { secondFactor } = await createAdminApp()
    expect(() => secondFactor.adminRouter(options as never)).toThrow(expect.objectContaining({ code }))
  })
})
