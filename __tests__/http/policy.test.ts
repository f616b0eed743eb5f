import type { Policy } from 'express-second-factor'
import { type AccountRecord, EMPTY_RECORD } from '../../lib/account/record'
import { AccountRecords } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import { expresses, KEY, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { createEnrolledApp, signIn } from '../support/enrolled'

const DAY = 86_400
const start = new Clock().time
/** A week after the clock's first moment. */
const until = start + 7 * DAY * 1000
const grace: Policy = { required: true, graceUntil: until }

/** An app that demands this of everybody: alice has a second factor, bob has none. */
async function demanding(policy: unknown, options: TestAppOptions = {}) {
  const demand = { is: policy }
  const made = await createEnrolledApp({
    routes: (app) => {
      app.get('/factor', (req, res) => {
        res.json(req.secondFactor)
      })
    },
    ...options,
    secondFactor: { policy: () => demand.is as Policy, ...options.secondFactor },
  })
  const bob = new Client(made.app)
  return { ...made, demand, bob }
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  test('optional: everything is as without a policy', async () => {
    const { bob } = await demanding('optional', { express })
    expect((await bob.login('bob')).headers.location).toBe('/account')
    expect((await bob.get('/factor')).body).toMatchObject({ state: 'unenrolled', graceUntil: null })
    expect((await bob.get('/two-factor')).body).toMatchObject({ required: false, graceUntil: null })
  })

  test('required: a login can do nothing but enrol, and is whole afterwards', async () => {
    const { app, bob, clock } = await demanding('required', { express })
    const login = await bob.login('bob')
    expect([login.status, login.body]).toEqual([
      403,
      expect.objectContaining({ code: 'enrolment_required', enableUrl: '/two-factor/enable' }),
    ])
    expect((await bob.get('/factor')).body).toMatchObject({ state: 'must-enrol', graceUntil: null })
    expect((await bob.get('/account')).status).toBe(401)
    for (const path of ['', '/challenge', '/backup-codes', '/disable', '/devices', '/replace']) {
      expect((await bob.get(`/two-factor${path}`)).body.code).toBe('enrolment_required')
    }
    const person = new Client(app, 'person')
    expect((await person.login('bob')).headers.location).toBe('/two-factor/enable')
    expect((await person.get('/account')).headers.location).toBe('/two-factor/enable')
    const { text } = await person.get('/two-factor/enable')
    expect(text).toContain('Your account must use two-factor authentication.')
    expect(text).not.toContain('at your request')

    const { body } = await bob.post('/two-factor/enable')
    const code = new Authenticator(body.secret, clock.now).code()
    expect((await bob.post('/two-factor/enable/confirm', { code }, '/two-factor/enable')).status).toBe(200)
    expect((await bob.get('/vault')).body).toEqual({ vault: 'u-bob' })
  })

  test('while grace runs a login goes on, and is told until when', async () => {
    const { app, bob } = await demanding(grace, { express })
    expect((await bob.login('bob')).headers.location).toBe('/account')
    const graceUntil = new Date(until).toISOString()
    expect((await bob.get('/factor')).body).toMatchObject({ state: 'unenrolled', graceUntil })
    expect((await bob.get('/account')).body).toMatchObject({ user: { id: 'u-bob' }, state: 'unenrolled' })
    expect((await bob.get('/two-factor')).body).toMatchObject({
      state: 'unenrolled',
      required: true,
      graceUntil,
    })
    const person = new Client(app, 'person')
    expect((await person.login('bob')).headers.location).toBe('/account')
    for (const path of ['/two-factor', '/two-factor/enable']) {
      expect((await person.get(path)).text).toContain(`datetime="${graceUntil}"`)
    }
    // A gate is a gate.
    expect((await bob.get('/vault')).body.code).toBe('enrolment_required')
  })

  test('grace that ends while a session goes on holds it at its next request', async () => {
    const { bob, clock } = await demanding(grace, { express })
    await bob.login('bob')
    clock.time = until - 1
    expect((await bob.get('/account')).status).toBe(200)
    clock.time = until
    expect((await bob.get('/account')).status).toBe(401)
    expect((await bob.get('/factor')).body).toMatchObject({ state: 'must-enrol', graceUntil: null })
    expect((await bob.get('/two-factor')).body.code).toBe('enrolment_required')
    // It enrols, and is whole again.
    const begun = await bob.post('/two-factor/enable', { password: 'correct horse battery staple' })
    expect(begun.status).toBe(201)
    const code = new Authenticator(begun.body.secret, clock.now).code()
    const done = await bob.post('/two-factor/enable/confirm', { code }, '/two-factor/enable')
    expect(done.status).toBe(200)
    expect((await bob.get('/account')).body).toMatchObject({ user: { id: 'u-bob' }, state: 'verified' })
  })

  test.each(['required', grace])(
    '%j: who has a second factor cannot turn it off, and can replace it',
    async (policy) => {
      const { app, phone, clock, secondFactor } = await demanding(policy, { express })
      const alice = new Client(app)
      await signIn(alice, phone, clock)
      clock.nextStep()
      const { csrfToken } = (await alice.get('/two-factor')).body
      const refused = await alice.send(
        'POST',
        '/two-factor/disable',
        { code: phone.code() },
        { 'x-csrf-token': csrfToken },
      )
      expect([refused.status, refused.body.code]).toEqual([403, 'required_by_policy'])
      expect((await alice.get('/two-factor/disable')).body.code).toBe('required_by_policy')
      expect((await secondFactor.status('u-alice')).enabled).toBe(true)
      // The code was not spent.
      expect((await alice.challenge(phone.code())).status).toBe(200)
      const page = await alice.as('person').get('/two-factor')
      expect(page.text).not.toContain('/two-factor/disable')
      const begun = await alice.post('/two-factor/replace', {}, '/two-factor')
      const code = new Authenticator(begun.body.secret, clock.now).code()
      expect((await alice.post('/two-factor/replace/confirm', { code }, '/two-factor')).body).toEqual({
        replaced: true,
      })
    },
  )
})

