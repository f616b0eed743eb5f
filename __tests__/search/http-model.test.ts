import session from 'express-session'
import fc from 'fast-check'
import { createTestApp, hostPassport, KEY, type TestApp, type User, users } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { anotherDay, opened } from '../support/devices'
import { putEnrolled } from '../support/enrolled'
import { type Fault, FaultyStore } from '../support/faulty-store'
import { shareOf } from './share'

/**
 * The same over HTTP: browsers and thieves at two processes with one store, and after every step each of them asks
 * both processes what it may see. The oracle knows one thing: who has proven what, and when that was over.
 */

const NAMES = ['alice', 'bob'] as const
type Name = (typeof NAMES)[number]
const BROWSERS = 3

interface Person {
  id: string
  phone: Authenticator
  backupCodes: string[]
}

/** What a browser's session rests on. */
interface Proof {
  name: Name
  epoch: number
  by: 'factor' | 'device'
}

class World {
  readonly clock = new Clock()
  readonly store = new FaultyStore()
  readonly workers: TestApp[]
  readonly people = {} as Record<Name, Person>
  readonly browsers: Client[]
  readonly proofs: (Proof | null)[] = Array(BROWSERS).fill(null)
  readonly spent = new Set<string>()
  readonly used: string[] = []
  steps = 0
  accepted = 0

  constructor() {
    const sessionStore = new session.MemoryStore()
    this.workers = [0, 1].map((index) =>
      createTestApp({
        store: this.store,
        sessionStore,
        clock: this.clock,
        secondFactor: {
          // Clocks differ a little.
          now: () => this.clock.time + index * 2000,
          revalidateAfter: 0,
          trustedDevices: { maxAge: '30d' },
          passport: hostPassport,
          keys: [KEY],
          onUnavailable() {},
        },
      }),
    )
    this.browsers = Array.from({ length: BROWSERS }, () => new Client(this.workers[0]?.app as TestApp['app']))
  }

  async begin(): Promise<this> {
    for (const name of NAMES) {
      const { phone, backupCodes } = await putEnrolled(this.store, this.clock, name)
      this.people[name] = { id: (users[name] as User).id, phone, backupCodes }
    }
    this.clock.nextStep()
    // Two are in already: most of what can go wrong takes somebody who is.
    for (const [browser, name] of NAMES.entries()) {
      const client = this.at(browser, browser)
      await client.login(name)
      const code = this.people[name].phone.code()
      expect((await client.challenge(code)).status).toBe(200)
      const { epoch, totp } = await this.record(name)
      this.spent.add(`${name} ${totp?.secret} ${totp?.lastStep}`)
      this.used.push(code)
      this.proofs[browser] = { name, epoch, by: 'factor' }
    }
    return this
  }

  /** A browser as it looks to one of the processes: its cookies go with it. */
  at(browser: number, worker: number): Client {
    const client = new Client((this.workers[worker] as TestApp).app)
    client.cookies = (this.browsers[browser] as Client).cookies
    return client
  }

  record(name: Name) {
    return opened(this.store, this.people[name].id)
  }
}

const acts = [
  'login', 'login', 'login', 'logout', 'code', 'code', 'code', 'code', 'code', 'used', 'wrong', 'wrong', 'other’s code',
  'backup', 'other’s backup', 'trusting code', 'another day', 'stolen', 'disable', 'enrol', 'replace', 'new codes',
  'revoke sessions', 'reset', 'clock', 'clock', 'clock', 'fault', 'cancel', 'revoke devices',
] as const // biome-ignore format: a list

interface Move {
  act: (typeof acts)[number]
  browser: number
  worker: number
  name: Name
  pick: number
}

class Step implements fc.AsyncCommand<object, World> {
  constructor(private readonly move: Move) {}
  check = () => true
  toString = () => JSON.stringify(this.move)

  async run(_model: object, world: World): Promise<void> {
    world.steps++
    await this.#act(world)
    await lookAround(world, this.toString())
  }

