import { TotpStrategy } from 'express-second-factor'
import type { Store } from 'express-session'
import { createWorld, factorOf, list, ask as requestRecovery, signedIn, until } from '../recovery/world'
import { createTestApp, expresses, hostPassport, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { dump, FaultyStore } from '../support/faulty-store'
import { HeldRequests, signOut, signOutElsewhere } from '../support/held-requests'
import { HeldStore } from '../support/held-store'
import type { Answer } from '../support/quick-request'

// A code is on its way to the store when its session is signed out, in another tab or by another process.

const CHALLENGE = '/two-factor/challenge'
const kinds = ['program', 'person'] as const
const outs: [string, (client: Client, sessions: Store) => Promise<unknown>][] = [
  ['here', (client) => signOut(client)],
  ['by another process', (client, sessions) => signOutElsewhere(sessions, client)],
]
const cases = outs.flatMap(([where, out]) => kinds.map((kind) => [kind, where, out] as const))

/** Sends it, does something else while the answer waits for the store's write, and lets that go on. */
async function during(
  meanwhile: () => Promise<unknown>,
  store: HeldStore,
  send: () => Promise<Answer>,
): Promise<Answer> {
  store.hold()
  const answer = send()
  await until(() => store.waiting > 0)
  await meanwhile()
  store.goOn()
  return answer
}

/** Neither the browser, whatever it was answered, nor whoever has its cookies of before is let in. */
async function isSignedOut(...clients: Client[]): Promise<void> {
  for (const client of clients.map((each) => each.as('program'))) {
    expect((await client.get('/account')).body).toEqual({ state: 'anonymous' })
    for (const gate of ['/vault', '/transfer']) expect((await client.get(gate)).status).toBe(401)
    expect((await client.get('/two-factor')).body.code).toBe('not_authenticated')
  }
}

/** 401 for programs; people are sent to the login, or where they may go. */
function isTurnedAway(answer: Answer, kind: 'program' | 'person'): void {
  if (kind === 'program') expect([answer.status, answer.body.code]).toEqual([401, 'not_authenticated'])
  else expect([answer.status, answer.headers.location]).toEqual([303, '/login'])
}

async function held(options: TestAppOptions = {}) {
  const store = new HeldStore()
  const made = await createEnrolledApp({ ...options, store })
  return { ...made, store }
}

/** The same, and alice signed in with a code. */
async function verified(kind: 'program' | 'person', options: TestAppOptions = {}) {
  const made = await held(options)
  const client = new Client(made.app, kind)
  await signIn(client, made.phone, made.clock)
  made.clock.nextStep()
  return { ...made, client, thief: client.copy() }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test.each(kinds)('the code of a login, of a %s: nobody is let in', async (kind) => {
    const { app, store, phone, clock } = await held({
      express,
      secondFactor: { trustedDevices: { maxAge: '30d' } },
    })
    const client = new Client(app, kind)
    await client.login()
    clock.nextStep()
    const thief = client.copy()
    const answer = await during(
      () => signOut(client),
      store,
      () => client.post(CHALLENGE, { code: phone.code(), trustDevice: 'on' }, CHALLENGE),
    )
    isTurnedAway(answer, kind)
    expect(String(answer.headers['set-cookie'] ?? '')).not.toContain('device')
    await isSignedOut(client, thief)
  })

  test.each(kinds)('the code of half a login whose ten minutes end meanwhile, of a %s', async (kind) => {
    const requests = new HeldRequests()
    const { app, store, phone, clock } = await held({
      express,
      between: (host) => host.use(requests.middleware),
    })
    // On its way to us, and on its way to the store.
    for (const where of ['body', 'store']) {
      const client = new Client(app, kind)
      await client.login()
      clock.nextStep()
      const { csrfToken } = (await client.as('program').get(CHALLENGE)).body
      const form = { code: phone.code(600 / 30), _csrf: csrfToken }
      const later = async () => clock.forward(600)
      const answer =
        where === 'body'
          ? await requests.during(later, client, 'POST', CHALLENGE, form)
          : await during(later, store, () => client.send('POST', CHALLENGE, { ...form, code: phone.code() }))
      isTurnedAway(answer, kind)
      await isSignedOut(client)
    }
  })

  test.each(cases)('the code of a step-up, of a %s, signed out %s: nobody is', async (kind, _where, out) => {
    const { client, thief, sessionStore, store, phone } = await verified(kind, { express })
    const answer = await during(
      () => out(client, sessionStore),
      store,
      () => client.challenge(phone.code()),
    )
    isTurnedAway(answer, kind)
    await isSignedOut(client, thief)
  })

  test('the code of a strategy, in half a login and in a whole one: nobody is', async () => {
    const { app, store, phone, clock } = await held({
      express,
      routes: (host, secondFactor) => {
        hostPassport.use(new TotpStrategy(secondFactor))
        host.post('/totp', hostPassport.authenticate('totp', { successRedirect: '/account' }))
      },
    })
    const whole = new Client(app)
    await signIn(whole, phone, clock)
    const half = new Client(app)
    await half.login()
    for (const client of [whole, half]) {
      clock.nextStep()
      const thief = client.copy()
      const send = () => client.send('POST', '/totp', { code: phone.code() })
      isTurnedAway(await during(() => signOut(client), store, send), 'program')
      await isSignedOut(client, thief)
    }
  })
})

