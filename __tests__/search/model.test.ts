import crypto from 'node:crypto'
import fc from 'fast-check'
import { newBackupCodes, readBackupCode } from '../../lib/account/backup-codes'
import { UnavailableError } from '../../lib/errors'
import { judgeLogin } from '../../lib/session/judge'
import type { VerifiedMarker } from '../../lib/session/marker'
import { type Account, type Action, codeOf, expected, isTrusted, type Kind, nobody } from './oracle'
import { shareOf } from './share'
import { byHash, type Fault, faults, lying, MoodyStore, secretOf, tokenHash, Worker } from './workers'

/**
 * Random lives of two accounts at three processes, step by step next to the oracle. After every step what lies in the
 * store and what was answered must be what the oracle says.
 */

const IDS = ['u-alice', 'u-bob'] as const
const WORKERS = 3
const REVALIDATE_AFTER = 60_000
const keyOf = (number: number) => Buffer.alloc(32, `key ${number} of the search`).toString('base64')
const canonical = (codes: string[]) => codes.map((code) => code.replace('-', ''))

// scrypt at its real cost would be nine tenths of the search, and at this one it is scrypt still.
const scrypt = crypto.scrypt
beforeAll(() => {
  jest
    .spyOn(crypto, 'scrypt')
    .mockImplementation(((password: string, salt: Buffer, length: number, _cost: object, done: never) =>
      scrypt(password, salt, length, { N: 2, r: 1, p: 1 }, done)) as unknown as typeof scrypt)
})
afterAll(() => jest.restoreAllMocks())

/** A session as the app keeps it: what it was admitted with is all that it has. */
interface Session {
  who: number
  marker: VerifiedMarker
}

/** After these the answer is to be found: a write that got lost is looked up, and one that was refused tried again. */
const mended: Fault[] = ['throws after the write', 'answers false', 'writes and answers false']

/** What is known of a life so far. */
class World {
  time = Date.UTC(2026, 4, 3, 12, 0, 15)
  readonly skews = [0, 1500, -2500]
  readonly store = new MoodyStore()
  readonly keys = [keyOf(0)]
  workers: Worker[] = []
  readonly accounts: Account[] = IDS.map(nobody)
  readonly sessions: Session[] = []
  /** What was answered as accepted, ever: a step of a secret, or a backup code. */
  readonly spent = new Set<string>()
  /** Codes that were accepted, to be tried again. */
  readonly used: { kind: Kind; code: string }[] = []
  /** Epochs in which a second factor of an account was accepted. */
  readonly proven = new Set<string>()
  late: { who: number; next: Account } | null = null
  /** Of the sets of backup codes that lie in the store. */
  readonly salts: (string | null)[] = [null, null]
  salt = 0
  made = 0
  steps = 0
  readonly accepted = new Map<string, number>()

  constructor() {
    this.start()
  }

  /** All processes start anew. */
  start(): void {
    this.workers = this.skews.map((_skew, index) => this.process(index))
  }

  process(index: number, patience?: number): Worker {
    const now = () => this.time + (this.skews[index] as number)
    return new Worker(this.store, [...this.keys], now, REVALIDATE_AFTER, patience)
  }

  now(worker: number): number {
    return this.time + (this.skews[worker] as number)
  }

  reader(): Worker {
    return this.process(0)
  }
}

const codes = [
  'now',
  'before',
  'after',
  'two away',
  'three away',
  'wrong',
  'used',
  'of the other',
  'backup',
  'other’s backup',
  'no backup',
] as const

interface Ask {
  do: Action['do']
  who: number
  worker: number
  code: (typeof codes)[number]
  epoch: 'current' | 'old'
  pick: number
  trust: boolean
  right: boolean
}

