import type { Express } from 'express'
import { createTestApp, expresses, type TestAppOptions } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { serve } from '../support/server'

// Browsers take a path that begins with // or /\ for another site. A host that mounts the app below a part of the path
// has its clients write the beginning of every redirect.

/** Nothing that a browser would take for another site. */
const OWN = /^\/(?![\\/])/

const targets = ['/\\evil.example', '//evil.example', '/\\/evil.example', '///evil.example']
const pages = [
  '/two-factor',
  '/two-factor/challenge',
  '/two-factor/enable',
  '/two-factor/replace',
  '/two-factor/backup-codes',
  '/vault',
  '/transfer',
  '/nowhere',
]

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  /** The app below whatever a client writes first, of one segment or with slashes before it. */
  function below(app: Express): Express {
    const root = express()
    root.use('/:tenant', app)
    root.use(/^\/+[^/]+/, app)
    return root
  }

  async function states(): Promise<[string, Client][]> {
    const { app, phone, clock } = await createEnrolledApp({ express })
    const [nobody, pending, unenrolled, stale] = Array.from({ length: 4 }, () => new Client(app))
    await signIn(stale as Client, phone, clock)
    clock.forward(301)
    await pending?.login()
    await unenrolled?.login('bob')
    const demanding: TestAppOptions = { express, secondFactor: { policy: () => 'required' } }
    const held = new Client(createTestApp(demanding).app)
    await held.login('bob')
    return Object.entries({ nobody, pending, unenrolled, stale, held }) as [string, Client][]
  }

  test('no page and no gate sends anybody to another site', async () => {
    let redirects = 0
    for (const [state, client] of await states()) {
      const server = await serve(below(client.app))
      for (const target of targets) {
        for (const page of pages) {
          const { location } = await server.navigate(client, target + page)
          if (location === undefined) continue
          redirects++
          expect([state, target + page, location]).toEqual([state, target + page, expect.stringMatching(OWN)])
        }
      }
    }
    expect(redirects).toBeGreaterThan(20)
  })

  test('those of a tenant lead to where the tenant has them', async () => {
    const client = new Client((await createEnrolledApp({ express })).app)
    await client.login()
    const server = await serve(below(client.app))
    expect((await server.navigate(client, '/acme/vault')).location).toBe('/acme/two-factor/challenge')
  })
})
