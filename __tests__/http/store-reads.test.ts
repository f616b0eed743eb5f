import { MemoryStore } from 'express-second-factor'
import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Client } from '../support/client'
import { anotherDay, tokenOf, trust, withCookie } from '../support/devices'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { serve } from '../support/server'

/** Counts what it is asked. */
class CountedStore extends MemoryStore {
  reads = 0
  writes = 0

  override get(accountId: string) {
    this.reads++
    return super.get(accountId)
  }

  override compareAndSet(...args: Parameters<MemoryStore['compareAndSet']>) {
    this.writes++
    return super.compareAndSet(...args)
  }
}

async function counted(options: TestAppOptions = {}) {
  const store = new CountedStore()
  const made = await createEnrolledApp({
    ...options,
    store,
    secondFactor: { trustedDevices: { maxAge: '30d' }, ...options.secondFactor },
  })
  /** What the store is asked while this goes on: reads and writes. */
  const costOf = async (work: () => Promise<unknown>) => {
    const { reads, writes } = store
    await work()
    return [store.reads - reads, store.writes - writes]
  }
  const passes = async (client: Client, path = '/vault') => expect((await client.get(path)).status).toBe(200)
  return { ...made, store, costOf, passes }
}

const kinds = {
  'proven by a code': async ({ app, phone, clock }: Awaited<ReturnType<typeof counted>>) => {
    const client = new Client(app)
    await signIn(client, phone, clock)
    return client
  },
  'resting on a trusted device': async ({ app, phone, clock }: Awaited<ReturnType<typeof counted>>) => {
    const browser = new Client(app)
    await trust(browser, phone, clock)
    const client = anotherDay(browser)
    await client.login()
    return client
  },
}

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  describe.each(Object.entries(kinds))('a session %s', (kind, open) => {
    test('costs no read of the store inside revalidateAfter, and exactly one after it', async () => {
      const made = await counted({ express })
      const { costOf, passes, clock } = made
      const client = await open(made)
      const first = await costOf(() => passes(client))
      expect(first).toEqual([0, 0])
      expect(await costOf(() => passes(client, '/account'))).toEqual([0, 0])
      clock.forward(59)
      expect(await costOf(() => passes(client))).toEqual([0, 0])
      clock.forward(1)
      expect(await costOf(() => passes(client))).toEqual([1, 0])
      expect(await costOf(() => passes(client))).toEqual([0, 0])
      // Being turned away costs none, either.
      clock.forward(59)
      expect(await costOf(() => client.get('/no/such/page'))).toEqual([0, 0])
      if (kind !== 'proven by a code') expect(await costOf(() => client.get('/transfer'))).toEqual([0, 0])
      clock.forward(3600)
      expect(await costOf(() => client.get('/transfer'))).toEqual([1, 0])
    })
  })

  test('100 requests over two sessions of one account cost no more, and one after it', async () => {
    const made = await counted({ express })
    const { app, costOf, clock } = made
    const sessions = [await kinds['resting on a trusted device'](made), await kinds['proven by a code'](made)]
    const server = await serve(app)
    const some = (count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, n) =>
          server.navigate(sessions[n % 2] as Client, '/vault').then(({ status }) => expect(status).toBe(200)),
        ),
      )
    // Who came in last has made known the epoch, and not the devices.
    await some(2)
    expect(await costOf(() => some(100))).toEqual([0, 0])
    clock.forward(60)
    expect(await costOf(() => some(1))).toEqual([1, 0])
    expect(await costOf(() => some(99))).toEqual([0, 0])
  })
})

test('50 requests at once, when what is remembered is too old, cost one read', async () => {
  const made = await counted()
  const client = await kinds['proven by a code'](made)
  made.clock.forward(61)
  const all = () => Promise.all(Array.from({ length: 50 }, () => made.passes(client.copy())))
  expect(await made.costOf(all)).toEqual([1, 0])
  expect(await made.costOf(all)).toEqual([0, 0])
})

test('a session that another process let in costs one read there', async () => {
  const { costOf, passes, app: _app, ...made } = await counted()
  const { store, sessionStore, clock } = made
  const here = await kinds['proven by a code']({ ...made, app: _app, costOf, passes })
  const there = createTestApp({ store, sessionStore, clock })
  const client = new Client(there.app)
  client.cookies = here.cookies
  expect(await costOf(() => passes(client))).toEqual([1, 0])
  expect(await costOf(() => passes(client))).toEqual([0, 0])
})

test('a login of a trusted device costs its own reads and one write', async () => {
  const made = await counted()
  const browser = new Client(made.app)
  await trust(browser, made.phone, made.clock)
  expect(await made.costOf(() => anotherDay(browser).login())).toEqual([2, 1])
  // With no cookie nothing is looked for.
  expect(await made.costOf(() => new Client(made.app).login())).toEqual([1, 0])
  // Nor where it is not offered, whatever the cookie.
  const without = createTestApp({ store: made.store, clock: made.clock })
  const client = withCookie(new Client(without.app), tokenOf(browser))
  expect(await made.costOf(() => client.login())).toEqual([1, 0])
})

test('where nothing is to be remembered, each request costs one', async () => {
  const made = await counted({ secondFactor: { revalidateAfter: 0 } })
  for (const open of Object.values(kinds)) {
    const client = await open(made)
    for (let n = 0; n < 3; n++) expect(await made.costOf(() => made.passes(client))).toEqual([1, 0])
  }
})

test('a request of nobody, and of half a login, costs none', async () => {
  const { app, costOf } = await counted()
  const client = new Client(app)
  expect(await costOf(() => client.get('/vault'))).toEqual([0, 0])
  await client.login()
  expect(await costOf(() => client.get('/vault'))).toEqual([0, 0])
  expect(await costOf(() => client.get('/account'))).toEqual([0, 0])
})
