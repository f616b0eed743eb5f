import {
  createSecondFactor,
  type PolicyPreview,
  type SecondFactorOptions,
  UnavailableError,
} from 'express-second-factor'
import {
  createTestApp,
  hostPassport,
  KEY,
  type TestAppOptions,
  type User,
  userOf,
  users,
} from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { change, RecordingSessions, read, type Stored, sessionIdOf } from '../support/sessions'

const NOBODY = { state: 'anonymous', user: null, method: null, verifiedAt: null }
const alice = users.alice as User
const bob = users.bob as User

/** An app with alice enrolled, and a look at a client's session as its store has it. */
async function world(options: TestAppOptions['secondFactor'] = {}) {
  const store = new FaultyStore()
  const sessionStore = new RecordingSessions()
  const made = await createEnrolledApp({
    store,
    sessionStore,
    secondFactor: { onUnavailable() {}, ...options },
  })
  const stored = (client: Client) => read(sessionStore, sessionIdOf(client))
  const look = async (client: Client) => made.secondFactor.verifySession(await stored(client))
  const alter = (client: Client, how: (data: Stored) => void) =>
    change(sessionStore, sessionIdOf(client), how)
  const login = async (username: string) => {
    const client = new Client(made.app)
    await client.login(username)
    return client
  }
  const verified = async () => {
    const client = new Client(made.app)
    await signIn(client, made.phone, made.clock)
    return client
  }
  return { ...made, store, sessionStore, stored, look, alter, login, verified }
}

