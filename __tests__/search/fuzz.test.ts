import { AsyncLocalStorage } from 'node:async_hooks'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Express } from 'express'
import { MemoryStore, type StoredRecord } from 'express-second-factor'
import session, { type SessionData } from 'express-session'
import fc from 'fast-check'
import { readConfig } from '../../example-app/config'
import { adminRoutes } from '../../lib/admin/admin-router'
import { allRoutes } from '../../lib/routes/router'
import { expresses, PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { dump } from '../support/faulty-store'
import { routesOf } from '../support/table-routes'
import { type Known, type Shot, shots, type Target } from './requests'
import { shareOf } from './share'

/**
 * Every route of the plugin and of the example, by raw sockets, with requests that nobody should send: never a 500,
 * never a hang, never a session that gets further, and never a change of the account that the answer does not tell.
 */

const DEADLINE = 20_000
const states = ['anonymous', 'unenrolled', 'pending', 'must enrol', 'verified', 'administrator']
const proven = ['verified', 'administrator']

class WatchedSessions extends session.MemoryStore {
  declare sessions: Record<string, string>
  /** Ids that became verified since somebody looked. */
  verified: string[] = []
  override set(id: string, data: SessionData, callback?: (error?: unknown) => void): void {
    if (data.secondFactor?.state === 'verified') this.verified.push(id)
    super.set(id, data, callback)
  }
}

/** The example with a session in every state, listening. */
class Range implements Known {
  readonly clock = new Clock()
  readonly states = states
  readonly targets: Target[] = []
  readonly #sessions = new WatchedSessions()
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'fuzz-'))
  readonly #beginnings = new Map<string, { cookie: string; tokens: string[] }>()
  #store = new MemoryStore()
  #records: { accountId: string; record: StoredRecord }[] = []
  #kept: Record<string, string> = {}
  #text = ''
  /** The request that is being judged, those that broke off, and the one that last wrote. */
  #shot = 0
  readonly #broken = new Set<number>()
  #writer = 0
  readonly #current = new AsyncLocalStorage<number>()
  #server!: Server
  #closeApp!: () => unknown
  port = 0
  /** How often each status was answered; 0: none, since the request broke off. */
  readonly answers = new Map<number, number>()

  static async open(express: (typeof expresses)['Express 5']): Promise<Range> {
    let example!: typeof import('../../example-app/app')
    jest.isolateModules(() => {
      jest.doMock('express', () => express)
      example = require('../../example-app/app')
      jest.dontMock('express')
    })
    const range = new Range()
    const { app, close } = await example.createApp({
      ...readConfig({ DATA_DIR: range.#dataDir, REVALIDATE_AFTER: '0', TRUSTED_DEVICES: '30d' }),
      express,
      sessionStore: range.#sessions,
      store: {
        get: (accountId) => range.#store.get(accountId),
        compareAndSet(accountId, version, next) {
          range.#writer = range.#current.getStore() ?? 0
          return range.#store.compareAndSet(accountId, version, next)
        },
      },
      now: range.clock.now,
      policy: ({ username }) => (username === 'carol' ? 'required' : 'optional'),
    })
    app.enable('view cache')
    range.#closeApp = close
    await range.#begin(app)
    return range
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await this.#closeApp()
    rmSync(this.#dataDir, { recursive: true })
  }

  cookieOf = (state: string) => this.#beginnings.get(state)?.cookie ?? ''
  tokensOf = (state: string) => this.#beginnings.get(state)?.tokens ?? []

  /** Sends it and says what is wrong with what came back, or null. */
  async judge({ state, bytes, cut, excess, genuine }: Shot): Promise<string | null> {
    this.#shot++
    if (cut || excess) this.#broken.add(this.#shot)
    this.#sessions.sessions = {}
    // Written, and not merely there again: what a process has ended it would not write.
    for (const [id, text] of Object.entries(this.#kept)) this.#sessions.set(id, JSON.parse(text))
    this.#sessions.verified = []
    const answer = await this.#send(bytes, cut)
    if (answer === null) return 'no answer in time'
    const final = answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')
    const [head = '', ...rest] = final.split('\r\n\r\n')
    // Closed without a word: the request was cut short by itself.
    const status = final === '' ? 0 : Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? Number.NaN)
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1)
    if (Number.isNaN(status)) return `not an answer: ${head.slice(0, 200)}`
    if (status >= 500) return `${status}: ${rest.join('').slice(0, 300)}`
    if (/^x-injected:/im.test(head)) return 'a header of the request in the answer’s head'
    if (!proven.includes(state) && this.#sessions.verified.length > 0) return 'a session became verified'
    if (({} as Record<string, unknown>).code !== undefined) return 'Object.prototype was changed'
    const text = await dump(this.#store)
    if (text === this.#text) return null
    await this.#restore()
    // One that broke off may go on for a while after its connection is gone.
    if (this.#broken.has(this.#writer)) return null
    if (this.#writer !== this.#shot) return `the account was changed by request ${this.#writer} of this run`
    if (!genuine) return 'the account was changed without a form token'
    const told =
      (status >= 200 && status < 400) || /"(invalid_code|password_required)"|role="alert"/.test(rest.join(''))
    return told ? null : `the account was changed, and the answer is ${status}`
  }

  #send(bytes: Buffer, cut: boolean): Promise<string | null> {
    return new Promise((resolve) => {
      const heard: Buffer[] = []
      const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true })
      const timer = setTimeout(() => {
        socket.destroy()
        resolve(null)
      }, DEADLINE)
      socket.on('data', (chunk) => heard.push(chunk))
      socket.on('end', () => socket.destroy())
      // Whoever is refused early is cut off while it is still sending.
      socket.on('error', () => {})
      socket.on('close', () => {
        clearTimeout(timer)
        resolve(Buffer.concat(heard).toString('latin1'))
      })
      // Node answers nobody who has hung up.
      if (cut) socket.end(bytes)
      else socket.write(bytes)
    })
  }

  async #restore(): Promise<void> {
    this.#store = new MemoryStore()
    for (const { accountId, record } of this.#records) await this.#store.compareAndSet(accountId, 0, record)
    this.#text = await dump(this.#store)
  }

  async #begin(app: Express): Promise<void> {
    const login = async (username: string) => {
      const client = new Client(app)
      await client.post('/login', { username, password: PASSWORD })
      return client
    }
    const enrolled = async (username: string) => {
      const client = await login(username)
      const begun = await client.post('/two-factor/enable', {}, '/two-factor')
      const phone = new Authenticator(begun.body.secret, this.clock.now)
      await client.post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor')
      return { client, phone }
    }
    const { client: administrator } = await enrolled('admin')
    const { phone } = await enrolled('alice')
    this.clock.nextStep()
    const verified = await login('alice')
    await verified.post('/two-factor/challenge', { code: phone.code(), trustDevice: true })
    this.clock.nextStep()

    const begin = async (state: string, client: Client, page: string) => {
      const plugin = (await client.get(page)).body.csrfToken
      const own = (await client.get('/login')).body.csrfToken
      if (!plugin || !own) throw new Error(`No session became ${state}`)
      const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      this.#beginnings.set(state, { cookie, tokens: [plugin, own] })
    }
    await begin('anonymous', new Client(app), '/login')
    await begin('unenrolled', await login('bob'), '/two-factor')
    await begin('pending', await login('alice'), '/two-factor/challenge')
    await begin('must enrol', await login('carol'), '/two-factor/enable')
    await begin('verified', verified, '/two-factor')
    await begin('administrator', administrator, '/admin/two-factor/users')
    this.#records = await this.#store.list(null, 10)
    this.#text = await dump(this.#store)
    this.#kept = { ...this.#sessions.sessions }

    // The routers' own tables, and what Express knows of the app around them.
    const below = (base: string, table: readonly { method: string; path: string }[]) =>
      table.map(({ method, path }) => `${method.toUpperCase()} ${base}${path === '/' ? '' : path}`)
    const found = new Set([
      ...below('/two-factor', allRoutes),
      ...below('/admin/two-factor', adminRoutes),
      ...routesOf(app, ['/two-factor', '/two-factor/assets', '/admin/two-factor']),
    ])
    for (const line of found) {
      const [method = '', path = ''] = line.split(' ')
      this.targets.push({ method, path })
    }
    this.#server = createServer((req, res) => this.#current.run(this.#shot, () => app(req, res)))
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }
}

const { seed, numRuns } = shareOf(500)
const CHUNK = 500

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  let range: Range
  beforeAll(async () => {
    jest.spyOn(console, 'error').mockImplementation(() => {})
    range = await Range.open(express)
  }, 60_000)
  afterAll(() => range.close())

  test('every route of the table is among the targets', () => {
    expect(range.targets.length).toBeGreaterThan(allRoutes.length + adminRoutes.length + 5)
    expect(range.targets).toContainEqual({ method: 'POST', path: '/two-factor/challenge' })
    expect(range.targets).toContainEqual({ method: 'POST', path: '/transfer' })
  })

  test('a plain request is answered, so that silence would be seen', async () => {
    const bytes = Buffer.from(
      'GET /login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: application/json\r\n\r\n',
    )
    expect(
      await range.judge({ state: 'anonymous', route: 0, bytes, cut: false, excess: false, genuine: false }),
    ).toBeNull()
  })

  test(`${numRuns} requests by the seed ${seed}`, async () => {
    const arbitrary = shots(range)
    for (let done = 0; done < numRuns; done += CHUNK) {
      const part = { seed: seed + done, numRuns: Math.min(CHUNK, numRuns - done) }
      for (const shot of fc.sample(arbitrary, part)) {
        const wrong = await range.judge(shot)
        if (wrong === null) continue
        // The sessions of another run have other cookies: the bytes show what was sent, the seed sends it again.
        const { method, path } = range.targets[shot.route] as Target
        throw new Error(
          `SEARCH_SEED=${part.seed} SEARCH_RUNS=${CHUNK}: ${wrong}\n${shot.state}, ${method} ${path}\n` +
            `${shot.bytes.toString('latin1').slice(0, 1500)}\n${shot.bytes.toString('base64').slice(0, 4000)}`,
        )
      }
    }
    const { answers } = range
    if (process.env.SEARCH_RUNS) console.log(`${numRuns} requests: ${JSON.stringify([...answers].sort())}`)
    // Most are answered by a page or a handler, not by node or by silence.
    expect((answers.get(0) ?? 0) / numRuns).toBeLessThan(0.2)
    for (const status of [200, 303, 400, 401, 403, 404]) expect(answers.get(status)).toBeGreaterThan(0)
  }, 7_200_000)
})
