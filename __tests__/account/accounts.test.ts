import { Accounts } from '../../lib/account/accounts'
import { beginEnrolment } from '../../lib/account/enrolment'
import { AccountRecords } from '../../lib/account/records'
import { readTypedCode, type TypedCode } from '../../lib/account/typed-code'
import { base32 } from '../../lib/authenticators/base32'
import { Keyring } from '../../lib/crypto/keyring'
import { UnavailableError } from '../../lib/errors'
import { MemoryStore } from '../../lib/stores/memory'
import { Authenticator } from '../support/authenticator'
import { Clock } from '../support/clock'

// Hashes, counted.
let hashes = 0
jest.mock('node:crypto', () => {
  const crypto = jest.requireActual('node:crypto')
  return {
    ...crypto,
    scrypt: (...given: [string, Buffer, number, object, () => void]) => {
      hashes++
      const [text, salt, length, cost, done] = given
      crypto.scrypt(text, salt, length, { ...cost, N: 2 }, done)
    },
  }
})

// The pauses between attempts are no part of what is tested.
jest.mock('node:timers/promises', () => ({ setTimeout: async () => {} }))

const KEY = Buffer.from('0123456789abcdef0123456789abcdef')
const ID = 'u-alice'
const typed = (code: string) => readTypedCode(code) as TypedCode
/** A backup code that is readable and nobody's. */
const NO_ONES_CODE = typed('12345-67890')

/** One process of the app: its own line, its own Accounts, the store that all share. */
const start = (store: MemoryStore, clock: Clock) =>
  new Accounts(new AccountRecords(store, new Keyring([KEY]), clock.now), clock.now, 2)

async function enrol(accounts: Accounts, clock: Clock, epoch = 0) {
  const staged = beginEnrolment(clock.now())
  const phone = new Authenticator(base32(staged.secret), clock.now)
  const confirmed = await accounts.confirmEnrolment(ID, epoch, staged, phone.code())
  if (!confirmed.enabled) throw new Error(`not enrolled: ${confirmed.reason}`)
  clock.nextStep()
  return { phone, ...confirmed }
}

async function world() {
  const clock = new Clock()
  const store = new MemoryStore()
  const accounts = start(store, clock)
  const writes = jest.spyOn(store, 'compareAndSet')
  return { clock, store, accounts, writes, ...(await enrol(accounts, clock)) }
}

test('backup codes are hashed only for whoever gets them, however many ask at once', async () => {
  const clock = new Clock()
  const accounts = start(new MemoryStore(), clock)
  const staged = beginEnrolment(clock.now())
  const code = new Authenticator(base32(staged.secret), clock.now).code()
  hashes = 0
  const confirmed = await Promise.all(
    Array.from({ length: 10 }, () => accounts.confirmEnrolment(ID, 0, staged, code)),
  )
  const [enrolled] = confirmed.filter(({ enabled }) => enabled)
  expect([confirmed.filter(({ enabled }) => enabled).length, hashes]).toEqual([1, 2])
  if (!enrolled?.enabled) throw new Error('nobody is enrolled')
  clock.forward(1)
  const { epoch, madeAt } = enrolled
  hashes = 0
  const made = await Promise.all(Array.from({ length: 10 }, () => accounts.newBackupCodes(ID, epoch, madeAt)))
  expect([made.filter((one) => one.made).length, hashes]).toEqual([1, 2])
})