describe('the states of a session', () => {
  test.each<[string, unknown]>([
    ['none', undefined],
    ['null, as a store says that there is none', null],
    ['nobody in it', { cookie: {} }],
    ['an entry of Passport without a user', { passport: {} }],
    [
      'a proof that was left over',
      { secondFactor: { state: 'verified', accountId: 'u-alice', epoch: 1, method: 'totp' } },
    ],
  ])('%s: anonymous', async (_what, session) => {
    const { secondFactor } = await world()
    expect(await secondFactor.verifySession(session as never)).toEqual(NOBODY)
  })

  test('without a second factor: unenrolled, with the user', async () => {
    const { look, login } = await world()
    expect(await look(await login('bob'))).toEqual({ ...NOBODY, state: 'unenrolled', user: bob })
  })

  test('waiting for its code: pending, without a user', async () => {
    const { look, login } = await world()
    expect(await look(await login('alice'))).toEqual({ ...NOBODY, state: 'pending' })
  })

  test('pending ends after ten minutes', async () => {
    const { look, login, clock } = await world()
    const client = await login('alice')
    clock.forward(600 - 1)
    expect((await look(client)).state).toBe('pending')
    clock.forward(1)
    expect(await look(client)).toEqual(NOBODY)
  })

  test.each<['totp' | 'backup-code']>([['totp'], ['backup-code']])(
    'proven by %s: verified, since when',
    async (method) => {
      const { look, login, phone, backupCodes, clock } = await world()
      clock.nextStep()
      const client = await login('alice')
      await client.challenge(method === 'totp' ? phone.code() : backupCodes[0])
      const verifiedAt = new Date(clock.time)
      clock.forward(3600)
      expect(await look(client)).toEqual({ state: 'verified', user: alice, method, verifiedAt })
    },
  )

  test('let in by a trusted device: verified, by that, and until it is not trusted any more', async () => {
    const { look, login, phone, clock, app, secondFactor } = await world({
      trustedDevices: { maxAge: '30d' },
    })
    clock.nextStep()
    const first = await login('alice')
    await first.post('/two-factor/challenge', { code: phone.code(), trustDevice: true })
    const client = new Client(app)
    for (const [name, value] of first.cookies) if (name !== 'connect.sid') client.cookies.set(name, value)
    await client.login()
    expect(await look(client)).toEqual({
      state: 'verified',
      user: alice,
      method: 'trusted-device',
      verifiedAt: null,
    })
    // What another login leaves to be remembered tells nothing of devices.
    clock.nextStep()
    await (await login('alice')).challenge(phone.code())
    expect((await look(client)).method).toBe('trusted-device')
    const [device] = (await secondFactor.status('u-alice')).devices
    await first.post(`/two-factor/devices/${device?.id}/revoke`, {}, '/two-factor/devices')
    expect(await look(client)).toEqual({ ...NOBODY, state: 'pending' })
    expect((await look(first)).state).toBe('verified')
  })

  test('let in by the host’s provider: verified, by that', async () => {
    const { look, login } = await world({ skip: () => true })
    expect(await look(await login('alice'))).toMatchObject({
      state: 'verified',
      method: 'single-sign-on',
      verifiedAt: null,
    })
  })

  test('a login that went by unseen is what the host’s provider says of it; one that was seen is not asked about', async () => {
    let skip = false
    const { look, alter, login, verified, stored, secondFactor } = await world({ skip: () => skip })
    const byProvider = { state: 'verified', method: 'single-sign-on', verifiedAt: null }
    const seen = await login('bob')
    const foreign = await verified()
    await alter(foreign, (data) => {
      data.passport.user = 'u-bob'
    })
    const unseen = async (user: string) => {
      const { secondFactor: _marker, ...session } = (await stored(seen)) as Stored
      return secondFactor.verifySession({ ...session, passport: { user } } as never)
    }
    expect(await unseen('u-alice')).toEqual({ ...NOBODY, state: 'pending' })
    skip = true
    expect(await unseen('u-alice')).toEqual({ ...byProvider, user: alice })
    expect(await unseen('u-bob')).toEqual({ ...byProvider, user: bob })
    expect(await look(foreign)).toEqual({ ...byProvider, user: bob })
    expect(await look(seen)).toEqual({ ...NOBODY, state: 'unenrolled', user: bob })
  })

  test('one that was seen is asked for the code that its account has by now, whatever the provider says', async () => {
    let skip = false
    const { look, login, store, clock } = await world({ skip: () => skip, revalidateAfter: 0 })
    const seen = await login('bob')
    await putEnrolled(store, clock, 'bob')
    skip = true
    expect((await look(seen)).state).not.toBe('verified')
  })

  test('a marker that a polluted prototype has is nobody’s', async () => {
    const { stored, verified, secondFactor } = await world()
    const { secondFactor: marker, ...session } = (await stored(await verified())) as Stored
    const inheriting = Object.assign(Object.create({ secondFactor: marker }), session)
    expect(await secondFactor.verifySession(inheriting)).toEqual({ ...NOBODY, state: 'pending' })
  })

  test('a user whose serialized id is 0 is one', async () => {
    type Done = (error: null, user: User | false) => void
    const deserializeUser = (id: unknown, _req: unknown, done: Done) => done(null, id === 0 ? bob : false)
    const { secondFactor } = await world({ passport: { deserializeUser } })
    const session = { passport: { user: 0 } } as never
    expect(await secondFactor.verifySession(session)).toMatchObject({ state: 'unenrolled', user: bob })
    expect(await secondFactor.verifySession({ passport: { user: '' } } as never)).toEqual(NOBODY)
  })

  test('a host whose Passport keeps its users under another key', async () => {
    const keyed = hostPassport as unknown as { _key: string; init(): void }
    const keepUnder = (key: string) => {
      keyed._key = key
      keyed.init()
    }
    keepUnder('staff')
    try {
      const { look, stored, login, verified } = await world()
      const client = await verified()
      expect(await stored(client)).toMatchObject({ staff: { user: 'u-alice' } })
      expect(await look(client)).toMatchObject({ state: 'verified', user: alice, method: 'totp' })
      expect(await look(await login('bob'))).toEqual({ ...NOBODY, state: 'unenrolled', user: bob })
      expect(await look(await login('alice'))).toEqual({ ...NOBODY, state: 'pending' })
    } finally {
      keepUnder('passport')
    }
  })

  test('held by the policy: must-enrol, without a user', async () => {
    const { look, login } = await world({ policy: () => 'required' })
    expect(await look(await login('bob'))).toEqual({ ...NOBODY, state: 'must-enrol' })
  })

  test('a policy that came later: must-enrol, or unenrolled while there is grace', async () => {
    let policy: ReturnType<NonNullable<SecondFactorOptions['policy']>> = 'optional'
    const { look, login, clock } = await world({ policy: () => policy })
    const client = await login('bob')
    policy = 'required'
    expect(await look(client)).toEqual({ ...NOBODY, state: 'must-enrol' })
    policy = { required: true, graceUntil: clock.time + 1000 }
    expect(await look(client)).toMatchObject({ state: 'unenrolled', user: bob })
    clock.forward(1)
    expect(await look(client)).toEqual({ ...NOBODY, state: 'must-enrol' })
  })

  test('a user who is gone: anonymous', async () => {
    const { look, alter, verified } = await world()
    const client = await verified()
    await alter(client, (data) => {
      data.passport.user = 'u-gone'
    })
    expect(await look(client)).toEqual(NOBODY)
  })
})