  async #act(world: World): Promise<void> {
    const { act, browser, worker, name, pick } = this.move
    const client = world.at(browser, worker)
    const known = world.proofs[browser] as Proof | null
    const owner = known?.name ?? name
    const { phone } = world.people[owner]
    const other = world.people[owner === 'alice' ? 'bob' : 'alice']
    switch (act) {
      case 'login': {
        const { epoch, devices } = await world.record(name)
        const { status } = await client.login(name)
        const goesOn = known?.name === name && known.epoch === epoch
        if (!goesOn) world.proofs[browser] = null
        // Without a code only a browser that was trusted, or an account that has no second factor, is let in.
        if (status === 302 && !goesOn && devices.length > 0)
          world.proofs[browser] = { name, epoch, by: 'device' }
        return
      }
      case 'logout':
        await client.send('POST', '/logout')
        world.proofs[browser] = null
        return
      case 'cancel':
        await client.post('/two-factor/challenge/cancel', {}, '/two-factor/challenge')
        return
      case 'code':
        return this.#enter(world, client, world.people[name].phone.code())
      case 'trusting code':
        return this.#enter(world, client, world.people[name].phone.code(), { trustDevice: true })
      case 'used':
        return this.#enter(world, client, world.used[pick % (world.used.length || 1)] ?? phone.code(-1))
      case 'wrong':
        return this.#enter(world, client, phone.wrongCode(pick))
      case 'other’s code':
        return this.#enter(world, client, other.phone.code())
      case 'backup':
        return this.#enter(world, client, world.people[name].backupCodes[pick % 5] ?? '')
      case 'other’s backup':
        return this.#enter(world, client, other.backupCodes[pick % 5] ?? '')
      case 'another day':
        world.browsers[browser] = anotherDay(client)
        world.proofs[browser] = null
        return
      case 'stolen': {
        // Somebody has a copy of the cookies as they are: what one of the two does later is not the other's.
        const to = (browser + 1) % BROWSERS
        world.browsers[to] = client.copy()
        world.proofs[to] = known
        return
      }
      case 'disable': {
        const code = phone.code()
        const { status } = await client.post('/two-factor/disable', { code })
        if (status === 200) {
          await this.#spend(world, code, owner)
          world.proofs[browser] = null
        }
        return
      }
      case 'enrol':
      case 'replace': {
        const path = act === 'enrol' ? '/two-factor/enable' : '/two-factor/replace'
        const begun = await client.post(path, {}, '/two-factor')
        if (begun.status !== 201) return
        const fresh = new Authenticator(begun.body.secret, () => world.clock.time + worker * 2000)
        const done = await client.post(`${path}/confirm`, { code: fresh.code() }, '/two-factor')
        if (done.status !== 200) return
        const me = (await client.get('/account')).body.user.id
        const whose = NAMES.find((one) => world.people[one].id === me) as Name
        const record = await world.record(whose)
        expect([this.toString(), record.totp?.since]).toEqual([
          this.toString(),
          world.clock.time + worker * 2000,
        ])
        world.people[whose].phone = fresh
        if (done.body.backupCodes) world.people[whose].backupCodes = done.body.backupCodes
        world.proofs[browser] = { name: whose, epoch: record.epoch, by: 'factor' }
        return
      }
      case 'new codes': {
        const { status, body } = await client.post('/two-factor/backup-codes')
        if (status !== 200) return
        expect((await world.record(owner)).backupCodes?.hashes).toHaveLength(5)
        world.people[owner].backupCodes = body.backupCodes
        return
      }
      case 'revoke devices':
        await client.post('/two-factor/devices/revoke', {}, '/two-factor/devices')
        return
      case 'revoke sessions': {
        const { epoch } = await world.record(name)
        await world.workers[worker]?.secondFactor.revokeSessions(world.people[name].id)
        expect((await world.record(name)).epoch).toBe(epoch + 1)
        return
      }
      case 'reset':
        await world.workers[worker]?.secondFactor.reset(world.people[name].id)
        expect((await world.record(name)).totp).toBeNull()
        return
      case 'clock':
        world.clock.forward([30, 30, 30, 61, 7, 300, 601, 3600, -1, -3600][pick % 10] as number)
        return
      case 'fault': {
        const faults: Fault[] = ['get rejects', 'compareAndSet rejects', 'the record was altered']
        const before = await world.store.list(null, 10)
        world.store.fault = faults[pick % faults.length] as Fault
        const answer = await client.challenge(phone.code())
        const vault = await client.get('/vault')
        const login = await new Client(client.app).login(name)
        if (world.store.fault !== 'compareAndSet rejects') {
          // Nobody passes, and nobody is told that there is no second factor.
          expect([vault.status, login.status]).not.toContain(200)
          expect([this.toString(), login.status]).toEqual([this.toString(), 503])
        }
        world.store.fault = null
        expect(answer.status).not.toBe(200)
        expect(await world.store.list(null, 10)).toEqual(before)
      }
    }
  }

  /** Posts a code to the challenge of whoever this browser is. */
  async #enter(world: World, client: Client, code: string, more: object = {}): Promise<void> {
    const before = { alice: await world.record('alice'), bob: await world.record('bob') }
    const { status } = await client.post('/two-factor/challenge', { code, ...more })
    const changed = NAMES.filter((one) => before[one].lastUsedAt !== null || before[one].totp !== null)
    const after = { alice: await world.record('alice'), bob: await world.record('bob') }
    const whose = changed.find((one) => JSON.stringify(after[one]) !== JSON.stringify(before[one]))
    if (status !== 200) {
      // A failure is counted, and takes nothing else.
      for (const one of NAMES) {
        const { failures, ...rest } = after[one]
        const { failures: earlier, ...same } = before[one]
        expect([this.toString(), rest]).toEqual([this.toString(), same])
        for (const method of ['totp', 'backup-code'] as const) {
          expect(failures[method].count).toBeGreaterThanOrEqual(earlier[method].count)
        }
      }
      return
    }
    // What was answered is on record.
    expect([this.toString(), whose]).not.toEqual([this.toString(), undefined])
    await this.#spend(world, code, whose as Name)
    world.accepted++
    world.proofs[this.move.browser] = { name: whose as Name, epoch: after[whose as Name].epoch, by: 'factor' }
  }

  async #spend(world: World, code: string, whose: Name): Promise<void> {
    const { totp } = await world.record(whose)
    const name = code.length === 6 && totp ? `${whose} ${totp.secret} ${totp.lastStep}` : `${whose} ${code}`
    if (code.length > 6 || totp) {
      expect([this.toString(), name, world.spent.has(name)]).toEqual([this.toString(), name, false])
      world.spent.add(name)
    }
    world.used.push(code)
  }
}