/** An action that a user could ask for now. */
function actionOf(world: World, ask: Ask): Action {
  const account = world.accounts[ask.who] as Account
  const epoch = ask.epoch === 'current' ? account.epoch : account.epoch - 1 - (ask.pick % 3)
  const secret = secretOf(ask.do === 'enrol' || ask.do === 'replace' ? ++world.salt : 0)
  switch (ask.do) {
    case 'verify': {
      const device = ask.trust ? tokenHash(++world.made) : undefined
      return { do: 'verify', epoch, ...codeFor(world, ask), ...(device && { device }) }
    }
    case 'disable':
      return { do: 'disable', epoch, ...codeFor(world, ask) }
    case 'enrol':
    case 'replace': {
      const away =
        { before: -1, after: 1, 'two away': ask.right ? 2 : -2, 'three away': 3 }[ask.code as string] ?? 0
      const step = Math.floor(world.now(ask.worker) / 30_000)
      return { do: ask.do, epoch, secret, code: codeOf(secret, step + away) }
    }
    case 'password':
      return { do: 'password', right: ask.right }
    case 'use device': {
      const { devices } = world.accounts[ask.right ? ask.who : 1 - ask.who] as Account
      return { do: 'use device', hash: devices[ask.pick % (devices.length || 1)]?.hash ?? tokenHash(-1) }
    }
    case 'revoke devices': {
      const { devices } = world.accounts[ask.trust ? ask.who : 1 - ask.who] as Account
      const one = devices[ask.pick % (devices.length || 1)]?.hash ?? tokenHash(-1)
      return { do: 'revoke devices', epoch, hash: ask.right ? one : null }
    }
    case 'disable fresh':
    case 'new codes':
      return { do: ask.do, epoch }
    default:
      return { do: ask.do }
  }
}

function codeFor(world: World, { who, worker, code, pick, right }: Ask): { kind: Kind; code: string } {
  const [own, other] = [world.accounts[who], world.accounts[1 - who]] as [Account, Account]
  const step = Math.floor(world.now(worker) / 30_000)
  const ofStep = (account: Account, away: number) => ({
    kind: 'totp' as const,
    code: codeOf(account.secret ?? secretOf(0), Math.max(0, step + away)),
  })
  // Of codes that were made and never shown nobody can type one.
  const backup = (text = '') => ({
    kind: 'backup-code' as const,
    code: readBackupCode(text) ?? '0000000000',
  })
  const side = right ? 1 : -1
  switch (code) {
    case 'now':
      return ofStep(own, 0)
    case 'before':
      return ofStep(own, -1)
    case 'after':
      return ofStep(own, 1)
    case 'two away':
      return ofStep(own, 2 * side)
    case 'three away':
      return ofStep(own, 3 * side)
    case 'of the other':
      return ofStep(other, 0)
    case 'used':
      return world.used[world.used.length - 1 - (pick % (world.used.length || 1))] ?? ofStep(own, -1)
    case 'backup':
      return backup(own.codes[pick % (own.codes.length || 1)])
    case 'other’s backup':
      return backup(other.codes[pick % (other.codes.length || 1)])
    case 'no backup':
      return backup(undefined)
    case 'wrong':
      return { kind: 'totp', code: codeOf(secretOf(-1 - pick), step) }
  }
}

/** After every step. */
async function check(world: World, who: number, candidates: Account[], why: unknown): Promise<void> {
  const { salt, ...found } = await lying(world.reader().records, IDS[who] as string)
  const before = world.accounts[who] as Account
  const isSet = ({ codes }: Account) =>
    codes.length === 0 || codes.every((code) => before.codes.includes(code)) === (salt === world.salts[who])
  const same = candidates.find((one) => isSet(one) && JSON.stringify(visible(one)) === JSON.stringify(found))
  if (!same) expect([why, found]).toEqual([why, visible(candidates[0] as Account)])
  if (!same) throw new Error(`${why}: other backup codes than those that were shown`)
  world.salts[who] = salt
  world.accounts[who] = same
  world.steps++
}

/** In the order in which `lying` tells it. */
function visible({ epoch, secret, since, used, offSince, side, floor, codes, failures, devices }: Account) {
  // No recovery is carried out here.
  const factor = { secret, since, used, offSince, mustEnrol: false, side, floor }
  return { epoch, ...factor, codes: codes.length, failures, devices: byHash(devices) }
}

