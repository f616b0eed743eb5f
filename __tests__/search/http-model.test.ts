import type { StoredRecord } from 'express-second-factor'
import fc from 'fast-check'
import { CLOCK_SKEW } from '../../lib/account/clock-skew'
import { hashOfToken, type TrustedDevice } from '../../lib/account/devices'
import type { AccountRecord } from '../../lib/account/record'
import { createTestApp, hostPassport, KEY, type TestApp, type User, users } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { anotherDay, opened, tokenOf } from '../support/devices'
import { putEnrolled } from '../support/enrolled'
import { type Fault, FaultyStore } from '../support/faulty-store'
import { sessionIdOf } from '../support/sessions'
import { TRUST_AGE } from './oracle'
import { shareOf } from './share'
import { sharedSessions } from './shared-sessions'

/**
 * The same over HTTP: browsers and thieves at two processes with one store, and after every step each of them asks
 * both processes what it may see. The oracle knows one thing: who has proven what, or is let in by which device, and when
 * that was over.
 */

const NAMES = ['alice', 'bob'] as const
type Name = (typeof NAMES)[number]
const BROWSERS = 3

interface Person {
  id: string
  phone: Authenticator
  backupCodes: string[]
}

/** Something may happen elsewhere while the next write is under way. */
class BusyStore extends FaultyStore {
  meanwhile: (() => Promise<unknown>) | null = null

  override async compareAndSet(id: string, version: number, next: StoredRecord): Promise<boolean> {
    const { meanwhile } = this
    this.meanwhile = null
    await meanwhile?.()
    return super.compareAndSet(id, version, next)
  }
}

/** What a browser's session rests on. */
interface Proof {
  name: Name
  epoch: number
  /** The id of the device that stood in for a code; null: there was a code. */
  device: string | null
  /** In which step it was made. */
  step: number
}

class World {
  readonly clock = new Clock()
  readonly store = new BusyStore()
  readonly workers: TestApp[]
  readonly people = {} as Record<Name, Person>
  readonly browsers: Client[]
  readonly proofs: (Proof | null)[] = Array(BROWSERS).fill(null)
  readonly spent = new Set<string>()
  readonly used: string[] = []
  steps = 0
  accepted = 0
  byDevice = 0

