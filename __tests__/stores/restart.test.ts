import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Accounts } from '../../lib/account/accounts'
import { AccountRecords } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import { createTestApp, KEY, PASSWORD } from '../support/app'
import { Clock } from '../support/clock'
import { enrolCrowd, type Member } from '../support/crowd'
import { keptAgent, QuickClient } from '../support/quick-client'
import { startPostgres } from '../support/servers/postgres'
import { startRedis } from '../support/servers/redis'
import type { DatabaseServer } from '../support/servers/server-process'
import { all, RecordingSessions } from '../support/sessions'
import { type OpenStore, openStore } from '../support/stores'

const { describeWith } = require('../support/tools')

jest.setTimeout(120_000)

const LOGINS = 1000
const AT_ONCE = 20

type Outcome = 'in' | 'away'

describe.each<[string, string, () => Promise<DatabaseServer>]>([
  ['PostgreSQL', 'postgres', startPostgres],
  ['Redis', 'redis', () => startRedis()],
])('%s', (name, tool, start) => {
  describeWith([tool], `${name} is killed and started again in the middle of ${LOGINS} logins`, () => {
    const clock = new Clock()
    const sessionStore = new RecordingSessions()
    let server: DatabaseServer
    let open: OpenStore
    let members: Member[]
    let listening: Server
    const outcomes: Outcome[] = []
    const agent = keptAgent()

    beforeAll(async () => {
      server = await start()
      open = openStore(server.url)
      members = await enrolCrowd(open.store, LOGINS, clock)
      const { app } = createTestApp({
        store: open.store,
        sessionStore,
        clock,
        secondFactor: { storeTimeout: '2s', onUnavailable() {} },
      })
      listening = app.listen(0, '127.0.0.1')
      // A connection that ends as it is used again would be a request without an answer.
      listening.keepAliveTimeout = 0
      await new Promise((resolve) => listening.once('listening', resolve))
    })
    afterAll(async () => {
      agent.destroy()
      listening?.close()
      listening?.closeAllConnections()
      await open?.close()
      await server?.stop()
    })

    /** The whole way of one person. Every answer is one of those that there may be. */
    async function logIn({ username, phone }: Member): Promise<Outcome> {
      const client = new QuickClient((listening.address() as AddressInfo).port, agent)
      const login = await inTime(client.post('/login', { username, password: PASSWORD }))
      mustBe([403, 503], login.status)
      if (login.status === 503) return 'away'
      const header = { 'x-csrf-token': login.body.csrfToken as string }
      const proof = await inTime(client.post('/two-factor/challenge', { code: phone.code() }, header))
      mustBe([200, 503], proof.status)
      return proof.status === 200 ? 'in' : 'away'
    }

    async function everybody(work: (member: Member) => Promise<void>): Promise<void> {
      const queue = [...members]
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let member = queue.pop(); member; member = queue.pop()) await work(member)
        }),
      )
    }

    test('every request is answered, and nobody is let in without a factor', async () => {
      clock.nextStep()
      let killed: Promise<void> | null = null
      let restarted: Promise<void> | null = null
      let away = 0
      await everybody(async (member) => {
        const outcome = await logIn(member)
        outcomes.push(outcome)
        if (outcomes.length === 300) killed = server.kill()
        // Away until some have met it so.
        if (outcome === 'away' && ++away === 30) restarted = killed?.then(() => server.restart()) ?? null
      })
      await restarted
      expect(restarted).not.toBeNull()
      expect(outcomes).toHaveLength(LOGINS)
      expect(outcomes.filter((outcome) => outcome === 'away').length).toBeGreaterThanOrEqual(30)
      const verified = (await all(sessionStore)).filter(
        ({ secondFactor }) => secondFactor?.state === 'verified',
      )
      expect(verified).toHaveLength(outcomes.filter((outcome) => outcome === 'in').length)
      // Passport's user was never written without a proof.
      const withUser = sessionStore.writes.filter(({ passport }) => passport?.user !== undefined)
      expect(withUser.filter(({ secondFactor }) => secondFactor?.state !== 'verified')).toEqual([])
    })

    test('every account works afterwards: those that were let in, and those that were not', async () => {
      clock.nextStep()
      const records = new AccountRecords(open.store, new Keyring([KEY]), clock.now, 30_000)
      const accounts = new Accounts(records, clock.now, 5)
      const accepted: boolean[] = []
      await everybody(async ({ username, phone }) => {
        const id = `u-${username}`
        const { epoch } = await accounts.status(id)
        accepted.push((await accounts.verify(id, epoch, { method: 'totp', code: phone.code() })).accepted)
      })
      expect(accepted).toEqual(Array(LOGINS).fill(true))
    })
  })
})

/** Thousands of times, for which `expect` is too slow. */
function mustBe(statuses: number[], status: number): void {
  if (!statuses.includes(status)) throw new Error(`an answer ${status}, not one of ${statuses}`)
}

/** An answer that never comes fails the test by its name. The store has two seconds, and a login asks it twice. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const never = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer within ten seconds')), 10_000)
  })
  try {
    return await Promise.race([answer, never])
  } finally {
    clearTimeout(timer)
  }
}