/** What was accepted, once and for all. */
function note(world: World, who: number, before: Account, after: Account, action: Action): void {
  world.accepted.set(action.do, (world.accepted.get(action.do) ?? 0) + 1)
  if (action.do !== 'verify' && action.do !== 'disable') return
  // A set or a secret that comes again is told apart by nothing but its codes, and there is none such.
  const name =
    action.kind === 'totp'
      ? `${who} ${before.secret} ${stepOf(before, after, action.code)}`
      : `${who} ${action.code}`
  expect(world.spent.has(name)).toBe(false)
  world.spent.add(name)
  world.used.push({ kind: action.kind, code: action.code })
  world.proven.add(`${who} ${before.epoch}`)
}

function stepOf(before: Account, after: Account, code: string): number {
  if (after.secret !== null) return after.floor
  for (let step = before.floor + 1; ; step++) if (codeOf(before.secret as string, step) === code) return step
}

class Step implements fc.AsyncCommand<object, World> {
  constructor(
    private readonly ask: Ask,
    private readonly fault: Fault | null,
  ) {}
  check = () => true
  toString = () => JSON.stringify({ ...this.ask, fault: this.fault })

  async run(_model: object, world: World): Promise<void> {
    const { ask, fault } = this
    const { who } = ask
    const id = IDS[who] as string
    const before = world.accounts[who] as Account
    const action = actionOf(world, ask)
    const placeholder = [`unseen ${++world.made}`, `unseen ${++world.made}`]
    const { next, outcome } = expected(before, action, world.now(ask.worker), placeholder)
    const hangs = fault !== null && /hangs|away/.test(fault)
    const worker = hangs ? world.process(ask.worker, 15) : (world.workers[ask.worker] as Worker)
    const { late: lateBefore } = world.store
    world.store.fault = fault
    let answer: { outcome: string; codes?: string[] } | null = null
    try {
      answer = await worker.act(id, action)
    } catch (error) {
      // Nothing but a store that is away may keep an answer from anybody.
      if (!(error instanceof UnavailableError) || fault === null || mended.includes(fault)) throw error
    }
    world.store.mend()
    // Codes that were made and never shown are worth nothing to anybody.
    const made = answer?.codes ? canonical(answer.codes) : placeholder
    const reached = { ...next, codes: next.codes === placeholder ? made : next.codes }
    if (answer) {
      expect([this.toString(), answer.outcome]).toEqual([this.toString(), outcome])
      await check(world, who, [reached], this.toString())
      if (outcome === 'accepted') this.#accepted(world, before, reached, action)
      return
    }
    const candidates = [before, reached]
    // A password is counted before it is looked at.
    if (action.do === 'password')
      candidates.push(expected(before, { do: 'password', right: false }, world.now(ask.worker)).next)
    const { late } = world.store
    await check(world, who, candidates, this.toString())
    if (late === lateBefore) return
    world.late = { who, next: reached }
    // Of a password's two writes it would be the first, which is told apart by nothing.
    if (action.do === 'password') world.store.late = null
  }

  #accepted(world: World, before: Account, after: Account, action: Action): void {
    const { who, worker } = this.ask
    note(world, who, before, after, action)
    const proves = ['verify', 'enrol', 'replace', 'use device'].includes(action.do)
    if (action.do === 'enrol' || action.do === 'replace') world.proven.add(`${who} ${after.epoch}`)
    if (!proves) return
    const marker: VerifiedMarker = {
      state: 'verified',
      accountId: IDS[who] as string,
      epoch: after.epoch,
      loginAt: world.time,
      csrf: '',
      method: action.do === 'use device' ? 'trusted-device' : 'totp',
      verifiedAt: action.do === 'use device' ? null : world.time,
      ...(action.do === 'use device' && { device: action.hash }),
    }
    world.sessions.push({ who, marker })
    if (action.do === 'use device') return
    const noted = { epoch: after.epoch, enabled: true }
    world.workers[worker]?.views.note(IDS[who] as string, noted, world.now(worker))
  }
}

/** Several at once, at different processes: in some order they must have happened one after the other. */
class Race implements fc.AsyncCommand<object, World> {
  constructor(private readonly asks: Ask[]) {}
  check = () => true
  toString = () => `race ${JSON.stringify(this.asks)}`