  constructor() {
    this.workers = sharedSessions().map((sessionStore, index) =>
      createTestApp({
        store: this.store,
        sessionStore,
        clock: this.clock,
        secondFactor: {
          now: () => this.now(index),
          revalidateAfter: 0,
          // The clock of a life comes that far.
          trustedDevices: { maxAge: TRUST_AGE },
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
      this.prove(browser, name, epoch)
    }
    return this
  }

  /** Clocks differ a little. */
  now(worker: number): number {
    return this.clock.time + worker * 2000
  }

  prove(browser: number, name: Name, epoch: number, device: string | null = null): void {
    this.proofs[browser] = { name, epoch, device, step: this.steps }
  }

  /** The session of a browser is ended: of whoever has a copy of its cookie, too. */
  end(browser: number, those = this.sharing(browser)): void {
    for (const one of those) this.proofs[one] = null
  }

  /** The browsers that have the session of this one. */
  sharing(browser: number): number[] {
    const ids = this.browsers.map(sessionIdOf)
    return [...ids.keys()].filter((one) => one === browser || ids[one] === ids[browser])
  }

  /** The device of an account that a browser has the cookie of, while it is trusted. */
  deviceOf(browser: number, { devices }: AccountRecord, worker: number): TrustedDevice | undefined {
    const hashes = tokenOf(this.browsers[browser] as Client)
      .split('.')
      .map(hashOfToken)
    return devices.find((one) => hashes.includes(one.hash) && isTrusted(one, this.now(worker)))
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

/** A clock that was set back does not make it last. */
function isTrusted({ firstSeenAt }: TrustedDevice, now: number): boolean {
  return now < firstSeenAt + TRUST_AGE && now > firstSeenAt - CLOCK_SKEW
}

const acts = [
  'login', 'login', 'login', 'logout', 'code', 'code', 'code', 'code', 'code', 'used', 'wrong', 'wrong', 'other’s code',
  'backup', 'other’s backup', 'trusting code', 'another day', 'signs in', 'signs in, trusting', 'comes back', 'stolen',
  'disable', 'enrol', 'replace', 'new codes', 'revoke sessions', 'reset', 'clock', 'clock', 'clock', 'fault', 'cancel',
  'another hour', 'revoke devices', 'revoke a device', 'logout meanwhile', 'logout meanwhile',
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
      case 'login':
        return this.#login(world, client)
      case 'logout':
        await client.send('POST', '/logout')
        world.end(browser)
        return
      case 'logout meanwhile': {
        // Half a login has nothing to bring back but itself.
        if (known === null) return
        // At the other process, while a code is on its way to this one: it must not bring the session back.
        world.clock.nextStep()
        const those = world.sharing(browser)
        const before = await world.record(owner)
        let isOut = false
        world.store.meanwhile = async () => {
          await world.at(browser, 1 - worker).send('POST', '/logout')
          isOut = true
        }
        const code = phone.code()
        const { status } = await client.challenge(code)
        world.store.meanwhile = null
        if (!isOut) return
        expect([this.toString(), status]).not.toEqual([this.toString(), 200])
        world.end(browser, those)
        const { totp } = await world.record(owner)
        if (totp?.lastStep !== before.totp?.lastStep) await this.#spend(world, code, owner)
        return
      }
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
      case 'comes back':
        world.browsers[browser] = anotherDay(client)
        world.proofs[browser] = null
        if (act === 'comes back') await this.#login(world, world.at(browser, worker))
        return
      case 'signs in':
      case 'signs in, trusting': {
        world.clock.nextStep()
        world.browsers[browser] = anotherDay(client)
        world.proofs[browser] = null
        const anew = world.at(browser, worker)
        await this.#login(world, anew)
        const trustDevice = act === 'signs in, trusting'
        return this.#enter(world, anew, world.people[name].phone.code(), { trustDevice })
      }
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
          world.end(browser)
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
        world.prove(browser, whose, record.epoch)
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
      case 'revoke a device': {
        const { devices = [] } = (await client.get('/two-factor/devices')).body
        const id = act === 'revoke devices' ? null : devices[pick % (devices.length || 1)]?.id
        if (id === undefined) return
        const before = (await world.record(owner)).devices
        const path = id === null ? '/two-factor/devices/revoke' : `/two-factor/devices/${id}/revoke`
        const { status } = await client.post(path, {}, '/two-factor/devices')
        const left = status === 204 ? before.filter((one) => id !== null && one.id !== id) : before
        expect([this.toString(), (await world.record(owner)).devices]).toEqual([this.toString(), left])
        return
      }
      case 'revoke sessions': {
        const { epoch } = await world.record(name)
        await world.workers[worker]?.secondFactor.revokeSessions(world.people[name].id)
        const after = await world.record(name)
        expect([after.epoch, after.devices]).toEqual([epoch + 1, []])
        return
      }
      case 'reset':
        await world.workers[worker]?.secondFactor.reset(world.people[name].id)
        expect((await world.record(name)).totp).toBeNull()
        return
      case 'another hour':
        world.clock.forward(3600)
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

  /** Without a code an account with a second factor lets in who has proven it, and a browser that it trusts. */
  async #login(world: World, client: Client): Promise<void> {
    const { browser, worker, name } = this.move
    const known = world.proofs[browser] as Proof | null
    const record = await world.record(name)
    const { epoch, totp } = record
    const device = world.deviceOf(browser, record, worker)
    const goesOn =
      known !== null && known.name === name && counts(known, { ...record, now: world.now(worker) })
    const { status } = await client.login(name)
    const way = totp === null ? 'no factor' : goesOn ? 'a proof' : device ? 'a device' : 'none'
    expect([this.toString(), way, status]).toEqual([this.toString(), way, way === 'none' ? 403 : 302])
    if (way === 'a proof') return
    world.proofs[browser] = null
    if (way !== 'a device') return
    world.byDevice++
    world.prove(browser, name, epoch, device?.id)
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
    world.prove(this.move.browser, whose as Name, after[whose as Name].epoch)
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

/** Whether a proof is worth anything: in the epoch that it was made in, and while the device is trusted that it is of. */
function counts(proof: Proof, { totp, epoch, devices, now }: AccountRecord & { now: number }): boolean {
  if (totp === null || epoch !== proof.epoch) return false
  return proof.device === null || devices.some((one) => one.id === proof.device && isTrusted(one, now))
}

/** Every browser asks every process. Who is not known to have proven it sees nothing that needs it. */
async function lookAround(world: World, why: string): Promise<void> {
  const records = { alice: await world.record('alice'), bob: await world.record('bob') }
  for (let browser = 0; browser < BROWSERS; browser++) {
    for (const worker of [0, 1]) {
      const proof = world.proofs[browser] as Proof | null
      const vault = await world.at(browser, worker).get('/vault')
      const proven = proof !== null && counts(proof, { ...records[proof.name], now: world.now(worker) })
      if (vault.status === 200) {
        expect([why, browser, worker, proven]).toEqual([why, browser, worker, true])
        expect([why, vault.body.vault]).toEqual([why, world.people[(proof as Proof).name].id])
      } else {
        expect([why, browser, worker, vault.status]).not.toEqual([why, browser, worker, 500])
        // Whoever has just proven it is in; and whoever is out once stays out until they prove it again.
        expect([why, browser, worker, proven && proof.step]).not.toEqual([why, browser, worker, world.steps])
        world.proofs[browser] = null
      }
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
/** Left to chance, few lives come as far as a device that lets somebody in, and is worth nothing later. */
const devices = [
  'signs in, trusting',
  'signs in, trusting',
  'comes back',
  'comes back',
  'revoke a device',
  'another hour',
] as const
const oftenAlice = fc.record<Move>({
  act: fc.constantFrom('login', 'code', 'logout meanwhile', ...devices, ...devices),
  browser: fc.nat(1),
  worker: fc.nat(1),
  name: fc.constant('alice'),
  pick: fc.nat(30),
})

const { seed, numRuns } = shareOf(3)

test(`${numRuns} lives over HTTP, by the seed ${seed}: nobody sees what they have not proven`, async () => {
  let steps = 0
  let accepted = 0
  let byDevice = 0
  const commands = fc.commands(
    [move, oftenAlice].map((one) => one.map((made) => new Step(made))),
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
      byDevice += world.byDevice
    }),
    { seed, numRuns },
  )
  if (process.env.SEARCH_RUNS)
    console.log(`${steps} steps, ${accepted} codes accepted, ${byDevice} logins by a trusted device`)
  // A search in which nobody is ever let in would find nothing.
  if (numRuns >= 3) expect([accepted > 0, byDevice > 0]).toEqual([true, true])
}, 3_600_000)
