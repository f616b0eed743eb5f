import session from 'express-session'
import { expresses } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp } from '../support/enrolled'

/** Tells what it is asked to do. */
class TellingStore extends session.MemoryStore {
  asked: string[] = []

  override get(...args: Parameters<session.MemoryStore['get']>) {
    this.asked.push('get')
    super.get(...args)
  }

  override set(...args: Parameters<session.MemoryStore['set']>) {
    this.asked.push('set')
    super.set(...args)
  }

  override destroy(...args: Parameters<session.MemoryStore['destroy']>) {
    this.asked.push('destroy')
    super.destroy(...args)
  }
}

type Session = Parameters<session.MemoryStore['set']>[1] & { cart?: string }

async function half(express: (typeof expresses)['Express 5'], change: (kept: Session) => void = () => {}) {
  const sessionStore = new TellingStore()
  const onVerified = (_user: unknown, req: { session: unknown }) => change(req.session as Session)
  const made = await createEnrolledApp({ express, sessionStore, secondFactor: { onVerified } })
  const client = new Client(made.app)
  const login = await client.login()
  made.clock.nextStep()
  sessionStore.asked = []
  const send = () =>
    client.send(
      'POST',
      '/two-factor/challenge',
      { code: made.phone.code() },
      { 'x-csrf-token': login.body.csrfToken },
    )
  /** The session that the client has now, as it was last written. */
  const kept = () =>
    new Promise<Session>((resolve) => {
      const id = decodeURIComponent(client.cookies.get('connect.sid') as string)
        .slice(2)
        .split('.')[0] as string
      sessionStore.get(id, (_error, data) => resolve(data as Session))
    })
  return { client, sessionStore, send, kept }
}

describe.each(Object.entries(expresses))('%s: a code that is accepted', (_name, express) => {
  test('costs the session store one read, one removal and one write', async () => {
    const { client, sessionStore, send } = await half(express)
    expect((await send()).status).toBe(200)
    expect(sessionStore.asked).toEqual(['get', 'destroy', 'set'])
    expect((await client.get('/vault')).status).toBe(200)
  })

  test.each([
    ['what the host adds to the session', (kept: Session) => Object.assign(kept, { cart: 'a book' })],
    [
      'how long the host lets the session live',
      (kept: Session) => Object.assign(kept.cookie, { maxAge: 3_600_000 }),
    ],
  ])('%s in onVerified is written with one write more', async (_what, change) => {
    const { sessionStore, send, kept } = await half(express, change)
    expect((await send()).status).toBe(200)
    expect(sessionStore.asked).toEqual(['get', 'destroy', 'set', 'set'])
    const { cart, cookie } = await kept()
    // It is what is left when express-session looks: a millisecond less, now and then.
    expect(cart ?? Math.ceil((cookie.originalMaxAge ?? 0) / 1000)).toBe(cart ? 'a book' : 3600)
  })

  test('the next request writes as ever', async () => {
    const { client, sessionStore, send } = await half(express)
    await send()
    sessionStore.asked = []
    expect((await client.send('POST', '/logout', {})).status).toBe(204)
    expect(sessionStore.asked).toContain('destroy')
    expect((await client.get('/vault')).status).toBe(401)
  })
})