describe('a demand', () => {
  test.each<[string, unknown]>([
    ['a grace of no date', { required: true, graceUntil: new Date(Number.NaN) }],
    ['a grace of a text', { required: true, graceUntil: 'next week' }],
    ['a grace of nothing', { required: true }],
    ['a grace of null', { required: true, graceUntil: null }],
    ['a grace for ever', { required: true, graceUntil: Number.POSITIVE_INFINITY }],
    ['a grace beyond all dates', { required: true, graceUntil: 1e20 }],
    ['a grace of an object', { required: true, graceUntil: {} }],
    ['a grace that is over', { required: true, graceUntil: start }],
    ['a grace of long ago', { required: true, graceUntil: 0 }],
    ['a grace of a list', { required: true, graceUntil: [] }],
    ['a word that is none', 'Required'],
    ['a word that is almost the other', 'Optional'],
    ['true', true],
    ['nothing', undefined],
    ['null', null],
    ['false', false],
    ['an empty object', {}],
  ])('of %s holds', async (_what, policy) => {
    const { bob } = await demanding(policy)
    expect((await bob.login('bob')).body.code).toBe('enrolment_required')
    expect((await bob.get('/factor')).body.state).toBe('must-enrol')
  })

  test.each<[string, unknown]>([
    ['a moment in milliseconds', until],
    ['a date', new Date(until)],
    ['a promise', Promise.resolve({ required: true, graceUntil: until })],
  ])('with %s leaves time', async (_what, given) => {
    const policy = given instanceof Promise ? given : { required: true, graceUntil: given }
    const { bob } = await demanding(policy)
    await bob.login('bob')
    expect((await bob.get('/factor')).body.graceUntil).toBe(new Date(until).toISOString())
  })

  test.each<[string, () => never]>([
    [
      'throws',
      () => {
        throw new Error('the directory is away')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the directory is away')) as never],
  ])('that %s lets nobody in', async (_what, policy) => {
    const { app } = await createEnrolledApp({
      secondFactor: { policy },
      routes: (host) => {
        host.set('env', 'test')
      },
    })
    const bob = new Client(app)
    expect((await bob.login('bob')).status).toBe(500)
    expect((await bob.get('/account')).status).toBe(401)
  })

  test('that comes up while a session goes on holds it, and one that goes frees no half login', async () => {
    const { bob, demand } = await demanding('optional')
    await bob.login('bob')
    expect((await bob.get('/account')).status).toBe(200)
    demand.is = 'required'
    expect((await bob.get('/account')).status).toBe(401)
    demand.is = 'optional'
    expect((await bob.get('/account')).status).toBe(401)
    expect((await bob.login('bob')).headers.location).toBe('/account')
  })

  test('that comes up within ten minutes of the login asks for no password to enrol', async () => {
    const { bob, demand, clock } = await demanding('optional')
    await bob.login('bob')
    clock.forward(300)
    demand.is = 'required'
    expect((await bob.get('/account')).body).toEqual({ state: 'must-enrol' })
    expect((await bob.post('/two-factor/enable', {}, '/two-factor/enable')).status).toBe(201)
  })

  test('that fails in a session is an error of the app, and no store that is away', async () => {
    const told: string[] = []
    const { bob, demand } = await demanding('optional', {
      routes: (app) => {
        app.set('env', 'test')
      },
      secondFactor: { onUnavailable: (error) => void told.push(error.message) },
    })
    await bob.login('bob')
    Object.defineProperty(demand, 'is', {
      get() {
        throw new Error('the directory is away')
      },
    })
    expect((await bob.get('/account')).status).toBe(500)
    expect(told).toEqual([])
  })

  test('holds no session that has proven it', async () => {
    const { app, demand, phone, clock } = await demanding('optional')
    const alice = new Client(app)
    await signIn(alice, phone, clock)
    demand.is = 'required'
    expect((await alice.get('/account')).body.state).toBe('verified')
  })

  test('holds a new login in a session whose proof is of a factor that is not there any more', async () => {
    const { app, store, phone, clock, demand } = await demanding('required')
    const client = new Client(app)
    await signIn(client, phone, clock)
    // As by a backup that was put back: of the same epoch, which is remembered for a minute.
    const records = new AccountRecords(store, new Keyring([KEY]), clock.now)
    const bare = ({ epoch }: AccountRecord) => ({ record: { ...EMPTY_RECORD, epoch }, outcome: null })
    await records.transact('u-alice', bare)
    const login = await client.login()
    expect([login.status, login.body.code]).toEqual([403, 'enrolment_required'])
    expect((await client.get('/vault')).body.code).toBe('enrolment_required')
    demand.is = 'optional'
    expect((await client.login()).headers.location).toBe('/account')
    expect((await client.get('/factor')).body.state).toBe('unenrolled')
  })

  test('that is there when it is turned off elsewhere: the others are out', async () => {
    const { app, demand, phone, clock } = await demanding('optional')
    const [acting, other] = [new Client(app), new Client(app)]
    await signIn(acting, phone, clock)
    await signIn(other, phone, clock)
    clock.nextStep()
    await acting.post('/two-factor/disable', { code: phone.code() })
    demand.is = 'required'
    expect((await other.get('/account')).status).toBe(401)
    expect((await other.get('/factor')).body.state).toBe('anonymous')
    expect((await acting.get('/factor')).body.state).toBe('must-enrol')
  })
})

describe('previewPolicy', () => {
  test('tells of each user what a policy would mean', async () => {
    const { secondFactor, store, clock } = await demanding('optional')
    const users = [
      { id: 'u-alice', email: 'alice@example.com' },
      { id: 'u-bob', email: 'bob@example.com' },
    ]
    const of = async (policy: Policy) => {
      const found: object[] = []
      for await (const one of secondFactor.previewPolicy(users, () => policy)) found.push(one)
      return found
    }
    const [alice, bob] = users
    expect(await of('required')).toEqual([
      { user: alice, accountId: 'u-alice', enrolled: true, required: true, graceUntil: null, held: false },
      { user: bob, accountId: 'u-bob', enrolled: false, required: true, graceUntil: null, held: true },
    ])
    expect(await of(grace)).toEqual([
      expect.objectContaining({ required: true, graceUntil: new Date(until), held: false }),
      expect.objectContaining({ required: true, graceUntil: new Date(until), held: false }),
    ])
    expect(await of('optional')).toEqual([
      expect.objectContaining({ required: false, held: false }),
      expect.objectContaining({ required: false, held: false }),
    ])
    // Recovered by an administrator, bob enrols whatever the policy says.
    const records = new AccountRecords(store, new Keyring([KEY]), clock.now)
    await records.transact('u-bob', (account) => ({
      record: { ...(account ?? EMPTY_RECORD), mustEnrol: true },
      outcome: null,
    }))
    expect(await of('optional')).toEqual([
      expect.objectContaining({ required: false, held: false }),
      expect.objectContaining({ required: true, graceUntil: null, held: true }),
    ])
  })
})
