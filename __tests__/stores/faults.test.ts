import { createTestApp, type TestApp } from '../support/app'
import { Client } from '../support/client'
import { type Factor, putEnrolled, signIn } from '../support/enrolled'
import { type FaultProxy, startFaultProxy } from '../support/servers/fault-proxy'
import { all } from '../support/sessions'
import { type OpenStore, openStore, type Place, places } from '../support/stores'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

const CHALLENGE = '/two-factor/challenge'

for (const { name, needs, start } of places.filter((place) => place.name !== 'SQLite')) {
  describeWith(needs, `the wire to ${name}`, () => {
    let place: Place
    let proxies: FaultProxy[]
    let open: OpenStore
    let made: TestApp & Factor

    beforeAll(async () => {
      place = await start()
      const ports = [...place.url.matchAll(/\d{4,5}/g)].map(([port]) => Number(port))
      proxies = await Promise.all(ports.map(startFaultProxy))
      const via = new Map(ports.map((port, index) => [port, (proxies[index] as FaultProxy).port]))
      open = openStore(place.url, via)
      const secondFactor = { storeTimeout: '1s', revalidateAfter: 0, onUnavailable() {} } as const
      const app = createTestApp({ store: open.store, secondFactor })
      made = { ...app, ...(await putEnrolled(open.store, app.clock)) }
    })
    afterAll(async () => {
      await open?.close()
      await Promise.all(proxies?.map((proxy) => proxy.close()) ?? [])
      await place?.stop()
    })
    afterEach(() => {
      for (const proxy of proxies) {
        proxy.onQuestion = () => {}
        proxy.release()
      }
    })

    const roundTrips = () => proxies.reduce((sum, proxy) => sum + proxy.roundTrips, 0)

    /** Calls back when the question so many round trips from now has been handed on. */
    function atQuestion(number: number, act: (proxy: FaultProxy) => void) {
      const target = roundTrips() + number
      for (const proxy of proxies) {
        proxy.onQuestion = () => {
          if (roundTrips() === target) act(proxy)
        }
      }
    }

    /** Somebody at the challenge, with a new code and a way to send it. */
    async function atChallenge() {
      made.clock.nextStep()
      const client = new Client(made.app)
      const { csrfToken } = (await client.login()).body
      const code = made.phone.code()
      return {
        client,
        code,
        send: () => client.send('POST', CHALLENGE, { code }, { 'x-csrf-token': csrfToken }),
      }
    }

    const states = async () => (await all(made.sessionStore)).map(({ secondFactor }) => secondFactor?.state)
    const verified = async () => (await states()).filter((state) => state === 'verified').length

    /** The fewest of three: the first may have to connect, and a cluster's client asks how the cluster is. */
    async function fewestRoundTrips(
      prepare: () => Promise<() => PromiseLike<{ status: number }>>,
    ): Promise<number> {
      const counts: number[] = []
      for (let time = 0; time < 3; time++) {
        const request = await prepare()
        const before = roundTrips()
        expect((await request()).status).toBe(200)
        counts.push(roundTrips() - before)
      }
      return Math.min(...counts)
    }

    test('carries two round trips a verification', async () => {
      expect(await fewestRoundTrips(async () => (await atChallenge()).send)).toBe(2)
    })

    test('and one for a session that is looked up again', async () => {
      const client = new Client(made.app)
      await signIn(client, made.phone, made.clock)
      expect(await fewestRoundTrips(async () => () => client.get('/vault'))).toBe(1)
    })

    test.each([
      ['cut after the question', (proxy: FaultProxy) => proxy.cut()],
      ['cut in the middle of the answer', (proxy: FaultProxy) => proxy.truncateNext(3)],
    ])('is %s: of the read, and of the write', async (_how, break_) => {
      for (const question of [1, 2]) {
        const before = await verified()
        const { client, code, send } = await atChallenge()
        atQuestion(question, break_)
        const { status, body } = await send()
        // Looked up again, it may still be found to be recorded.
        expect([200, 503]).toContain(status)
        expect(await verified()).toBe(before + (status === 200 ? 1 : 0))
        if (status === 503) expect(body.code).toBe('unavailable')
        // A code that was accepted is not accepted again; one that was lost may be.
        const again = await (await atSameStep(client)).challenge(code)
        expect([200, 401]).toContain(again.status)
        if (status === 200) expect(again.status).toBe(401)
        const after = await atChallenge()
        expect((await after.send()).status).toBe(200)
      }
    })

    async function atSameStep(other: Client): Promise<Client> {
      const client = new Client(other.app)
      expect((await client.login()).status).toBe(403)
      return client
    }

    test('is held: every route is 503, and all is well when it is let go', async () => {
      const client = new Client(made.app)
      await signIn(client, made.phone, made.clock)
      for (const proxy of proxies) proxy.hold()
      const gets = [
        '/vault',
        '/transfer',
        '/two-factor',
        '/two-factor/enable',
        CHALLENGE,
        '/two-factor/backup-codes',
      ]
      const posts = ['/enable', '/enable/confirm', '/challenge', '/backup-codes', '/disable']
      const answers = await Promise.all([
        ...gets.map((path) => client.copy().get(path)),
        ...posts.map((path) => client.copy().send('POST', `/two-factor${path}`, { code: made.phone.code() })),
        new Client(made.app).login(),
      ])
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503))
      for (const proxy of proxies) proxy.release()
      expect((await client.get('/vault')).status).toBe(200)
    })

    test('is held in the middle of a write: the answer that comes late signs nobody in', async () => {
      const before = await verified()
      const { client, code, send } = await atChallenge()
      atQuestion(2, (proxy) => proxy.hold())
      const written = jest.spyOn(open.store, 'compareAndSet')
      expect((await send()).status).toBe(503)
      for (const proxy of proxies) proxy.release()
      expect(await written.mock.results[0]?.value).toBe(true)
      written.mockRestore()
      expect(await verified()).toBe(before)
      expect((await client.get('/account')).body).toEqual({ state: 'pending' })
      expect((await client.challenge(code)).status).toBe(401)
      made.clock.nextStep()
      expect((await client.challenge(made.phone.code())).status).toBe(200)
    })
  })
}
