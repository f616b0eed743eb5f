import { EventEmitter, once } from 'node:events'
import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import session from 'express-session'
import type { Socket as Connection, Server as SocketServer } from 'socket.io'
import { io as connect, type Socket } from 'socket.io-client'
import { userOf } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { blocksOf, page, runBlock } from './blocks'

jest.setTimeout(60_000)

const doc = page('websockets.md')
const ORIGIN = 'https://app.example.com'

test('the page is short', () => expect(doc.trim().split('\n').length).toBeLessThan(70))

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const cookieOf = (client: Client) => [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')

/** The app, its session middleware, and somebody in each state. */
async function setUp() {
  const store = new FaultyStore()
  const made = await createEnrolledApp({
    store,
    secondFactor: { onUnavailable() {}, revalidateAfter: '60s' },
  })
  const { app, sessionStore, phone, clock } = made
  const options = { secret: 'test', resave: false, saveUninitialized: false, store: sessionStore }
  const sessionMiddleware = session(options)
  const verified = new Client(app)
  await signIn(verified, phone, clock)
  const pending = new Client(app)
  await pending.login()
  const unenrolled = new Client(app)
  await unenrolled.login('bob')
  return { ...made, store, sessionMiddleware, verified, pending, unenrolled, anonymous: new Client(app) }
}

async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

describe('the socket.io example', () => {
  /** @param everyMillisecond how often the timer looks, in the place of a minute */
  async function serve(everyMillisecond = 60_000) {
    const world = await setUp()
    const [code = ''] = blocksOf(doc, '## socket.io')
    for (const part of ['60_000', 'server.listen(3000)']) expect(code.split(part)).toHaveLength(2)
    const transfer = jest.fn(async (user, order) => `${userOf(user).id} moved ${order}`)
    const { io, server } = runBlock(
      code.replace('60_000', `${everyMillisecond}`).replace('server.listen(3000)', 'server.listen(0)'),
      {
        app: world.app,
        secondFactor: world.secondFactor,
        sessionMiddleware: world.sessionMiddleware,
        transfer,
      },
      { returns: ['io', 'server'] },
    ) as { io: SocketServer; server: Server }
    const url = `http://127.0.0.1:${await portOf(server)}`
    closing.push(() => io.close())
    const dial = (client: Client, { origin = ORIGIN, transport = 'websocket' } = {}) => {
      const extraHeaders = { cookie: cookieOf(client), origin }
      const socket = connect(url, {
        transports: [transport],
        extraHeaders,
        reconnection: false,
        forceNew: true,
      })
      closing.push(() => socket.disconnect())
      return socket
    }
    return { ...world, io, transfer, dial }
  }

  /** What became of a connection. */
  const fate = (socket: Socket) =>
    new Promise<string>((resolve) => {
      socket.once('connect', () => resolve('connected'))
      socket.once('connect_error', ({ message }) => resolve(message))
    })
  const order = (socket: Socket) =>
    Promise.race([
      socket.emitWithAck('transfer', '10'),
      new Promise<string>((resolve) => socket.once('disconnect', resolve)),
    ])
  const CUT = 'io server disconnect'

  test.each(['websocket', 'polling'])('by %s lets only verified sessions in', async (transport) => {
    const { dial, verified, pending, unenrolled, anonymous } = await serve()
    const refused = 'second_factor_required'
    expect(await fate(dial(anonymous, { transport }))).toBe(refused)
    expect(await fate(dial(pending, { transport }))).toBe(refused)
    expect(await fate(dial(unenrolled, { transport }))).toBe(refused)
    const socket = dial(verified, { transport })
    expect(await fate(socket)).toBe('connected')
    expect(await order(socket)).toBe('u-alice moved 10')
  })

  test('lets no other site in with its visitor’s cookie', async () => {
    const { dial, verified } = await serve()
    expect(await fate(dial(verified, { origin: 'https://evil.example' }))).not.toBe('connected')
  })

  test('a cookie that somebody made up is nobody’s', async () => {
    const { dial, anonymous } = await serve()
    anonymous.cookies.set('connect.sid', 's%3Amade-up.x')
    expect(await fate(dial(anonymous))).toBe('second_factor_required')
  })

  test('after revokeSessions a sensitive message is not carried out, and the socket is cut', async () => {
    const { dial, verified, secondFactor, transfer } = await serve()
    const socket = dial(verified)
    expect(await order(socket)).toBe('u-alice moved 10')
    await secondFactor.revokeSessions('u-alice')
    expect(await order(socket)).toBe(CUT)
    expect(transfer).toHaveBeenCalledTimes(1)
    expect(await fate(dial(verified))).toBe('second_factor_required')
  })

  test('nor after signing out, though the socket’s own copy of the session knows nothing of it', async () => {
    const { dial, verified, io } = await serve()
    const socket = dial(verified)
    expect(await fate(socket)).toBe('connected')
    const [[, connection]] = [...io.sockets.sockets] as [[string, Connection]]
    const { request } = connection as unknown as { request: { session: { secondFactor?: object } } }
    await verified.send('POST', '/logout')
    expect(request.session.secondFactor).toMatchObject({ state: 'verified' })
    expect(await order(socket)).toBe(CUT)
  })

  test.each<[string, (world: Awaited<ReturnType<typeof serve>>) => unknown]>([
    ['revokeSessions', ({ secondFactor }) => secondFactor.revokeSessions('u-alice')],
    ['signing out', ({ verified }) => verified.send('POST', '/logout')],
    ['disabling elsewhere', ({ secondFactor }) => secondFactor.reset('u-alice')],
    [
      'the session store going away',
      ({ sessionStore }) => {
        sessionStore.get = (_id, done) => done(new Error('away'))
      },
    ],
  ])('the timer alone cuts the socket after %s, and its timer ends', async (_what, act) => {
    const [set, clear] = [jest.spyOn(global, 'setInterval'), jest.spyOn(global, 'clearInterval')]
    const world = await serve(20)
    const socket = world.dial(world.verified)
    expect(await fate(socket)).toBe('connected')
    const cut = new Promise<string>((resolve) => socket.once('disconnect', resolve))
    const [connection] = [...world.io.sockets.sockets.values()] as [Connection]
    const ended = once(connection, 'disconnect')
    await act(world)
    expect(await cut).toBe(CUT)
    await ended
    const timer = set.mock.results[set.mock.calls.findIndex(([, wait]) => wait === 20)]?.value
    expect(timer).toBeDefined()
    expect(clear).toHaveBeenCalledWith(timer)
    for (const spy of [set, clear]) spy.mockRestore()
  })

  test('while the store is away nobody is let in, and nobody stays once what was read has had its time', async () => {
    const { dial, verified, store, clock } = await serve()
    const socket = dial(verified)
    expect(await order(socket)).toBe('u-alice moved 10')
    store.fault = 'get rejects'
    expect(await order(socket)).toBe('u-alice moved 10')
    clock.forward(60)
    expect(await order(socket)).toBe(CUT)
    expect(await fate(dial(verified))).toBe('second_factor_required')
    store.fault = null
    expect(await fate(dial(verified))).toBe('connected')
  })

  test('a session store that is away lets nobody in', async () => {
    const { dial, verified, sessionStore } = await serve()
    sessionStore.get = (_id, done) => done(new Error('away'))
    expect(await fate(dial(verified))).not.toBe('connected')
    // As express-session is told by stores that know: there is no request.session at all.
    sessionStore.emit('disconnect')
    expect(await fate(dial(verified))).toBe('second_factor_required')
  })

  test('looking writes nothing to the session store', async () => {
    const { dial, verified, sessionStore } = await serve()
    const writes = [jest.spyOn(sessionStore, 'set'), jest.spyOn(sessionStore, 'destroy')]
    await order(dial(verified))
    for (const write of writes) expect(write).not.toHaveBeenCalled()
  })
})

describe('the upgrade example', () => {
  async function serve() {
    const world = await setUp()
    const server = createServer(world.app)
    // What `ws` does, as far as the example uses it.
    const webSockets = Object.assign(new EventEmitter(), {
      handleUpgrade(_request: unknown, socket: Duplex, _head: Buffer, done: (ws: Duplex) => void) {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
        done(socket)
      },
    })
    const seen: string[] = []
    webSockets.on('connection', (ws: Duplex, _request, user) => {
      seen.push(userOf(user).id)
      ws.destroy()
    })
    const { secondFactor, sessionMiddleware } = world
    const [code = ''] = blocksOf(doc, '## `ws`')
    runBlock(code, { server, webSockets, secondFactor, sessionMiddleware })
    server.listen(0)
    const port = await portOf(server)
    closing.push(() => new Promise((resolve) => server.close(resolve)))
    const dial = (client: Client, origin = ORIGIN) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { connection: 'Upgrade', upgrade: 'websocket', cookie: cookieOf(client), origin }
        const request = httpRequest({ port, host: '127.0.0.1', headers })
        request.once('upgrade', (response, socket) => {
          socket.destroy()
          resolve(response.statusCode)
        })
        request.once('response', (response) => resolve(response.resume().statusCode))
        request.once('error', reject)
        request.end()
      })
    return { ...world, seen, dial, server, port }
  }

  test('lets only verified sessions of its own site in', async () => {
    const { dial, verified, pending, unenrolled, anonymous, seen } = await serve()
    expect(await dial(verified)).toBe(101)
    for (const client of [pending, unenrolled, anonymous]) expect(await dial(client)).toBe(401)
    expect(await dial(verified, 'https://evil.example')).toBe(401)
    expect(seen).toEqual(['u-alice'])
  })

  test.each(['the store', 'the session store'])('%s away: nobody', async (what) => {
    const { dial, verified, store, sessionStore, clock, seen } = await serve()
    clock.forward(60)
    if (what === 'the store') store.fault = 'get rejects'
    else sessionStore.get = (_id, done) => done(new Error('away'))
    expect(await dial(verified)).toBe(401)
    expect(seen).toEqual([])
  })

  test('a client that is gone before it was looked at does not end the process', async () => {
    const { dial, verified, server, sessionStore, seen } = await serve()
    const get = sessionStore.get.bind(sessionStore)
    const taken = once(server, 'upgrade') as Promise<[unknown, Duplex]>
    sessionStore.get = (id, done) => {
      taken.then(([, socket]) => {
        socket.destroy(new Error('read ECONNRESET'))
        get(id, done)
      })
    }
    await expect(dial(verified)).rejects.toThrow(/hang up|ECONNRESET/)
    sessionStore.get = get
    expect(await dial(verified)).toBe(101)
    expect(seen).toContain('u-alice')
  })
})
