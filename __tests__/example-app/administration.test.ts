import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../../example-app/app'
import { readConfig } from '../../example-app/config'
import { openDatabase } from '../../example-app/database'
import { Users } from '../../example-app/users'
import { PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { type Place, places } from '../support/stores'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

// Where the app keeps its users: not in Redis.
for (const { name, needs, start } of places.slice(0, 3)) {
  describeWith(needs, name, () => {
    let place: Place
    const DATA_DIR = mkdtempSync(join(tmpdir(), 'administration-'))
    const env = (more: Record<string, string> = {}) => ({
      DATA_DIR,
      ...(!place.url.startsWith('sqlite:') && { DATABASE_URL: place.url }),
      ...more,
    })
    beforeAll(async () => {
      place = await start()
    })
    afterAll(async () => {
      await place.stop()
      rmSync(DATA_DIR, { recursive: true, force: true })
    })

    test('an older database gets the column; seeded users are listed, found and reset', async () => {
      // As the app left it before there was administration.
      const older = openDatabase(readConfig(env()))
      await Users.open(older)
      await older.destroy()

      const clock = new Clock()
      const { app, close } = await createApp({ ...readConfig(env({ SEED_USERS: '700' })), now: clock.now })
      const bob = new Client(app)
      await bob.post('/login', { username: 'bob', password: PASSWORD })
      expect((await bob.get('/admin/two-factor/users')).body.code).toBe('not_authorized')
      expect((await bob.as('person').get('/account')).text).not.toContain('/admin/')

      const client = new Client(app)
      await client.post('/login', { username: 'admin', password: PASSWORD })
      const begun = await client.post('/two-factor/enable', {}, '/two-factor')
      const phone = new Authenticator(begun.body.secret, clock.now)
      await client.post('/two-factor/enable/confirm', { code: phone.code() }, '/two-factor')
      expect((await client.as('person').get('/account')).text).toContain('href="/admin/two-factor/users"')
      const list = async (query = '') => (await client.get(`/admin/two-factor/users${query}`)).body
      const { users, totals } = await list('?status=activated')
      expect(totals.activated + totals.notActivated).toBe(704)
      expect(totals.activated).toBeGreaterThan(100)
      expect(users).toHaveLength(50)
      expect(
        users.every((user: { status: string; since: string }) => user.status === 'activated' && user.since),
      ).toBe(true)
      expect((await list('?q=liddell')).users).toMatchObject([
        { name: 'Alice Liddell', status: 'not-activated' },
      ])
      expect((await list('?q=ADA')).users.length).toBeGreaterThan(0)

      clock.nextStep()
      const { id } = users.find((user: { name: string }) => user.name !== 'Ada Admin')
      const path = `/admin/two-factor/users/${id}/reset`
      const answer = await client.post(
        path,
        { code: phone.code(), reason: 'a test' },
        '/admin/two-factor/users',
      )
      expect([answer.status, answer.body]).toEqual([200, { id, status: 'not-activated' }])
      expect((await list('?status=activated')).totals.activated).toBe(totals.activated - 1)
      await close()
    })

    test('seeds once, and goes on with what is there', async () => {
      const { app, close } = await createApp(readConfig(env({ SEED_USERS: '700' })))
      const client = new Client(app)
      expect((await client.get('/')).status).toBe(200)
      await close()
      const db = openDatabase(readConfig(env()))
      const { count } = await db
        .selectFrom('users')
        .select(({ fn }) => fn.countAll().as('count'))
        .executeTakeFirstOrThrow()
      expect(Number(count)).toBe(704)
      await db.destroy()
    })
  })
}