test.each(cases)(
  'enabling, of a %s, signed out %s: the backup codes are shown, since they are on record',
  async (kind, _where, out) => {
    const store = new HeldStore()
    // What the host's layout, and its log of requests, see of the user.
    let user: unknown
    const { app, sessionStore, clock } = createTestApp({
      store,
      between: (host) =>
        host.use((req, res, next) => {
          res.on('finish', () => {
            user = req.user
          })
          next()
        }),
    })
    const client = new Client(app, kind)
    await client.login()
    const begun = await client.as('program').post('/two-factor/enable', {}, '/two-factor')
    const phone = new Authenticator(begun.body.secret, clock.now)
    const thief = client.copy()
    const answer = await during(
      () => out(client, sessionStore),
      store,
      () => client.post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor/enable'),
    )
    expect(answer.status).toBe(200)
    const codes: string[] = answer.body.backupCodes ?? answer.text.match(/\b[0-9A-Z]{5}-[0-9A-Z]{5}\b/g)
    expect(codes).toHaveLength(5)
    expect(user).toBeUndefined()
    await isSignedOut(client, thief)
    await client.as('program').login()
    expect((await client.as('program').challenge(codes[0])).status).toBe(200)
  },
)

test.each(outs)(
  'forms of a session that is signed out %s before they are here do nothing',
  async (_where, out) => {
    const requests = new HeldRequests()
    const store = new FaultyStore()
    const made = await createEnrolledApp({ store, between: (app) => app.use(requests.middleware) })
    const { phone, clock, sessionStore } = made
    const bodies: [string, () => object][] = [
      ['/challenge', () => ({ code: phone.code() })],
      ['/disable', () => ({ code: phone.code() })],
      ['/backup-codes', () => ({})],
      ['/replace', () => ({})],
    ]
    for (const [path, body] of bodies) {
      const client = new Client(made.app)
      await signIn(client, phone, clock)
      clock.nextStep()
      const thief = client.copy()
      const { csrfToken } = (await client.get('/two-factor')).body
      const before = await dump(store)
      const form = { ...body(), _csrf: csrfToken }
      const meanwhile = () => out(client, sessionStore)
      isTurnedAway(await requests.during(meanwhile, client, 'POST', `/two-factor${path}`, form), 'program')
      expect([path, await dump(store)]).toEqual([path, before])
      await isSignedOut(client, thief)
    }
  },
)

test.each(cases)('a new phone, of a %s, signed out %s: it is', async (kind, _where, out) => {
  const { app, client, thief, sessionStore, store, clock } = await verified(kind)
  const begun = await client.as('program').post('/two-factor/replace', {}, '/two-factor')
  const phone = new Authenticator(begun.body.secret, clock.now)
  const answer = await during(
    () => out(client, sessionStore),
    store,
    () => client.post('/two-factor/replace/confirm', { code: phone.code() }, '/two-factor/replace'),
  )
  if (kind === 'program') expect([answer.status, answer.body]).toEqual([200, { replaced: true }])
  else expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor'])
  await isSignedOut(client, thief)
  clock.nextStep()
  const next = new Client(app)
  await next.login()
  expect((await next.challenge(phone.code())).status).toBe(200)
})

test.each(cases)('disabling, of a %s, signed out %s: it is off', async (kind, _where, out) => {
  const { client, thief, sessionStore, store, phone, secondFactor } = await verified(kind)
  const answer = await during(
    () => out(client, sessionStore),
    store,
    () => client.post('/two-factor/disable', { code: phone.code() }),
  )
  if (kind === 'program') expect([answer.status, answer.body]).toEqual([200, { enabled: false }])
  else expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor'])
  expect((await secondFactor.status('u-alice')).enabled).toBe(false)
  await isSignedOut(client, thief)
})

test.each(cases)('a decision of support, by a %s, signed out %s: none', async (kind, _where, out) => {
  const store = new HeldStore()
  const world = await createWorld({}, {}, { store })
  await requestRecovery(world)
  const admin = await signedIn(world, 'ada', kind)
  const thief = admin.copy()
  const [{ id }] = await list(admin)
  world.clock.nextStep()
  const decide = (code: string) =>
    admin.post(`/admin/two-factor/recovery/${id}/approve`, { code, reason: 'Called back' }, pageOf(id))
  const answer = await during(
    () => out(admin, world.sessionStore),
    store,
    () => decide(factorOf(world, 'ada').phone.code()),
  )
  isTurnedAway(answer, kind)
  await isSignedOut(admin, thief)
  const [request] = await list(await signedIn(world, 'grace'))
  expect(request).toMatchObject({ id, state: 'requested', approvals: [] })
  expect(world.told.map(({ name }) => name)).not.toContain('recovery-approved')
})

const pageOf = (id: string) => `/admin/two-factor/recovery/${id}`

test('who is not signed out meanwhile is let in', async () => {
  const { client, store, phone } = await verified('program')
  const nothing = async () => {}
  expect((await during(nothing, store, () => client.challenge(phone.code()))).status).toBe(200)
  expect((await client.get('/transfer')).status).toBe(200)
  expect((await client.get(CHALLENGE)).status).toBe(200)
})