  async run(_model: object, world: World): Promise<void> {
    const { who } = this.asks[0] as Ask
    const before = world.accounts[who] as Account
    const actions = this.asks.map((ask, worker) => {
      const action = actionOf(world, { ...ask, who, worker })
      // The same code at several processes is what a race is about.
      const first = actionOf(world, { ...(this.asks[0] as Ask), who, worker: 0 })
      return action.do === 'verify' && ask.trust && first.do === 'verify' ? { ...first } : action
    })
    const answers = await Promise.all(
      actions.map((action, worker) => (world.workers[worker] as Worker).act(IDS[who] as string, action)),
    )
    const { salt: _salt, ...record } = await lying(world.reader().records, IDS[who] as string)
    const found = JSON.stringify(record)
    for (const order of permutations(actions.map((_action, index) => index))) {
      let state = before
      const accepted: [Account, Account, Action][] = []
      const fits = order.every((index) => {
        const action = actions[index] as Action
        const made = canonical(answers[index]?.codes ?? [])
        const { next, outcome } = expected(state, action, world.now(index), made)
        if (outcome === 'accepted') accepted.push([state, next, action])
        state = next
        return outcome === answers[index]?.outcome
      })
      if (!fits || JSON.stringify(visible(state)) !== found) continue
      await check(world, who, [state], this.toString())
      for (const [from, to, action] of accepted) note(world, who, from, to, action)
      return
    }
    throw new Error(
      `${this}: no order explains ${JSON.stringify(answers)} and ${found}, from ${JSON.stringify(visible(before))}`,
    )
  }
}

function permutations(indices: number[]): number[][] {
  if (indices.length < 2) return [indices]
  return indices.flatMap((first) =>
    permutations(indices.filter((one) => one !== first)).map((rest) => [first, ...rest]),
  )
}

/** What happens around the accounts. */
class Around implements fc.AsyncCommand<object, World> {
  constructor(
    private readonly what: 'clock' | 'skew' | 'rotate' | 'restart' | 'late' | 'look',
    private readonly by: number,
  ) {}
  check = () => true
  toString = () => `${this.what} ${this.by}`

  async run(_model: object, world: World): Promise<void> {
    switch (this.what) {
      case 'clock':
        world.time += [1000, 7000, 30_000, 30_000, 61_000, 300_000, 3_600_000, -1000, -3_600_000, 86_400_000][
          this.by % 10
        ] as number
        return
      case 'skew':
        world.skews[this.by % WORKERS] = (this.by % 41) * 500 - 10_000
        return
      case 'rotate':
        world.keys.unshift(keyOf(world.keys.length + (this.by % 1000)))
        world.start()
        await (world.workers[0] as Worker).resealAll()
        world.keys.length = 1
        world.start()
        // What was sealed under a key that is gone does not open, whenever it comes.
        world.store.late = null
        world.late = null
        break
      case 'restart':
        world.start()
        return
      case 'late': {
        const { late } = world.store
        world.store.late = null
        if (late && world.late) {
          const { who, next } = world.late
          world.late = null
          const written = await late()
          await check(world, who, [written ? next : (world.accounts[who] as Account)], 'a late write')
        }
        return
      }
      case 'look':
        await look(world, this.by % WORKERS)
        return
    }
    for (const who of [0, 1]) await check(world, who, [world.accounts[who] as Account], this.toString())
  }
}

/** Every session, as a request of it at this process would be judged. */
async function look(world: World, index: number): Promise<void> {
  const worker = world.workers[index] as Worker
  for (const { who, marker } of world.sessions) {
    const { accountId, epoch, device } = marker
    const remembered = worker.views.remembered(accountId, epoch, device)
    const view = remembered ?? (await worker.views.read(accountId))
    const { verdict } = judgeLogin(marker, accountId, view, false)
    const account = world.accounts[who] as Account
    // What let it in: a code in its epoch, or a device while it is trusted.
    const rests = device === undefined || isTrusted(account, device, world.now(index))
    if (verdict === 'keep') {
      expect(device !== undefined || world.proven.has(`${who} ${epoch}`)).toBe(true)
      // An old epoch is believed for so long at most, and never by who has just read.
      if (account.epoch !== epoch) {
        expect(remembered).not.toBeNull()
        expect(view.epoch).toBe(epoch)
      }
      if (!remembered) expect([account.epoch, account.secret !== null, rests]).toEqual([epoch, true, true])
    } else if (!remembered) {
      expect([account.epoch === epoch, account.secret !== null, rests]).not.toEqual([true, true, true])
    }
  }
  // Asked again with nothing remembered, everything is as it is.
  const fresh = world.process(index)
  for (const { who, marker } of world.sessions) {
    const { verdict } = judgeLogin(marker, marker.accountId, await fresh.views.read(marker.accountId), false)
    const account = world.accounts[who] as Account
    const rests = marker.device === undefined || isTrusted(account, marker.device, fresh.now())
    if (verdict === 'keep') expect([account.epoch, rests]).toEqual([marker.epoch, true])
  }
  if (world.sessions.length > 12) world.sessions.splice(0, world.sessions.length - 12)
}

