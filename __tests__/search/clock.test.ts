import { MemoryStore } from 'express-second-factor'
import { Accounts } from '../../lib/account/accounts'
import { enrol } from '../../lib/account/enrolment'
import { AccountRecords } from '../../lib/account/records'
import { readTypedCode, type TypedCode } from '../../lib/account/typed-code'
import { base32 } from '../../lib/authenticators/base32'
import { stepAt } from '../../lib/authenticators/totp'
import { Keyring } from '../../lib/crypto/keyring'
import { UnavailableError } from '../../lib/errors'
import { ask, createWorld, decide, ticketOf } from '../recovery/world'
import { createTestApp, KEY } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { createEnrolledApp } from '../support/enrolled'

// The machine may be busy with other tests.
jest.setTimeout(30_000)

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const ID = 'u-alice'
const secret = new TextEncoder().encode('12345678901234567890')
const typed = (code: string) => readTypedCode(code) as TypedCode

/** An account enrolled at `time`; the phone goes by the server's clock, or by one of its own. */
async function enrolledAt(time: number) {
  const clock = new Clock(time)
  const store = new MemoryStore()
  const records = new AccountRecords(store, new Keyring([KEY]), clock.now)
  const accounts = new Accounts(records, clock.now, 2)
  const set = { salt: 'c2FsdA==', hashes: [], total: 0, generatedAt: time }
  const first = { secret, step: stepAt(time), clockSide: 0 } as const
  await records.transact(ID, (record, now) => enrol(record, first, set, now))
  const enter = async (code: string) => accounts.verify(ID, (await accounts.status(ID)).epoch, typed(code))
  const phone = new Authenticator(base32(secret), clock.now)
  return { clock, store, accounts, enter, phone, lock: async () => (await accounts.status(ID)).locks.totp }
}

const moments: [string, number][] = [
  ['the first day of 1970', 60 * SECOND],
  ['the last second of 31 bits', (2 ** 31 - 1) * SECOND],
  ['the last second of 32 bits', (2 ** 32 - 1) * SECOND],
  ['the last step of 31 bits', (2 ** 31 - 1) * 30 * SECOND],
  ['the year 9998', Date.UTC(9998, 11, 30)],
]

test.each(moments)('%s: codes are accepted once, before and after it, and locks end', async (_name, time) => {
  const { clock, enter, phone, lock } = await enrolledAt(time)
  for (let step = 0; step < 4; step++) {
    clock.nextStep()
    const code = phone.code()
    expect(await enter(code)).toMatchObject({ accepted: true })
    expect(await enter(code)).toMatchObject({ accepted: false, reason: 'invalid' })
  }
  for (let guess = 0; guess < 4; guess++) await enter(phone.wrongCode())
  expect(await lock()).toEqual({ until: clock.time + 30 * SECOND })
  clock.forward(30)
  expect(await enter(phone.code())).toMatchObject({ accepted: true })
})

test('a leap second: a second that comes twice, or 23:59:60 told as midnight, spends no code twice', async () => {
  const midnight = Date.UTC(2016, 11, 31, 24)
  for (const told of [
    // The second before midnight comes twice.
    [-1500, -500, -1000, -1, -500, 0, 500],
    // The first second of the year comes twice.
    [-500, 0, 500, 999, 0, 500, 1000],
    // It is smeared: the clock goes slower, and never back.
    [-1000, -900, -800, -700, 0, 100],
  ]) {
    const { clock, enter, phone } = await enrolledAt(midnight - MINUTE)
    const spent = new Set<string>()
    for (const offset of told) {
      clock.time = midnight + offset
      const code = phone.code()
      const { accepted } = await enter(code)
      expect([told, offset, accepted]).toEqual([told, offset, !spent.has(code)])
      if (accepted) spent.add(code)
    }
    expect(spent.size).toBe(2)
  }
})

