import express from 'express'
import session, { type SessionData } from 'express-session'
import { hostPassport } from './app'
import type { Client } from './client'

// biome-ignore lint/suspicious/noExplicitAny: tests look into what apps and the plugin keep there
export type Stored = SessionData & Record<string, any>

/** A session store that remembers everything that was ever written to it. */
export class RecordingSessions extends session.MemoryStore {
  readonly writes: Stored[] = []

  override set(id: string, data: SessionData, callback?: (error?: unknown) => void): void {
    this.writes.push(JSON.parse(JSON.stringify(data)))
    super.set(id, data, callback)
  }
}

export function sessionIdOf(client: Client): string {
  const [, id = ''] = /^s:([^.]+)/.exec(decodeURIComponent(client.cookies.get('connect.sid') ?? '')) ?? []
  return id
}

export function read(store: session.Store, id: string): Promise<Stored | null> {
  return new Promise((resolve, reject) =>
    store.get(id, (error, data) => (error ? reject(error) : resolve((data as Stored) ?? null))),
  )
}

/** Every session that is stored now. */
export function all(store: session.Store): Promise<Stored[]> {
  return new Promise((resolve, reject) =>
    store.all?.((error, sessions) =>
      error ? reject(error) : resolve(Object.values(sessions ?? {}) as Stored[]),
    ),
  )
}

export async function change(store: session.Store, id: string, alter: (data: Stored) => void): Promise<void> {
  const data = (await read(store, id)) as Stored
  alter(data)
  await new Promise<void>((resolve, reject) =>
    store.set(id, data, (error) => (error ? reject(error) : resolve())),
  )
}

/** The app as it was before the plugin: another process at the same session store. */
export function createPlainApp(sessionStore: session.Store) {
  const app = express()
  app.use(session({ secret: 'test', resave: false, saveUninitialized: false, store: sessionStore }))
  app.use(hostPassport.session())
  app.use(express.json())
  app.post('/login', hostPassport.authenticate('local'), (_req, res) => {
    res.sendStatus(204)
  })
  app.get('/who', (req, res) => {
    res.json({ user: req.user ?? null })
  })
  return app
}
