import { MemoryStore, type StoredRecord, TotpStrategy } from 'express-second-factor'
import { createTestApp, expresses, hostPassport, type User } from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { all } from '../support/sessions'

/** Answers nothing until it is told to go on. */
class HangingStore extends MemoryStore {
  #gate: Promise<void> | null = null
  #open: () => void = () => {}

  hang(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  goOn(): void {
    this.#gate = null
    this.#open()
  }

  override async get(accountId: string) {
    await this.#gate
    return super.get(accountId)
  }

  override async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord) {
    await this.#gate
    return super.compareAndSet(accountId, expectedVersion, next)
  }
}

const gets = [
  '/vault',
  '/two-factor',
  '/two-factor/enable',
  '/two-factor/challenge',
  '/two-factor/backup-codes',
]
const posts = ['/enable', '/enable/confirm', '/challenge', '/challenge/cancel', '/backup-codes', '/disable']

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  describe('a store that hangs', () => {
    const setUp = () =>
      createEnrolledApp({
        express,
        store: new HangingStore(),
        secondFactor: { revalidateAfter: 0, storeTimeout: 400, onUnavailable() {} },
      })

    test('is 503 through every route, and all is well afterwards', async () => {
      const { app, store, phone, clock } = await setUp()
      const client = new Client(app)
      await signIn(client, phone, clock)
      ;(store as HangingStore).hang()
      const code = phone.code()
      const answers = await Promise.all([
        ...gets.map((path) => client.copy().get(path)),
        ...posts.map((path) => client.copy().send('POST', `/two-factor${path}`, { code })),
        client.copy().get('/account'),
        new Client(app).login(),
      ])
      const statuses = answers.map(({ status, body }) => [status, body.code])
      const beforeLast = statuses.splice(-2, 1)
      expect(statuses).toEqual(statuses.map(() => [503, 'unavailable']))
      // The host's own page: up, and nobody is logged in.
      expect(beforeLast).toEqual([[401, undefined]])
      ;(store as HangingStore).goOn()
      expect((await client.get('/vault')).status).toBe(200)
    })

    test('that has recorded a code, too late, signs nobody in; the code is spent', async () => {
      const { app, store, phone, clock, sessionStore } = await setUp()
      const hanging = store as HangingStore
      const client = new Client(app)
      clock.nextStep()
      await client.login()
      const { csrfToken } = (await client.get('/two-factor/challenge')).body
      const write = jest.spyOn(hanging, 'compareAndSet')
      const get = hanging.get.bind(hanging)
      hanging.get = async (accountId) => {
        const record = await get(accountId)
        hanging.hang()
        return record
      }
      const code = phone.code()
      const refused = await client.send(
        'POST',
        '/two-factor/challenge',
        { code },
        { 'x-csrf-token': csrfToken },
      )
      expect([refused.status, refused.body.code]).toEqual([503, 'unavailable'])
      expect(refused.body.detail).toMatch(/cannot say at the moment whether that was carried out/)
      hanging.get = get
      hanging.goOn()
      expect(await write.mock.results[0]?.value).toBe(true)
      const kept = await all(sessionStore)
      expect(kept.map(({ passport, secondFactor }) => [passport, secondFactor?.state])).toEqual([
        [undefined, 'pending'],
      ])
      const again = await client.challenge(code)
      expect([again.status, again.body.code]).toEqual([401, 'invalid_code'])
      clock.nextStep()
      expect((await client.challenge(phone.code())).status).toBe(200)
    })
  })

  describe('a session store that takes no write after the factor was written', () => {
    test('is 503, and says that it may have been carried out', async () => {
      const { app, phone, clock, sessionStore } = await createEnrolledApp({
        express,
        secondFactor: { onUnavailable() {} },
      })
      const client = new Client(app)
      clock.nextStep()
      await client.login()
      const { csrfToken } = (await client.get('/two-factor/challenge')).body
      const refuse = jest.spyOn(sessionStore, 'set').mockImplementation((_id, _data, done) => {
        done?.(new Error('OOM'))
      })
      const header = { 'x-csrf-token': csrfToken }
      const { status, body } = await client.send(
        'POST',
        '/two-factor/challenge',
        { code: phone.code() },
        header,
      )
      refuse.mockRestore()
      expect([status, body.code]).toEqual([503, 'unavailable'])
      expect(body.detail).toMatch(/cannot say/)
    })
  })

  test('onUnavailable is told of it, too, where Express answers: a session store that takes no write', async () => {
    const told: string[] = []
    const { app, phone, clock, sessionStore } = await createEnrolledApp({
      express,
      secondFactor: { onUnavailable: ({ message }) => void told.push(message) },
      routes(app, secondFactor) {
        app.set('env', 'test')
        hostPassport.use(new TotpStrategy(secondFactor))
        app.post('/totp', hostPassport.authenticate('totp'), (_req, res) => void res.sendStatus(204))
      },
    })
    const pending = new Client(app)
    await pending.login()
    const unenrolled = new Client(app)
    await unenrolled.login('bob')
    const refuse = jest.spyOn(sessionStore, 'set').mockImplementation((_id, _data, done) => {
      done?.(new Error('OOM'))
    })
    clock.nextStep()
    try {
      for (const ask of [
        // On the way to the challenge, at a gate, and at a strategy whose code was right.
        () => pending.as('person').get('/elsewhere'),
        () => unenrolled.as('person').get('/vault'),
        () => pending.send('POST', '/totp', { code: phone.code() }),
      ]) {
        expect((await ask()).status).toBe(503)
        expect(told.splice(0)).toEqual(['The session store does not answer'])
      }
    } finally {
      refuse.mockRestore()
    }
  })

  test('and of a strategy whose store is away, once', async () => {
    const told: string[] = []
    const store = new FaultyStore()
    const { app, phone, clock } = await createEnrolledApp({
      express,
      store,
      secondFactor: { revalidateAfter: 0, onUnavailable: ({ message }) => void told.push(message) },
      routes(app, secondFactor) {
        app.set('env', 'test')
        hostPassport.use(new TotpStrategy(secondFactor))
        app.post('/totp', hostPassport.authenticate('totp'), (_req, res) => void res.sendStatus(204))
      },
    })
    const verified = new Client(app)
    await signIn(verified, phone, clock)
    const pending = new Client(app)
    await pending.login()
    clock.nextStep()
    store.fault = 'get rejects'
    for (const client of [pending, verified]) {
      expect((await client.send('POST', '/totp', { code: phone.code() })).status).toBe(503)
      expect(told.splice(0)).toHaveLength(1)
    }
  })

  test.each<[string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('log is full')
      },
    ],
    ['rejects', () => Promise.reject(new Error('log is full'))],
  ])('an onUnavailable that %s: 503 all the same', async (_how, onUnavailable) => {
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const store = new FaultyStore()
    const { app, phone, clock } = await createEnrolledApp({
      express,
      store,
      secondFactor: { onUnavailable, revalidateAfter: 0 },
    })
    const client = new Client(app)
    await signIn(client, phone, clock)
    const { csrfToken } = (await client.get('/two-factor')).body
    store.fault = 'get rejects'
    const answers = [
      await client.get('/vault'),
      await client.get('/two-factor'),
      await client.send('POST', '/two-factor/disable', { code: '123456' }, { 'x-csrf-token': csrfToken }),
      await new Client(app).login(),
    ]
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503])
    expect(emitWarning.mock.calls.map(([, options]) => (options as { code: string }).code)).toContain(
      'SF_ON_UNAVAILABLE',
    )
    emitWarning.mockRestore()
  })

  describe('isEnrolled', () => {
    const enrolled = new Set<string>()
    const isEnrolled = (user: User) => enrolled.has(user.id)
    const setUp = () =>
      createEnrolledApp({ express, secondFactor: { isEnrolled, revalidateAfter: 0, onUnavailable() {} } })
    beforeEach(() => enrolled.clear())

    test('says yes, and the store knows nothing: 503 for the login and for older sessions', async () => {
      const { app, store, phone, clock } = await setUp()
      const client = new Client(app)
      await signIn(client, phone, clock)
      enrolled.add('u-alice')
      await store.delete?.('u-alice')
      const login = await new Client(app).login()
      expect([login.status, login.body.code]).toEqual([503, 'unavailable'])
      for (const path of gets) expect([path, (await client.get(path)).status]).toEqual([path, 503])
      expect((await client.get('/account')).body).toEqual({ state: 'unavailable' })
      expect((await new Client(app).login('bob')).status).toBe(302)
    })

    test('says no, or is not given: an account that the store does not know has no second factor', async () => {
      const { app, store } = await setUp()
      await store.delete?.('u-alice')
      expect((await new Client(app).login()).status).toBe(302)
    })

    test('is not asked of an account that the store knows', async () => {
      const { app, phone, clock } = await setUp()
      enrolled.add('u-alice')
      const client = new Client(app)
      await signIn(client, phone, clock)
      expect((await client.get('/vault')).status).toBe(200)
      clock.nextStep()
      // The host has not yet heard of it.
      expect((await client.post('/two-factor/disable', { code: phone.code() })).status).toBe(200)
      expect((await client.get('/account')).body.state).toBe('unenrolled')
      expect((await new Client(app).login()).status).toBe(302)
    })

    test('that fails is an error, and no login', async () => {
      const { app } = createTestApp({
        express,
        secondFactor: {
          isEnrolled() {
            throw new Error('the host')
          },
        },
      })
      const client = new Client(app)
      expect((await client.login()).status).toBe(500)
      expect((await client.get('/account')).status).toBe(401)
    })

    test('that has heard of it before this process is asked by a fresh look, not by what is remembered', async () => {
      const here = await createEnrolledApp({ express, secondFactor: { isEnrolled, onUnavailable() {} } })
      const { store, sessionStore, clock } = here
      const other = createTestApp({ express, store, sessionStore, clock })
      const bob = new Client(here.app)
      await bob.login('bob')
      expect((await bob.get('/account')).body.state).toBe('unenrolled')
      await enrol(new Client(other.app), clock.now, 'bob')
      enrolled.add('u-bob')
      // What is remembered here says that there is none.
      expect((await bob.get('/vault')).body.code).toBe('second_factor_required')
    })

    test('lets an account in that support has reset', async () => {
      const { app, secondFactor, store } = await setUp()
      enrolled.add('u-alice')
      await store.delete?.('u-alice')
      await secondFactor.reset('u-alice')
      expect((await new Client(app).login()).status).toBe(302)
    })
  })
})