const ask = (what: fc.Arbitrary<Action['do']>): fc.Arbitrary<Ask> =>
  fc.record({
    do: what,
    who: fc.nat(1),
    worker: fc.nat(WORKERS - 1),
    code: fc.constantFrom(...codes, 'now', 'now', 'after', 'wrong'),
    epoch: fc.constantFrom('current', 'current', 'current', 'current', 'old'),
    pick: fc.nat(30),
    trust: fc.boolean(),
    right: fc.boolean(),
  })

const actions: Action['do'][] = [
  ...Array<'verify'>(7).fill('verify'),
  'enrol',
  'enrol',
  'replace',
  'disable',
  'disable fresh',
  'new codes',
  'revoke sessions',
  'reset',
  'forget',
  'password',
  'password',
  'use device',
  'use device',
  'revoke devices',
]
const anything = fc.constantFrom<Action['do']>(...actions)
const calm = fc.constant<Fault | null>(null)
const commands = [
  ask(anything).map((one) => new Step(one, null)),
  ask(fc.constant('verify')).map((one) => new Step(one, null)),
  ask(fc.constant('enrol')).map((one) => new Step({ ...one, code: 'now', epoch: 'current' }, null)),
  // A device comes to be trusted by a code, and then it is worth something: left to chance, few lives come that far.
  ask(fc.constant('verify')).map(
    (one) => new Step({ ...one, code: 'after', epoch: 'current', trust: true }, null),
  ),
  ask(fc.constant('use device')).map((one) => new Step({ ...one, right: true }, null)),
  fc
    .tuple(ask(anything), fc.oneof(calm, fc.constantFrom(...faults)))
    .map(([one, fault]) => new Step(one, fault)),
  fc.array(ask(anything), { minLength: 2, maxLength: WORKERS }).map((asks) => new Race(asks)),
  fc.array(ask(fc.constant('verify')), { minLength: 2, maxLength: WORKERS }).map((asks) => new Race(asks)),
  fc.nat().map((by) => new Around('clock', by)),
  fc.nat().map((by) => new Around('look', by)),
  fc
    .tuple(fc.constantFrom('skew', 'rotate', 'restart', 'late', 'late', 'look', 'look'), fc.nat())
    .map(([what, by]) => new Around(what as 'skew', by)),
]

test('the codes of the search are those of the program', async () => {
  const { codes: made } = await newBackupCodes(2, 0)
  for (const code of canonical(made)) expect(readBackupCode(code)).toBe(code)
  expect(readBackupCode('0000000000')).toBe('0000000000')
})

const { seed, numRuns } = shareOf(25)

test(`${numRuns} lives, by the seed ${seed}: every answer and every record is the oracle’s`, async () => {
  const accepted = new Map<string, number>()
  let steps = 0
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 80, size: 'max' }), async (life) => {
      const world = new World()
      await fc.asyncModelRun(() => ({ model: {}, real: world }), life)
      steps += world.steps
      for (const [action, times] of world.accepted) accepted.set(action, (accepted.get(action) ?? 0) + times)
    }),
    { seed, numRuns },
  )
  if (process.env.SEARCH_RUNS) console.log(`${steps} steps; accepted: ${JSON.stringify([...accepted])}`)
  // A search in which nothing is ever accepted would find nothing.
  expect([...accepted.keys()].sort()).toEqual([...new Set(actions)].sort())
  expect(accepted.get('verify')).toBeGreaterThan(numRuns)
}, 3_600_000)
