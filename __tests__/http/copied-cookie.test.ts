import { createTestApp } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { sessionIdOf } from '../support/sessions'

// Whoever has a copy of the cookie reads no secret that its owner then sets up a phone with.

const made = createTestApp()
const demanding = createTestApp({ secondFactor: { policy: () => 'required' } })

/** A client that may begin, and what it sees once its phone is set up. */
const cases: [string, () => Promise<{ client: Client; now: () => number; way: string }>][] = [
  [
    'enabling',
    async () => {
      const client = new Client(made.app)
      await client.login('bob')
      return { client, now: made.clock.now, way: '/two-factor/enable' }
    },
  ],
  [
    'enabling that is demanded',
    async () => {
      const client = new Client(demanding.app)
      await client.login('bob')
      return { client, now: demanding.clock.now, way: '/two-factor/enable' }
    },
  ],
  [
    'a new phone',
    async () => {
      const { app, phone, clock } = await createEnrolledApp()
      const client = new Client(app)
      await signIn(client, phone, clock)
      return { client, now: clock.now, way: '/two-factor/replace' }
    },
  ],
]

test.each(cases)('%s gives the session a new id', async (_what, start) => {
  const { client, now, way } = await start()
  const { csrfToken } = (await client.get(way)).body
  const headers = { 'x-csrf-token': csrfToken }
  const thief = client.copy()
  const before = sessionIdOf(client)
  const begun = await client.send('POST', way, {}, headers)
  expect(begun.status).toBe(201)
  expect(sessionIdOf(client)).not.toBe(before)

  for (const answer of [await thief.get(way), await thief.send('POST', way, {}, headers)]) {
    expect([answer.status, answer.body.code]).toEqual([401, 'not_authenticated'])
    expect(answer.text).not.toContain(begun.body.secret)
  }
  expect((await thief.get('/account')).status).toBe(401)

  // The owner goes on, with the token of before too.
  expect((await client.get(way)).body.secret).toBe(begun.body.secret)
  const phone = new Authenticator(begun.body.secret, now)
  const done = await client.send('POST', `${way}/confirm`, { code: phone.code() }, headers)
  expect(done.status).toBe(200)
  expect((await client.get('/transfer')).status).toBe(200)
})
