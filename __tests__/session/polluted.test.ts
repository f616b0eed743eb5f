import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { read, type Stored, sessionIdOf } from '../support/sessions'

// Some host copies what it is sent into its objects, prototypes included: what every object then inherits is no proof.
test('a proof that every session inherits lets nobody in', async () => {
  const { app, sessionStore, phone, clock } = await createEnrolledApp()
  const victim = new Client(app)
  await signIn(victim, phone, clock)
  const { secondFactor: marker } = (await read(sessionStore, sessionIdOf(victim))) as Stored
  expect(marker).toMatchObject({ state: 'verified', accountId: 'u-alice' })
  const before = new Client(app)
  await before.login()
  // On the way to a gate: the session is stored, and has nobody.
  const early = new Client(app, 'person')
  await early.get('/vault')
  try {
    Object.defineProperty(Object.prototype, 'secondFactor', {
      value: marker,
      configurable: true,
      enumerable: true,
      writable: true,
    })
    const thief = new Client(app)
    // In a session of its own, and in one that the store has: what that reads inherits, too.
    for (const client of [thief, before, early.as('program')]) {
      const login = await client.login()
      expect([login.status, login.body.code]).toEqual([403, 'second_factor_required'])
    }
    // express-session itself reads nothing into a session that sessions inherit: then nobody is in.
    for (const client of [thief, before, early.as('program'), new Client(app)]) {
      for (const gate of ['/vault', '/transfer']) {
        expect((await client.get(gate)).status.toString()).toMatch(/^40[13]$/)
      }
      expect((await client.get('/account')).status).toBe(401)
    }
    // What is not inherited is as ever.
    const owner = new Client(app, 'person')
    await owner.get('/vault')
    await owner.login('bob')
    expect((await owner.as('program').get('/account')).body).toMatchObject({ state: 'unenrolled' })
  } finally {
    delete (Object.prototype as { secondFactor?: unknown }).secondFactor
  }
})