describe('an hour back', () => {
  test('the replay floor holds: what was accepted is not accepted again, for the whole hour', async () => {
    const { clock, enter, phone } = await enrolledAt(Date.UTC(2026, 9, 25, 1))
    clock.forward(3600)
    const accepted = phone.code()
    expect(await enter(accepted)).toMatchObject({ accepted: true })
    const reached = clock.time
    clock.time -= HOUR
    for (; clock.time < reached + 30 * SECOND; clock.time += 7 * SECOND) {
      expect(await enter(accepted)).toMatchObject({ accepted: false })
    }
  })

  test('its owner tries a right code every minute, is not locked for it, and gets in when the hour is over', async () => {
    const { clock, enter, phone, lock } = await enrolledAt(Date.UTC(2026, 9, 25, 1))
    clock.forward(3600)
    expect(await enter(phone.code())).toMatchObject({ accepted: true })
    const reached = clock.time
    clock.time -= HOUR
    while (stepAt(clock.time) <= stepAt(reached) - 2) {
      expect(await enter(phone.code())).toEqual({ accepted: false, reason: 'invalid' })
      expect(await lock()).toBeNull()
      clock.forward(60)
    }
    clock.time = reached + 30 * SECOND
    expect(await enter(phone.code())).toMatchObject({ accepted: true })
  })

  test('who guesses meanwhile is let guess nothing, and counted from when a code can be right again', async () => {
    const { clock, enter, phone, lock } = await enrolledAt(Date.UTC(2026, 9, 25, 1))
    clock.forward(90)
    for (let guess = 0; guess < 4; guess++) {
      expect(await lock()).toBeNull()
      await enter(phone.wrongCode())
    }
    // Were the floor within reach, the fifth failure would lock.
    clock.time -= HOUR
    await enter(phone.wrongCode())
    expect(await lock()).toBeNull()
    clock.time += HOUR
    await enter(phone.wrongCode())
    expect(await lock()).toEqual({ until: clock.time + 30 * SECOND })
  })

  test.each([5, 8, 12, 40, 99])(
    'a lock after %i failures lasts at most as long as it was, and that hour',
    async (failures) => {
      const { clock, enter, phone, lock } = await enrolledAt(Date.UTC(2026, 9, 25, 1))
      for (let guess = 0; guess < failures; guess++) {
        clock.time = Math.max(clock.time, (await lock())?.until ?? 0)
        clock.nextStep()
        await enter(phone.wrongCode())
      }
      const made = clock.time
      const length = ((await lock())?.until as number) - made
      clock.time -= HOUR
      while (await lock()) clock.forward(1)
      expect(clock.time - made).toBeLessThanOrEqual(length)
      // It was no free guess: the count is what it was, and the next failure locks as it would have.
      clock.time = made + HOUR
      await enter(phone.wrongCode())
      expect(await lock()).toEqual({
        until: failures === 99 ? null : clock.time + Math.min(2 * length, HOUR),
      })
    },
  )
})

test.each([2030, 2099, 9998])(
  'a clock that told %i for a while leaves no lock for longer than an hour',
  async (year) => {
    const { clock, enter, phone, lock } = await enrolledAt(Date.UTC(2026, 4, 3, 12))
    const right = new Authenticator(base32(secret), () => Date.UTC(2026, 4, 3, 12, 1))
    clock.time = Date.UTC(year, 5)
    for (let guess = 0; guess < 6; guess++) await enter(right.code())
    expect(await lock()).not.toBeNull()
    clock.time = Date.UTC(2026, 4, 3, 12, 1)
    expect(await lock()).toBeNull()
    expect(await enter(phone.code())).toMatchObject({ accepted: true })
  },
)

const broken: [string, number][] = [
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['a second before 1970', -SECOND],
  ['the year 9999', Date.UTC(9999, 0, 1)],
  ['no number', '1777809615000' as unknown as number],
  ['undefined', undefined as unknown as number],
]

test.each(broken)(
  'a clock that tells %s: unavailable, nothing is written, and all is well when it is right again',
  async (_name, time) => {
    const { clock, store, accounts, enter, phone } = await enrolledAt(Date.UTC(2026, 4, 3, 12))
    const { epoch } = await accounts.status(ID)
    const right = clock.time
    const before = await store.list(null, 10)
    clock.time = time
    const refused = (work: Promise<unknown>) => expect(work).rejects.toBeInstanceOf(UnavailableError)
    await refused(accounts.status(ID))
    await refused(accounts.verify(ID, epoch, typed('123456')))
    await refused(accounts.disable(ID, epoch, typed('123456')))
    await refused(accounts.disableFresh(ID, epoch))
    await refused(accounts.newBackupCodes(ID, epoch))
    await refused(accounts.confirmEnrolment('u-new', 0, { secret, startedAt: 0 }, '123456'))
    await refused(accounts.confirmReplacement(ID, epoch, { secret, startedAt: 0 }, '123456'))
    await refused(accounts.useDevice(ID, ['x']))
    await refused(accounts.revokeSessions('u-new'))
    await refused(accounts.checkPassword('u-new', async () => true))
    expect(await store.list(null, 10)).toEqual(before)
    clock.time = right + 30 * SECOND
    expect(await enter(phone.code())).toMatchObject({ accepted: true })
  },
)