describe('a session that was changed or is older', () => {
  test('another user’s id in a verified session has that user’s rights at most, and no proof', async () => {
    const { look, alter, verified, app, clock } = await world()
    const client = await verified()
    await alter(client, (data) => {
      data.passport.user = 'u-bob'
    })
    expect(await look(client)).toEqual({ ...NOBODY, state: 'unenrolled', user: bob })
    await enrol(new Client(app), clock.now, 'bob')
    expect(await look(client)).toEqual({ ...NOBODY, state: 'pending' })
  })

  test('the id of somebody with a second factor in a session without: pending', async () => {
    const { look, alter, login } = await world()
    const client = await login('bob')
    await alter(client, (data) => {
      data.passport.user = 'u-alice'
    })
    expect(await look(client)).toEqual({ ...NOBODY, state: 'pending' })
  })

  test('half a login with a user put beside it is no login', async () => {
    const { look, alter, login } = await world()
    const client = await login('alice')
    await alter(client, (data) => {
      data.passport = { user: 'u-alice' }
    })
    expect(await look(client)).toEqual({ ...NOBODY, state: 'pending' })
  })

  test.each([
    ['alice', { ...NOBODY, state: 'pending' }],
    ['bob', { ...NOBODY, state: 'unenrolled', user: bob }],
  ])('a session of before the plugin, of %s', async (username, expected) => {
    const { secondFactor } = await world()
    const session = { passport: { user: `u-${username}` } }
    expect(await secondFactor.verifySession(session as never)).toEqual(expected)
  })

  test('disabled meanwhile: anonymous', async () => {
    const { look, verified, secondFactor } = await world()
    const client = await verified()
    await secondFactor.reset('u-alice')
    expect(await look(client)).toEqual(NOBODY)
  })
})

describe('an epoch that changed', () => {
  test('in this process: seen at once', async () => {
    const { look, verified, secondFactor } = await world()
    const client = await verified()
    expect((await look(client)).state).toBe('verified')
    await secondFactor.revokeSessions('u-alice')
    expect(await look(client)).toEqual({ ...NOBODY, state: 'pending' })
  })

  test('in another process: seen within revalidateAfter, not a millisecond later', async () => {
    const { look, verified, store, sessionStore, clock } = await world({ revalidateAfter: '60s' })
    const other = createTestApp({ store, sessionStore, clock })
    clock.forward(3600)
    const client = await verified()
    const { time } = clock
    expect((await look(client)).state).toBe('verified')
    await other.secondFactor.revokeSessions('u-alice')
    clock.time = time + 60_000 - 1
    expect((await look(client)).state).toBe('verified')
    clock.time = time + 60_000
    expect(await look(client)).toEqual({ ...NOBODY, state: 'pending' })
  })

  test('a session that another process admitted in a newer epoch is not thrown out', async () => {
    const { look, verified, store, sessionStore, clock, phone } = await world()
    const client = await verified()
    await look(client)
    const other = createTestApp({ store, sessionStore, clock })
    await other.secondFactor.revokeSessions('u-alice')
    const newer = new Client(other.app)
    await signIn(newer, phone, clock)
    expect((await look(newer)).state).toBe('verified')
  })
})