describe('confirming an enrolment', () => {
  test('turns two-factor authentication on and shows the backup codes', async () => {
    const { accounts, clock, epoch, backupCodes, madeAt } = await world()
    expect(backupCodes).toHaveLength(2)
    expect(await accounts.status(ID)).toEqual({
      enabled: true,
      disabledAt: null,
      devices: [],
      mustEnrol: false,
      epoch,
      methods: ['totp', 'backup-code'],
      since: madeAt,
      backupCodes: { remaining: 2, total: 2, generatedAt: madeAt },
      lastUsedAt: madeAt,
      locks: { totp: null, 'backup-code': null },
    })
    expect(madeAt).toBe(clock.time - 30_000)
  })

  test('uses up the code that proved it', async () => {
    const { accounts, epoch, phone } = await world()
    expect(await accounts.verify(ID, epoch, typed(phone.code(-1)))).toEqual({
      accepted: false,
      reason: 'invalid',
    })
    expect(await accounts.verify(ID, epoch, typed(phone.code()))).toMatchObject({ accepted: true })
  })

  test('with a wrong code says what is wrong with the clock, counts nothing and writes nothing', async () => {
    const clock = new Clock()
    const store = new MemoryStore()
    const accounts = start(store, clock)
    const staged = beginEnrolment(clock.now())
    const slow = new Authenticator(base32(staged.secret), clock.now, -180)
    for (let time = 0; time < 10; time++) {
      expect(await accounts.confirmEnrolment(ID, 0, staged, slow.code())).toEqual({
        enabled: false,
        reason: 'invalid',
        clock: { direction: 'slow', seconds: 180, timeZone: false },
      })
    }
    expect(await store.get(ID)).toBeNull()
  })

  test('of an account that is enrolled, or in an epoch that is over, changes nothing', async () => {
    const { accounts, clock, epoch, writes } = await world()
    writes.mockClear()
    const staged = beginEnrolment(clock.now())
    const code = new Authenticator(base32(staged.secret), clock.now).code()
    const confirm = (epoch: number) => accounts.confirmEnrolment(ID, epoch, staged, code)
    expect(await confirm(epoch)).toEqual({ enabled: false, reason: 'revoked' })
    expect(await confirm(epoch - 1)).toEqual({ enabled: false, reason: 'revoked' })
    expect(writes).not.toHaveBeenCalled()
  })

  test('twice at once enrols one authenticator', async () => {
    const clock = new Clock()
    const store = new MemoryStore()
    const both = [start(store, clock), start(store, clock)]
    const outcomes = await Promise.allSettled(both.map((accounts) => enrol(accounts, clock)))
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('one code opens one session', () => {
  test.each([
    ['of the app', ({ phone }: Awaited<ReturnType<typeof world>>) => typed(phone.code())],
    ['for backup', ({ backupCodes }: Awaited<ReturnType<typeof world>>) => typed(backupCodes[0] as string)],
  ])('a code %s, sent to three processes five times each, is accepted once', async (_what, codeOf) => {
    const made = await world()
    const { store, clock, epoch } = made
    const code = codeOf(made)
    const processes = [start(store, clock), start(store, clock), start(store, clock)]
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, index) => (processes[index % 3] as Accounts).verify(ID, epoch, code)),
    )
    expect(answers.filter(({ accepted }) => accepted)).toHaveLength(1)
  })
})

describe('guessing', () => {
  test('a thousand guesses at once in three processes are answered five times', async () => {
    const { store, clock, epoch, phone } = await world()
    const processes = [start(store, clock), start(store, clock), start(store, clock)]
    const guess = typed(phone.wrongCode())
    const answers = await Promise.all(
      Array.from({ length: 999 }, (_, index) => (processes[index % 3] as Accounts).verify(ID, epoch, guess)),
    )
    const reasons = answers.map((answer) => (answer.accepted ? 'accepted' : answer.reason))
    expect(reasons.filter((reason) => reason === 'invalid')).toHaveLength(5)
    expect(reasons.filter((reason) => reason === 'locked')).toHaveLength(994)
  })

  test('while the app is locked nothing is written, and a backup code still works', async () => {
    const { accounts, epoch, phone, backupCodes, writes } = await world()
    for (let time = 0; time < 5; time++) await accounts.verify(ID, epoch, typed(phone.wrongCode()))
    writes.mockClear()
    const wrong = await accounts.verify(ID, epoch, typed(phone.wrongCode()))
    const right = await accounts.verify(ID, epoch, typed(phone.code()))
    expect(right).toEqual(wrong)
    expect(right).toMatchObject({ accepted: false, reason: 'locked' })
    expect(writes).not.toHaveBeenCalled()
    expect(await accounts.verify(ID, epoch, typed(backupCodes[0] as string))).toMatchObject({
      accepted: true,
      method: 'backup-code',
      backupCodesRemaining: 1,
    })
    expect((await accounts.status(ID)).locks).toEqual({
      totp: { until: expect.any(Number) },
      'backup-code': null,
    })
  })

  test('wrong codes for disabling and for logging in are counted together', async () => {
    const { accounts, epoch, phone } = await world()
    for (let time = 0; time < 3; time++) await accounts.verify(ID, epoch, typed(phone.wrongCode()))
    for (let time = 0; time < 2; time++) await accounts.disable(ID, epoch, typed(phone.wrongCode()))
    expect(await accounts.verify(ID, epoch, typed(phone.code()))).toMatchObject({ reason: 'locked' })
    expect(await accounts.disable(ID, epoch, typed(phone.code()))).toMatchObject({
      disabled: false,
      refusal: { reason: 'locked' },
    })
  })

  test('a right backup code in the very moment that a lock ends is not counted as wrong', async () => {
    const { store, clock, accounts, epoch, backupCodes } = await world()
    for (let time = 0; time < 5; time++) await accounts.verify(ID, epoch, NO_ONES_CODE)
    const { until } = (await accounts.status(ID)).locks['backup-code'] as { until: number }
    // Every look at this clock is a millisecond later.
    let time = until - 2
    const ticking = () => ++time
    const late = new Accounts(new AccountRecords(store, new Keyring([KEY]), ticking), ticking, 2)
    const answer = await late.verify(ID, epoch, typed(backupCodes[0] as string))
    expect(answer).toMatchObject({ accepted: false, reason: 'locked' })
    clock.time = until
    expect(await accounts.verify(ID, epoch, typed(backupCodes[0] as string))).toMatchObject({
      accepted: true,
    })
  })
})

describe('disabling', () => {
  test('takes a code of the app, raises the epoch and keeps the row', async () => {
    const { accounts, store, epoch, phone, writes } = await world()
    writes.mockClear()
    expect(await accounts.disable(ID, epoch, typed(phone.code()))).toEqual({
      disabled: true,
      epoch: epoch + 1,
    })
    expect(writes).toHaveBeenCalledTimes(1)
    expect(await accounts.status(ID)).toMatchObject({ enabled: false, epoch: epoch + 1, methods: [] })
    expect(await store.get(ID)).toMatchObject({ activated: false })
  })

  test('takes a backup code as well', async () => {
    const { accounts, epoch, backupCodes } = await world()
    expect(await accounts.disable(ID, epoch, typed(backupCodes[1] as string))).toMatchObject({
      disabled: true,
    })
  })

  test('with a wrong code is refused and counted', async () => {
    const { accounts, epoch, phone } = await world()
    expect(await accounts.disable(ID, epoch, typed(phone.wrongCode()))).toEqual({
      disabled: false,
      refusal: { accepted: false, reason: 'invalid' },
    })
    expect(await accounts.status(ID)).toMatchObject({ enabled: true, epoch })
  })

  test('twice at once is once', async () => {
    const { accounts, store, clock, epoch, phone, backupCodes } = await world()
    const outcomes = await Promise.all([
      accounts.disable(ID, epoch, typed(phone.code())),
      start(store, clock).disable(ID, epoch, typed(backupCodes[0] as string)),
    ])
    expect(outcomes.filter(({ disabled }) => disabled)).toHaveLength(1)
    expect(outcomes).toContainEqual({ disabled: false, refusal: { accepted: false, reason: 'revoked' } })
    expect((await accounts.status(ID)).epoch).toBe(epoch + 1)
  })

  test('and enabling again never comes back to an epoch that was', async () => {
    const { accounts, clock, epoch, phone, backupCodes } = await world()
    const off = await accounts.disable(ID, epoch, typed(phone.code()))
    if (!off.disabled) throw new Error('not disabled')
    const again = await enrol(accounts, clock, off.epoch)
    expect(again.epoch).toBeGreaterThan(off.epoch)
    expect(await accounts.verify(ID, again.epoch, typed(backupCodes[0] as string))).toMatchObject({
      accepted: false,
    })
    expect(await accounts.verify(ID, again.epoch, typed(phone.code()))).toMatchObject({ accepted: false })
    expect(await accounts.verify(ID, again.epoch, typed(again.phone.code()))).toMatchObject({
      accepted: true,
    })
  })
})

describe('a session of an epoch that is over gets nothing', () => {
  test('not even for right codes: nothing is evaluated, nothing is spent, nothing is written', async () => {
    const { accounts, epoch, phone, backupCodes, writes } = await world()
    const now = await accounts.revokeSessions(ID)
    expect(now).toBe(epoch + 1)
    writes.mockClear()
    for (const code of [phone.code(), phone.wrongCode(), backupCodes[0] as string]) {
      expect(await accounts.verify(ID, epoch, typed(code))).toEqual({ accepted: false, reason: 'revoked' })
      expect(await accounts.disable(ID, epoch, typed(code))).toEqual({
        disabled: false,
        refusal: { accepted: false, reason: 'revoked' },
      })
    }
    expect(await accounts.newBackupCodes(ID, epoch)).toEqual({ made: false, reason: 'revoked' })
    expect(writes).not.toHaveBeenCalled()
    expect(await accounts.verify(ID, now, typed(phone.code()))).toMatchObject({ accepted: true, epoch: now })
    expect(await accounts.verify(ID, now, typed(backupCodes[0] as string))).toMatchObject({ accepted: true })
  })

  test('nor one of an epoch that has not been yet', async () => {
    const { accounts, epoch, phone } = await world()
    expect(await accounts.verify(ID, epoch + 1, typed(phone.code()))).toMatchObject({ reason: 'revoked' })
  })
})

describe('new backup codes', () => {
  test('kill the old ones, clear their failures only, and end no session', async () => {
    const { accounts, epoch, phone, backupCodes } = await world()
    for (let time = 0; time < 5; time++) {
      await accounts.verify(ID, epoch, NO_ONES_CODE)
      await accounts.verify(ID, epoch, typed(phone.wrongCode()))
    }
    const made = await accounts.newBackupCodes(ID, epoch)
    if (!made.made) throw new Error(made.reason)
    expect(await accounts.status(ID)).toMatchObject({
      epoch,
      backupCodes: { remaining: 2, total: 2, generatedAt: made.madeAt },
      locks: { totp: { until: expect.any(Number) }, 'backup-code': null },
    })
    expect(await accounts.verify(ID, epoch, typed(backupCodes[0] as string))).toMatchObject({
      accepted: false,
      reason: 'invalid',
    })
    expect(await accounts.verify(ID, epoch, typed(made.backupCodes[0] as string))).toMatchObject({
      accepted: true,
      backupCodesRemaining: 1,
    })
  })

  test('that replace a set which is no longer there are a repeat, and change nothing', async () => {
    const { accounts, clock, epoch, madeAt } = await world()
    const first = await accounts.newBackupCodes(ID, epoch, madeAt)
    if (!first.made) throw new Error(first.reason)
    clock.forward(5)
    expect(await accounts.newBackupCodes(ID, epoch, madeAt)).toEqual({ made: false, reason: 'other-set' })
    expect(await accounts.verify(ID, epoch, typed(first.backupCodes[0] as string))).toMatchObject({
      accepted: true,
    })
    expect(await accounts.newBackupCodes(ID, epoch, first.madeAt)).toMatchObject({ made: true })
  })

  test('asked for twice at once by one form are made once', async () => {
    const { accounts, epoch, madeAt } = await world()
    const made = await Promise.all([
      accounts.newBackupCodes(ID, epoch, madeAt),
      accounts.newBackupCodes(ID, epoch, madeAt),
    ])
    expect(made.filter((outcome) => outcome.made)).toHaveLength(1)
  })

  test('are for accounts with an authenticator', async () => {
    const accounts = start(new MemoryStore(), new Clock())
    expect(await accounts.newBackupCodes(ID, 0)).toEqual({ made: false, reason: 'not-enrolled' })
  })
})

describe('a password that is asked again', () => {
  test('is checked until the fifth wrong one, and then not even looked at', async () => {
    const { accounts, clock } = await world()
    const check = jest.fn(async () => false)
    for (let time = 0; time < 5; time++)
      expect((await accounts.checkPassword(ID, check)).verdict).toBe('wrong')
    expect(await accounts.checkPassword(ID, check)).toEqual({
      verdict: 'locked',
      lock: { until: clock.time + 30_000 },
    })
    expect(check).toHaveBeenCalledTimes(5)
    clock.forward(30)
    expect(await accounts.checkPassword(ID, async () => true)).toEqual({ verdict: 'right' })
    for (let time = 0; time < 4; time++)
      expect((await accounts.checkPassword(ID, check)).verdict).toBe('wrong')
    expect(await accounts.checkPassword(ID, async () => true)).toEqual({ verdict: 'right' })
  })

  test('works without an authenticator, and its failures lock no code', async () => {
    const { accounts, epoch, phone } = await world()
    for (let time = 0; time < 6; time++) await accounts.checkPassword(ID, async () => false)
    expect(await accounts.verify(ID, epoch, typed(phone.code()))).toMatchObject({ accepted: true })
    expect(await accounts.checkPassword('nobody', async () => true)).toEqual({ verdict: 'right' })
  })

  test('that the host cannot check counts, so that making it fail is no free guess', async () => {
    const { accounts } = await world()
    const check = jest.fn(() => Promise.reject(new Error('ldap')))
    for (let time = 0; time < 5; time++) {
      await expect(accounts.checkPassword(ID, check)).rejects.toThrow('ldap')
    }
    expect(await accounts.checkPassword(ID, check)).toMatchObject({ verdict: 'locked' })
    expect(check).toHaveBeenCalledTimes(5)
  })

  test('is looked at five times at most, however many try at once', async () => {
    const { accounts } = await world()
    const check = jest.fn(async () => false)
    await Promise.all(Array.from({ length: 50 }, () => accounts.checkPassword(ID, check)))
    expect(check).toHaveBeenCalledTimes(5)
  })

  test('keeps no code waiting while the host is at it', async () => {
    const { accounts, epoch, phone } = await world()
    let answer = (_right: boolean) => {}
    const checking = accounts.checkPassword(ID, () => new Promise((resolve) => (answer = resolve)))
    expect(await accounts.verify(ID, epoch, typed(phone.code()))).toMatchObject({ accepted: true })
    answer(true)
    expect(await checking).toEqual({ verdict: 'right' })
  })
})

describe('what is written', () => {
  test('says nothing of secret and backup codes, in no encoding, in no state of the account', async () => {
    const clock = new Clock()
    const store = new MemoryStore()
    const accounts = start(store, clock)
    const rows = jest.spyOn(store, 'compareAndSet')
    const staged = beginEnrolment(clock.now())
    const phone = new Authenticator(base32(staged.secret), clock.now)
    const confirmed = await accounts.confirmEnrolment(ID, 0, staged, phone.code())
    if (!confirmed.enabled) throw new Error(confirmed.reason)
    await accounts.verify(ID, confirmed.epoch, typed(phone.wrongCode()))
    await accounts.verify(ID, confirmed.epoch, typed(confirmed.backupCodes[0] as string))

    const bytes = Buffer.from(staged.secret)
    const needles = [
      base32(bytes),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
      bytes.toString('hex'),
      bytes.toString('latin1'),
      ...confirmed.backupCodes.flatMap((code) => [code, code.replace('-', '')]),
      ID,
      '"totp"',
    ].map((needle) => needle.toLowerCase())
    expect(rows).toHaveBeenCalledTimes(3)
    for (const [, , row] of rows.mock.calls) {
      expect(row).toEqual({ version: expect.any(Number), activated: true, sealed: expect.any(String) })
      // Printable ASCII, and nothing in it once it is decoded either.
      expect(row.sealed).toMatch(/^[\x21-\x7e]+$/)
      const decoded = Buffer.from(row.sealed.split('.')[2] as string, 'base64url')
      for (const text of [row.sealed, decoded.toString('latin1'), decoded.toString('hex')]) {
        for (const needle of needles) expect(text.toLowerCase()).not.toContain(needle)
      }
    }
  })

  test('is written anew each time: the same record never looks the same', async () => {
    const { accounts, store, writes } = await world()
    writes.mockClear()
    await accounts.revokeSessions(ID)
    const first = (await store.get(ID))?.sealed
    await accounts.revokeSessions(ID)
    expect((await store.get(ID))?.sealed).not.toBe(first)
  })
})

describe('an account that was forgotten', () => {
  test('has no second factor, no failures and no codes', async () => {
    const { accounts, epoch, phone } = await world()
    for (let time = 0; time < 5; time++) await accounts.verify(ID, epoch, typed(phone.wrongCode()))
    await accounts.forget(ID)
    expect(await accounts.status(ID)).toMatchObject({
      enabled: false,
      backupCodes: { remaining: 0, total: 0 },
      locks: { totp: null, 'backup-code': null },
    })
  })

  test("and whose id somebody else got: a session of the first owner proves nothing of the second's", async () => {
    const { accounts, clock, epoch } = await world()
    await accounts.forget(ID)
    clock.forward(3600)
    const second = await enrol(accounts, clock)
    expect(second.epoch).not.toBe(epoch)
    expect(await accounts.verify(ID, epoch, typed(second.phone.code()))).toEqual({
      accepted: false,
      reason: 'revoked',
    })
  })
})

describe('what is known of an account', () => {
  test('is read of several at once; one that cannot be read hides no others', async () => {
    const { accounts, store } = await world()
    await store.compareAndSet('damaged', 0, { version: 1, activated: true, sealed: 'x' })
    const known = await accounts.statuses([ID, 'nobody', 'damaged'])
    expect([...known.keys()]).toEqual([ID, 'nobody', 'damaged'])
    expect(known.get(ID)).toEqual(await accounts.status(ID))
    expect(known.get('nobody')).toMatchObject({ enabled: false, epoch: 0 })
    expect(known.get('damaged')).toBeNull()
  })

  test('is counted by whether it has a second factor', async () => {
    const { accounts, epoch, phone } = await world()
    await accounts.revokeSessions('nobody')
    expect(await accounts.countActivated()).toBe(1)
    await accounts.disable(ID, epoch, typed(phone.code()))
    expect(await accounts.countActivated()).toBe(0)
  })

  test('names no backup codes when the last one is used', async () => {
    const { accounts, epoch, backupCodes } = await world()
    for (const code of backupCodes) await accounts.verify(ID, epoch, typed(code))
    expect(await accounts.status(ID)).toMatchObject({ methods: ['totp'], backupCodes: { remaining: 0 } })
  })
})

describe('without a code', () => {
  test('disabling takes a session of this epoch and an authenticator, and says when it was', async () => {
    const { accounts, clock, epoch } = await world()
    expect(await accounts.disableFresh(ID, epoch - 1)).toEqual({
      disabled: false,
      refusal: { accepted: false, reason: 'revoked' },
    })
    expect(await accounts.disableFresh(ID, epoch)).toEqual({ disabled: true, epoch: epoch + 1 })
    expect(await accounts.status(ID)).toMatchObject({ enabled: false, disabledAt: clock.now() })
    expect(await accounts.disableFresh(ID, epoch + 1)).toEqual({
      disabled: false,
      refusal: { accepted: false, reason: 'not-enrolled' },
    })
  })

  test('a reset says whether there was a second factor', async () => {
    const { accounts } = await world()
    expect(await accounts.reset(ID)).toBe(true)
    expect(await accounts.status(ID)).toMatchObject({ enabled: false, mustEnrol: false })
    expect(await accounts.reset(ID)).toBe(false)
  })

  test('a recovery takes the factor off, and the account must enrol until it has', async () => {
    const { accounts, clock, madeAt } = await world()
    const factor = { since: madeAt, usedAt: madeAt }
    expect(await accounts.recover(ID, { ...factor, usedAt: null })).toBe('spared')
    expect(await accounts.recover(ID, factor)).toBe('now')
    expect(await accounts.recover(ID, factor)).toBe('before')
    const { epoch, ...status } = await accounts.status(ID)
    expect(status).toMatchObject({ enabled: false, mustEnrol: true })
    await enrol(accounts, clock, epoch)
    expect((await accounts.status(ID)).mustEnrol).toBe(false)
  })
})

test('without the store there is no answer, and no other than that', async () => {
  const { accounts, store, epoch, phone } = await world()
  store.get = () => Promise.reject(new Error('down'))
  const code = typed(phone.code())
  for (const asked of [
    () => accounts.status(ID),
    () => accounts.verify(ID, epoch, code),
    () => accounts.disable(ID, epoch, code),
    () => accounts.newBackupCodes(ID, epoch),
    () => accounts.checkPassword(ID, async () => true),
    () => accounts.revokeSessions(ID),
  ]) {
    await expect(asked()).rejects.toThrow(UnavailableError)
  }
})
