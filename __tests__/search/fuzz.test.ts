import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Express } from 'express'
import session, { type SessionData } from 'express-session'
import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { readConfig } from '../../example-app/config'
import { adminRoutes } from '../../lib/admin/admin-router'
import type { SessionState } from '../../lib/routes/route'
import { allRoutes } from '../../lib/routes/router'
import { expresses, PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { routesOf } from '../support/table-routes'
import { type Known, realShot, type Shot, shots, type Target, type Tokens } from './requests'
import { RestorableStore } from './restorable-store'
import { shareOf } from './share'

/**
 * Every route of the plugin and of the example, by raw sockets, with requests that nobody should send: never a 500,
 * never a hang, never a session that gets further, and never a change of the account that the answer does not tell.
 */

const DEADLINE = 20_000
/** The states of a session, by what routes call them. */
const statesBy: Record<SessionState | 'anonymous', string[]> = {
  anonymous: ['anonymous'],
  unenrolled: ['unenrolled'],
  pending: ['pending', 'half an administrator'],
  'must-enrol': ['must enrol'],
  verified: ['verified', 'administrator'],
}
const states = Object.values(statesBy).flat()
const proven = ['verified', 'administrator']

/** What is answered behind the checks of a form's token and shape, besides success. */
const rules = [
  'invalid_code', 'locked', 'password_required', 'own_account', 'unknown_user', 'unknown_request', 'invalid_ticket',
  'recovery_over', 'already_approved', 'recovery_limit', 'invalid_credentials', 'invalid_transfer',
] // biome-ignore format: a list

class WatchedSessions extends session.MemoryStore {
  declare sessions: Record<string, string>
  /** The requests that wrote a verified session since somebody looked. */
  verified: number[] = []

  /** @param writer of the request that is under way */
  constructor(private readonly writer: () => number) {
    super()
  }

  override set(id: string, data: SessionData, callback?: (error?: unknown) => void): void {
    if (data.secondFactor?.state === 'verified') this.verified.push(this.writer())
    super.set(id, data, callback)
  }
}

/** The example with a session in every state, listening. */
class Range implements Known {
  readonly clock = new Clock()
  readonly states = states
  readonly targets: Target[] = []
  readonly #sessions = new WatchedSessions(() => this.#current.getStore() ?? 0)
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'fuzz-'))
  readonly #beginnings = new Map<string, { cookie: string; tokens: Tokens }>()
  readonly #store = new RestorableStore(() => this.#noteWriter())
  readonly #recoveries = new RestorableStore(() => this.#noteWriter())
  #kept: Record<string, string> = {}
  #values: Record<string, string> = {}
  /** Codes that are right now: by the name of the account. */
  #codes: Record<string, { code: string; backup: string }> = {}
  /** The request that is being judged, those that broke off, and the one that last wrote. */
  #shot = 0
  readonly #broken = new Set<number>()
  /** With which session each of them was sent. */
  readonly #stateOf: string[] = ['']
  #writer = 0
  readonly #current = new AsyncLocalStorage<number>()
  #server!: Server
  #closeApp!: () => unknown
  port = 0
  /** How often each status was answered; 0: none, since the request broke off. */
  readonly answers = new Map<number, number>()
  /** Routes at which a form came as far as the rule. */
  readonly reached = new Set<number>()

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
      store: range.#store,
      recoveryStore: range.#recoveries,
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
    // A mail may still be on its way into it.
    rmSync(this.#dataDir, { recursive: true, force: true, maxRetries: 5 })
  }

  cookieOf = (state: string) => this.#beginnings.get(state)?.cookie ?? ''
  tokensOf = (state: string) => this.#beginnings.get(state)?.tokens ?? { plugin: '', host: '' }

  /** Nobody who has not proven a factor has a code of their own: theirs are right for somebody else. */
  valueOf = (state: string, name: string): string => {
    const ofAdmin = state === 'administrator' || state === 'pending'
    const codes = this.#codes[ofAdmin ? 'admin' : 'alice']
    return { ...this.#values, ...codes }[name] ?? ''
  }

  /** Forms that have come as far as the rule of no route yet. */
  get unreached(): string[] {
    const forms = [...this.targets.entries()].filter(([, { method }]) => method === 'POST')
    return forms.filter(([route]) => !this.reached.has(route)).map(([, { path }]) => path)
  }

  #noteWriter(): void {
    this.#writer = this.#current.getStore() ?? 0
  }

  /** Sends it and says what is wrong with what came back, or null. */
  async judge({ state, route, bytes, cut, excess, genuine }: Shot): Promise<string | null> {
    this.#shot++
    this.#stateOf.push(state)
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
    // An earlier one that broke off may still be under way: it may write what its own session was.
    const verified = this.#sessions.verified.filter((shot) => !proven.includes(this.#stateOf[shot] as string))
    if (verified.length > 0) return `a session became verified by request ${verified[0]} of ${this.#shot}`
    if (({} as Record<string, unknown>).code !== undefined) return 'Object.prototype was changed'
    const [, problem = ''] = /"code":"(\w+)"/.exec(rest.join('')) ?? []
    const held = problem === 'second_factor_required' && this.targets[route]?.path === '/login'
    if ((status >= 200 && status < 300) || rules.includes(problem) || held) this.reached.add(route)
    if (!(await this.#store.isChanged()) && !(await this.#recoveries.isChanged())) return null
    await this.#store.restore()
    await this.#recoveries.restore()
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

  /** Of the mail about the request. */
  async #ticket(): Promise<string> {
    const folder = join(this.#dataDir, 'mail')
    for (;;) {
      const texts = existsSync(folder)
        ? readdirSync(folder).map((name) => readFileSync(join(folder, name)))
        : []
      const mails = await Promise.all(texts.map((text) => simpleParser(text)))
      for (const { text } of mails) {
        const [, ticket] = /\/recovery\/cancel\?ticket=([\w.-]+)/.exec(text ?? '') ?? []
        if (ticket) return ticket
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
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
      const code = phone.code()
      const { body } = await client.post('/two-factor/enable/confirm', { code }, '/two-factor')
      return { client, phone, backup: body.backupCodes[0] as string }
    }
    const { client: administrator, ...ofAdmin } = await enrolled('admin')
    const { phone, backup } = await enrolled('alice')
    this.clock.nextStep()
    const verified = await login('alice')
    await verified.post('/two-factor/challenge', { code: phone.code(), trustDevice: true })
    this.clock.nextStep()

    const begin = async (state: string, client: Client, page: string) => {
      const plugin = (await client.get(page)).body.csrfToken
      const host = (await client.get('/login')).body.csrfToken
      if (!plugin || !host) throw new Error(`No session became ${state}`)
      const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      this.#beginnings.set(state, { cookie, tokens: { plugin, host } })
    }
    const pending = await login('alice')
    const mustEnrol = await login('carol')
    // So that there is something to confirm, and to cancel.
    await mustEnrol.post('/two-factor/enable')
    await verified.post('/two-factor/replace', {}, '/two-factor')
    const answers = { firstName: 'Alice', lastName: 'Liddell', phone: '020' }
    await pending.post('/two-factor/recovery', answers)
    const [request] = (await administrator.get('/admin/two-factor/recovery')).body.requests
    const [device] = (await verified.get('/two-factor/devices')).body.devices
    const { generatedAt } = (await verified.get('/two-factor/backup-codes')).body
    this.#codes = {
      alice: { code: phone.code(), backup },
      admin: { code: ofAdmin.phone.code(), backup: ofAdmin.backup },
    }
    this.#values = {
      users: request.user.id,
      recovery: request.id,
      devices: device.id,
      set: String(Date.parse(generatedAt)),
      ticket: await this.#ticket(),
    }
    await begin('anonymous', new Client(app), '/login')
    await begin('unenrolled', await login('bob'), '/two-factor')
    await begin('pending', pending, '/two-factor/challenge')
    await begin('half an administrator', await login('admin'), '/two-factor/challenge')
    await begin('must enrol', mustEnrol, '/two-factor/enable')
    await begin('verified', verified, '/two-factor')
    await begin('administrator', administrator, '/admin/two-factor/users')
    await this.#store.keep()
    await this.#recoveries.keep()
    this.#kept = { ...this.#sessions.sessions }

    // The routers' own tables, and what Express knows of the app around them.
    const line = (base: string, { method, path }: { method: string; path: string }) =>
      `${method.toUpperCase()} ${base}${path === '/' ? '' : path}`
    const admitting = new Map<string, string[]>()
    for (const route of allRoutes) {
      const { admits } = route
      const those = admits === 'anybody' ? states : admits.flatMap((state) => statesBy[state])
      admitting.set(line('/two-factor', route), those)
    }
    for (const route of adminRoutes) admitting.set(line('/admin/two-factor', route), ['administrator'])
    const found = routesOf(app, ['/two-factor', '/two-factor/assets', '/admin/two-factor'])
    for (const one of new Set([...admitting.keys(), ...found])) {
      const [method = '', path = ''] = one.split(' ')
      this.targets.push({ method, path, states: admitting.get(one) ?? states })
    }
    this.#server = createServer((req, res) => this.#current.run(this.#shot, () => app(req, res)))
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }
}

/** Long enough for every route to have been met by a form that is nearly real. */
const LONG = 8000

const { seed, numRuns } = shareOf(320)
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
    const paths = range.targets.map(({ method, path }) => `${method} ${path}`)
    expect(paths).toEqual(expect.arrayContaining(['POST /two-factor/challenge', 'POST /transfer']))
  })

  test('a real request comes as far as the rule of each form, so that those nearly real come near it', async () => {
    for (const [route, { method, states }] of range.targets.entries()) {
      if (method !== 'POST') continue
      for (const state of states) {
        if (range.reached.has(route)) break
        expect(await range.judge(realShot(range, route, state, 'header'))).toBeNull()
        expect(await range.judge(realShot(range, route, state, 'none'))).toBeNull()
      }
    }
    expect(range.unreached).toEqual([])
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
    range.answers.clear()
    range.reached.clear()
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
    if (process.env.SEARCH_RUNS)
      console.log(
        `${numRuns} requests: ${JSON.stringify([...answers].sort())}; unreached: ${range.unreached.join(', ') || 'none'}`,
      )
    // Most are answered by a page or a handler, not by node or by silence.
    expect((answers.get(0) ?? 0) / numRuns).toBeLessThan(0.2)
    if (numRuns >= LONG) expect(range.unreached).toEqual([])
    for (const status of [200, 303, 400, 401, 403, 404]) expect(answers.get(status)).toBeGreaterThan(0)
  }, 7_200_000)
})