test('at 1970 itself nothing is refused for it: the floor holds, and the account works afterwards', async () => {
  const { clock, accounts, enter, phone } = await enrolledAt(Date.UTC(2026, 4, 3, 12))
  const right = clock.time
  clock.time = 0
  expect(await enter('123456')).toEqual({ accepted: false, reason: 'invalid' })
  expect(await accounts.revokeSessions('u-new')).toBe(1)
  clock.time = right + 30 * SECOND
  expect(await accounts.status('u-new')).toMatchObject({ epoch: 1, enabled: false })
  expect(await enter(phone.code())).toMatchObject({ accepted: true })
})

test.each([Number.NaN, -1])(
  'over HTTP, a clock that tells %d: 503 everywhere, nobody is let in or thrown out',
  async (time) => {
    const { app, clock, phone } = await createEnrolledApp({ secondFactor: { onUnavailable: () => {} } })
    const verified = new Client(app)
    await verified.login()
    clock.nextStep()
    expect((await verified.challenge(phone.code())).status).toBe(200)
    const right = clock.time
    clock.time = time
    expect((await verified.get('/vault')).status).toBe(503)
    expect((await verified.as('person').get('/vault')).status).toBe(503)
    expect((await new Client(app).login()).status).toBe(503)
    expect((await new Client(app, 'person').login('bob')).status).toBe(503)
    clock.time = right
    expect((await verified.get('/vault')).status).toBe(200)
  },
)

test('over HTTP, an hour back: half a login begins anew, a proof is not fresh, and a session goes on', async () => {
  const { app, clock, phone, backupCodes } = await createEnrolledApp()
  clock.forward(2 * 3600)
  const verified = new Client(app)
  await verified.login()
  expect((await verified.challenge(phone.code())).status).toBe(200)
  const pending = new Client(app)
  await pending.login()
  clock.time -= HOUR
  expect((await verified.get('/vault')).status).toBe(200)
  expect((await verified.get('/transfer')).body.code).toBe('step_up_required')
  expect((await pending.challenge(phone.code())).status).toBe(401)
  // A backup code is no matter of the clock.
  await pending.login()
  expect((await pending.challenge(phone.code())).status).toBe(401)
  expect((await pending.challenge(backupCodes[0])).status).toBe(200)
})

describe('a recovery, approved to take effect in a day', () => {
  const approved = async () => {
    const world = await createWorld()
    await ask(world)
    await decide(world, 'approve')
    const code = async () => (await new Client(world.app).login()).body.code
    return { world, code }
  }

  test('the clock set back: it waits for as long, the owner can stop it, and then it takes effect', async () => {
    const { world, code } = await approved()
    const due = world.clock.time + 24 * HOUR
    world.clock.time -= 48 * HOUR
    expect(await code()).toBe('second_factor_required')
    world.clock.time = due - 1
    expect(await code()).toBe('second_factor_required')
    world.clock.time = due
    expect(await code()).toBe('enrolment_required')
  })

  test('stopped while the clock is set back, it stays stopped', async () => {
    const { world, code } = await approved()
    world.clock.time -= 48 * HOUR
    const ticket = ticketOf(world)
    const stopped = await new Client(world.app).send('POST', '/two-factor/recovery/cancel', { ticket })
    expect(stopped.status).toBe(200)
    world.clock.time += 72 * HOUR
    expect(await code()).toBe('second_factor_required')
  })

  // As docs/recovery.md says, where the store has no clock of its own.
  test('the clock set forward by a day: it takes effect at once', async () => {
    const { world, code } = await approved()
    world.clock.time += 24 * HOUR
    expect(await code()).toBe('enrolment_required')
  })

  test('set forward by more than a week beyond: it has expired, and nothing is taken off', async () => {
    const { world, code } = await approved()
    world.clock.time += 9 * 24 * HOUR
    expect(await code()).toBe('second_factor_required')
  })
})

test('over HTTP, an hour back: an authenticator that was being set up is begun anew', async () => {
  const { app, clock } = createTestApp()
  const client = new Client(app)
  await client.login()
  expect((await client.post('/two-factor/enable', {}, '/two-factor')).status).toBe(201)
  expect((await client.get('/two-factor/enable')).status).toBe(200)
  clock.time -= HOUR
  expect((await client.get('/two-factor/enable')).body.code).toBe('no_enrolment')
})