describe('when nothing is known', () => {
  test.each([
    'get rejects',
    'get throws',
    'the record is unreadable',
    'the store answers undefined',
  ] as const)('%s: it rejects, for every session that claims a login', async (fault) => {
    const { look, verified, login, store, clock, secondFactor } = await world({ revalidateAfter: '60s' })
    const [proven, plain, waiting] = [await verified(), await login('bob'), await login('alice')]
    const older = { passport: { user: 'u-alice' } } as never
    clock.forward(60)
    store.fault = fault
    for (const claim of [look(proven), secondFactor.verifySession(older)])
      await expect(claim).rejects.toBeInstanceOf(UnavailableError)
    if (fault !== 'the record is unreadable')
      await expect(look(plain)).rejects.toBeInstanceOf(UnavailableError)
    expect((await look(waiting)).state).toBe('pending')
    expect(await secondFactor.verifySession(null)).toEqual(NOBODY)
  })

  test('what was read a moment ago still counts', async () => {
    const { look, verified, store } = await world()
    const client = await verified()
    store.fault = 'get rejects'
    expect((await look(client)).state).toBe('verified')
  })

  test('the host says that there is a second factor, and the store knows of none: it rejects', async () => {
    const { look, login, store } = await world({ isEnrolled: (user: User) => user.id === 'u-carol' })
    const client = await login('bob')
    expect((await look(client)).state).toBe('unenrolled')
    const doubting = await world({ isEnrolled: () => true })
    await doubting.store.delete('u-alice')
    const session = { passport: { user: 'u-alice' } } as never
    await expect(doubting.secondFactor.verifySession(session)).rejects.toBeInstanceOf(UnavailableError)
    expect(store.fault).toBeNull()
  })

  test.each(['policy', 'isEnrolled', 'account'] as const)('option %s fails: it rejects', async (name) => {
    let fails = false
    const failing = (user: User) => {
      if (fails) throw new Error('the host')
      return name === 'account' ? { id: user.id } : name === 'policy' ? 'optional' : false
    }
    const { look, login } = await world({ [name]: failing })
    const client = await login('bob')
    fails = true
    await expect(look(client)).rejects.toThrow('the host')
  })

  test('Passport cannot say who it is: it rejects', async () => {
    const deserializeUser = (_id: unknown, _req: unknown, done: (error: Error) => void) =>
      done(new Error('users are away'))
    const { secondFactor } = await world({ passport: { deserializeUser } })
    await expect(secondFactor.verifySession({ passport: { user: 'u-alice' } } as never)).rejects.toThrow(
      'users are away',
    )
  })
})

describe('what it costs', () => {
  test('no read of the store within revalidateAfter, one after it', async () => {
    const { look, verified, login, store, clock } = await world({ revalidateAfter: '60s' })
    const [proven, plain, waiting] = [await verified(), await login('bob'), await login('alice')]
    const reads = jest.spyOn(store, 'get')
    for (let time = 0; time < 5; time++) for (const client of [proven, plain, waiting]) await look(client)
    expect(reads).not.toHaveBeenCalled()
    clock.forward(60)
    for (let time = 0; time < 5; time++) for (const client of [proven, plain]) await look(client)
    expect(reads.mock.calls).toEqual([['u-alice'], ['u-bob']])
  })

  test('one read each with revalidateAfter 0', async () => {
    const { look, verified, store } = await world({ revalidateAfter: 0 })
    const client = await verified()
    const reads = jest.spyOn(store, 'get')
    await look(client)
    await look(client)
    expect(reads).toHaveBeenCalledTimes(2)
  })

  test('it changes nothing: neither the session that it is given nor any store', async () => {
    const { verified, login, stored, secondFactor, store, sessionStore } = await world({ revalidateAfter: 0 })
    const sessions = [await verified(), await login('bob'), await login('alice')].map(stored)
    sessions.push(Promise.resolve({ passport: { user: 'u-alice' } } as unknown as Stored))
    const writes = jest.spyOn(store, 'compareAndSet')
    const before = sessionStore.writes.length
    for (const session of await Promise.all(sessions)) {
      const copy = JSON.stringify(session)
      await secondFactor.verifySession(session)
      expect(JSON.stringify(session)).toBe(copy)
    }
    expect(writes).not.toHaveBeenCalled()
    expect(sessionStore.writes).toHaveLength(before)
  })

  test('it tells no events', async () => {
    const { secondFactor } = await world()
    const heard = jest.fn()
    secondFactor.events.on('*', heard)
    await secondFactor.verifySession({ passport: { user: 'u-alice' } } as never)
    expect(heard).not.toHaveBeenCalled()
  })
})

