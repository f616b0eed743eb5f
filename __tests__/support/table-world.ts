import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Express } from 'express'
import { MemoryStore, type StoredRecord } from 'express-second-factor'
import session from 'express-session'
import { readConfig } from '../../example-app/config'
import { type expresses, PASSWORD } from './app'
import { Authenticator } from './authenticator'
import { Client } from './client'
import { Clock } from './clock'

/** `stale`: verified, but longer ago than the five minutes that some routes allow. */
export const states = ['anonymous', 'unenrolled', 'pending', 'must enrol', 'verified', 'stale'] as const
export type State = (typeof states)[number]

/** The form tokens that a session's pages gave: the plugin's and the app's own. */
export interface Tokens {
  plugin: string
  app: string
}

/** A session in one of the states, and the time at which it is in it. */
interface Beginning {
  client: Client
  tokens: Tokens
  time: number
}

/**
 * The example app with a session in every state: alice has a second factor, bob has none, and carol must get one.
 * Whatever a cell does, the next one starts from the same sessions and the same records.
 */
export class World {
  readonly clock = new Clock()
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'table-'))
  readonly #sessions = new session.MemoryStore() as session.MemoryStore & { sessions: Record<string, string> }
  #store = new MemoryStore()
  #requests = new MemoryStore()
  readonly #beginnings = new Map<State, Beginning>()
  #asset: Promise<string> | undefined
  #saved = {
    sessions: {} as Record<string, string>,
    records: [] as { accountId: string; record: StoredRecord }[],
  }
  #close: () => unknown = () => {}
  app!: Express
  phone!: Authenticator
  backupCodes!: string[]

  /** Everything on one Express, as where only that one is installed. */
  static async open(express: (typeof expresses)['Express 5']): Promise<World> {
    let exampleApp!: typeof import('../../example-app/app')
    jest.isolateModules(() => {
      jest.doMock('express', () => express)
      exampleApp = require('../../example-app/app')
      jest.dontMock('express')
    })
    const world = new World()
    const { app, close } = await exampleApp.createApp({
      ...readConfig({ DATA_DIR: world.#dataDir, REVALIDATE_AFTER: '0' }),
      express,
      sessionStore: world.#sessions,
      store: {
        get: (accountId) => world.#store.get(accountId),
        compareAndSet: (accountId, version, next) => world.#store.compareAndSet(accountId, version, next),
      },
      recoveryStore: {
        get: (accountId) => world.#requests.get(accountId),
        compareAndSet: (accountId, version, next) => world.#requests.compareAndSet(accountId, version, next),
        list: (after, limit) => world.#requests.list(after, limit),
        delete: (accountId) => world.#requests.delete(accountId),
      },
      now: world.clock.now,
      policy: ({ username }) => (username === 'carol' ? 'required' : 'optional'),
    })
    world.app = app.enable('view cache')
    world.#close = close
    await world.#begin()
    return world
  }

  close(): void {
    this.#close()
    rmSync(this.#dataDir, { recursive: true })
  }

  /** A session in a state that nobody has used yet. */
  async start(state: State): Promise<Client> {
    const { client, time } = this.#beginnings.get(state) as Beginning
    this.#sessions.sessions = {}
    // Written, and not merely there again: what a process has ended it would not write.
    for (const [id, text] of Object.entries(this.#saved.sessions)) this.#sessions.set(id, JSON.parse(text))
    this.#store = new MemoryStore()
    this.#requests = new MemoryStore()
    for (const { accountId, record } of this.#saved.records) {
      await this.#store.compareAndSet(accountId, 0, record)
    }
    this.clock.time = time
    return client.copy()
  }

  tokensOf(state: State): Tokens {
    return (this.#beginnings.get(state) as Beginning).tokens
  }

  /** All that a state depends on but the time: what a request leaves as it was cannot have changed the state. */
  async traces(client: Client): Promise<string> {
    const sessions = Object.entries(this.#sessions.sessions).map(([id, text]) => {
      const { cookie: _, ...data } = JSON.parse(text)
      return [id, data]
    })
    return JSON.stringify([[...client.cookies], sessions, await this.#store.list(null, 10)])
  }

  /** The state of a client's session, by what the app tells it; a user is to be seen in the proper ones only. */
  async stateOf(client: Client): Promise<string> {
    const program = client.as('program')
    const me = await program.get('/api/me')
    if (me.status === 200) {
      const { state } = me.body.secondFactor
      if (state === 'unenrolled') return state
      if (state !== 'verified') return `${state}, with a user`
      return (await program.get('/transfer')).body.code === 'step_up_required' ? 'stale' : 'verified'
    }
    const { body } = await program.get('/two-factor')
    if (body.code === 'not_authenticated') return 'anonymous'
    if (body.code === 'second_factor_required') return 'pending'
    if (body.code === 'enrolment_required') return 'must enrol'
    return `${body.code ?? body.state}, without a user`
  }

  /** One of the files of the plugin. */
  asset(): Promise<string> {
    this.#asset ??= this.#findAsset()
    return this.#asset
  }

  async #findAsset(): Promise<string> {
    const { text } = await (await this.start('verified')).as('person').get('/two-factor')
    return (/"(\/two-factor\/assets\/[^"]+\.js)"/.exec(text) as RegExpExecArray)[1] as string
  }

  async #begin(): Promise<void> {
    const { clock } = this
    const enrolling = await this.#login('alice')
    const begun = await enrolling.post('/two-factor/enable', {}, '/two-factor')
    this.phone = new Authenticator(begun.body.secret, clock.now)
    const code = this.phone.code()
    const enrolled = await enrolling.post('/two-factor/enable/confirm', { code }, '/two-factor')
    this.backupCodes = enrolled.body.backupCodes

    clock.nextStep()
    const verified = await this.#login('alice')
    await verified.challenge(this.phone.code())

    clock.nextStep()
    const soon = clock.time
    await this.#keep('anonymous', new Client(this.app), '/login', soon)
    await this.#keep('unenrolled', await this.#login('bob'), '/two-factor', soon)
    await this.#keep('pending', await this.#login('alice'), '/two-factor/challenge', soon)
    await this.#keep('must enrol', await this.#login('carol'), '/two-factor/enable', soon)
    await this.#keep('verified', verified, '/two-factor', soon)
    await this.#keep('stale', verified, '/two-factor', soon + 6 * 60_000)
    this.#saved = { sessions: { ...this.#sessions.sessions }, records: await this.#store.list(null, 10) }
  }

  async #login(username: string): Promise<Client> {
    const client = new Client(this.app)
    await client.post('/login', { username, password: PASSWORD })
    return client
  }

  async #keep(state: State, client: Client, page: string, time: number): Promise<void> {
    const plugin = (await client.get(page)).body.csrfToken
    const app = (await client.get('/login')).body.csrfToken
    if (!plugin || !app) throw new Error(`No session became ${state}`)
    this.#beginnings.set(state, { client, tokens: { plugin, app }, time })
  }
}