/** Every browser asks every process. Who is not known to have proven it sees nothing that needs it. */
async function lookAround(world: World, why: string): Promise<void> {
  const records = { alice: await world.record('alice'), bob: await world.record('bob') }
  for (let browser = 0; browser < BROWSERS; browser++) {
    const proof = world.proofs[browser] as Proof | null
    for (const worker of [0, 1]) {
      const vault = await world.at(browser, worker).get('/vault')
      const counts =
        proof !== null && records[proof.name].totp !== null && records[proof.name].epoch === proof.epoch
      if (vault.status === 200) {
        expect([why, browser, worker, counts]).toEqual([why, browser, worker, true])
        expect([why, vault.body.vault]).toEqual([why, world.people[(proof as Proof).name].id])
      } else expect([why, vault.status]).not.toEqual([why, 500])
      const { status, body } = await world.at(browser, worker).get('/account')
      if (status !== 200) continue
      const name = NAMES.find((one) => world.people[one].id === body.user.id) as Name
      // Somebody is logged in: there is no second factor to prove, or it is proven.
      if (records[name].totp !== null) expect([why, vault.status]).toEqual([why, 200])
    }
  }
}

const move = fc.record({
  act: fc.constantFrom(...acts),
  browser: fc.nat(BROWSERS - 1),
  worker: fc.nat(1),
  name: fc.constantFrom(...NAMES),
  pick: fc.nat(30),
})
const login = fc.record({
  act: fc.constantFrom('login' as const, 'code' as const),
  browser: fc.nat(1),
  worker: fc.nat(1),
  name: fc.constant('alice' as const),
  pick: fc.nat(30),
})

const { seed, numRuns } = shareOf(4)

test(`${numRuns} lives over HTTP, by the seed ${seed}: nobody sees what they have not proven`, async () => {
  let steps = 0
  let accepted = 0
  const commands = fc.commands(
    [move, login].map((one) => one.map((made) => new Step(made))),
    {
      maxCommands: 40,
      size: 'max',
    },
  )
  await fc.assert(
    fc.asyncProperty(commands, async (life) => {
      const world = await new World().begin()
      await fc.asyncModelRun(() => ({ model: {}, real: world }), life)
      steps += world.steps
      accepted += world.accepted
    }),
    { seed, numRuns },
  )
  if (process.env.SEARCH_RUNS) console.log(`${steps} steps, ${accepted} codes accepted`)
  if (numRuns >= 4) expect(accepted).toBeGreaterThan(0)
}, 3_600_000)