test('the request is handed on to Passport and to the policy', async () => {
  const seen: unknown[] = []
  const { secondFactor } = await world({
    policy: (_user, req) => {
      seen.push(req)
      return 'optional'
    },
    passport: {
      deserializeUser: (id: unknown, req: unknown, done: (error: unknown, user: unknown) => void) => {
        seen.push(req)
        hostPassport.deserializeUser(id as never, done as never)
      },
    },
  })
  const request = { headers: {} } as never
  const { user } = await secondFactor.verifySession({ passport: { user: 'u-bob' } } as never, request)
  expect(userOf(user ?? undefined)).toEqual(bob)
  expect(seen).toEqual([request, request])
})

describe('previewPolicy', () => {
  const carol: User = { id: 'u-carol', email: 'carol@example.com' }
  async function collect<T>(previews: AsyncIterable<PolicyPreview<T>>) {
    const all: PolicyPreview<T>[] = []
    for await (const preview of previews) all.push(preview)
    return all
  }
  const optional = { required: false, graceUntil: null, held: false }
  const required = { required: true, graceUntil: null }

  test('tells of each user, in their order: who has one, who must, who would be held', async () => {
    const { secondFactor } = await world()
    const policy = (user: User) => (user.id === 'u-bob' ? 'optional' : 'required')
    expect(await collect(secondFactor.previewPolicy([alice, bob, carol], policy))).toEqual([
      { user: alice, accountId: 'u-alice', enrolled: true, ...required, held: false },
      { user: bob, accountId: 'u-bob', enrolled: false, ...optional },
      { user: carol, accountId: 'u-carol', enrolled: false, ...required, held: true },
    ])
  })

  test('takes users as they come from a database, one at a time, and an asynchronous policy', async () => {
    const { secondFactor, store } = await world()
    const reads = jest.spyOn(store, 'get')
    let taken = 0
    async function* cursor() {
      for (const user of [alice, bob, carol]) {
        taken++
        yield user
      }
    }
    const previews = secondFactor.previewPolicy(cursor(), async () => 'required' as const)
    expect([taken, reads.mock.calls.length]).toEqual([0, 0])
    expect((await previews.next()).value).toMatchObject({ user: alice, held: false })
    expect([taken, reads.mock.calls.length]).toEqual([1, 1])
    expect((await previews.next()).value).toMatchObject({ user: bob, held: true })
    await previews.return(undefined)
    expect([taken, reads.mock.calls.length]).toEqual([2, 2])
  })

  test('grace: not held while it lasts, held when it is over or no date', async () => {
    const { secondFactor, clock } = await world()
    const preview = async (graceUntil: unknown) =>
      (await collect(secondFactor.previewPolicy([bob], () => ({ required: true, graceUntil }) as never)))[0]
    const end = clock.time + 1
    for (const given of [end, new Date(end)])
      expect(await preview(given)).toMatchObject({ required: true, graceUntil: new Date(end), held: false })
    for (const given of [clock.time, 0, new Date(Number.NaN), null, undefined, 'soon'])
      expect(await preview(given)).toMatchObject({ ...required, held: true })
  })

  test.each([undefined, null, true, 'Optional', {}])('an answer of %p is a demand', async (answer) => {
    const { secondFactor } = await world()
    expect(await collect(secondFactor.previewPolicy([bob], () => answer as never))).toMatchObject([
      { ...required, held: true },
    ])
  })

  test('is not the policy: nothing is turned on', async () => {
    const { secondFactor, login, look } = await world()
    await collect(secondFactor.previewPolicy([bob], () => 'required'))
    expect((await look(await login('bob'))).state).toBe('unenrolled')
  })

  test('stops where the store is away, and where the policy fails', async () => {
    const { secondFactor, store } = await world()
    await expect(
      collect(
        secondFactor.previewPolicy([bob], () => {
          throw new Error('the host')
        }),
      ),
    ).rejects.toThrow('the host')
    store.fault = 'get rejects'
    await expect(collect(secondFactor.previewPolicy([bob], () => 'optional'))).rejects.toBeInstanceOf(
      UnavailableError,
    )
  })

  test('works beside an app that has a policy of its own', async () => {
    const { store } = await world()
    const policy = jest.fn(() => 'required' as const)
    const secondFactor = createSecondFactor<User>({
      issuer: 'Acme',
      account: ({ id }) => ({ id }),
      keys: [KEY],
      store,
      policy,
    })
    expect(await collect(secondFactor.previewPolicy([bob], () => 'optional'))).toMatchObject([optional])
    expect(policy).not.toHaveBeenCalled()
  })
})
