// Checking one six-digit code, in this process: the right one, and a wrong one that costs most.
import { createHmac, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { createOTP } from '@better-auth/utils/otp'
import notp from 'notp'
import * as otpauth from 'otpauth'
import { TOTP as OtplibClass, verify as otplibVerify, verifySync as otplibVerifySync } from 'otplib'
import speakeasy from 'speakeasy'
import base32 from 'thirty-two'
import { library } from './support/library.mjs'
import { interleaved } from './support/measure.mjs'
import { figure, median, ratio, table, target } from './support/report.mjs'

const require = createRequire(import.meta.url)
const { verifySync: bareVerifySync } = require('@otplib/totp')
const { crypto: nodeCrypto } = require('@otplib/plugin-crypto-node')
const { MemoryStore } = library('index')
const { AccountRecords } = library('account/records')
const { Accounts } = library('account/accounts')
const { EMPTY_RECORD, NO_FAILURES } = library('account/record')
const { Keyring } = library('crypto/keyring')
const { findStep, stepAt } = library('authenticators/totp')

const secret = randomBytes(20)
const key32 = base32.encode(secret).toString().replace(/=/g, '')
const MOMENT = Date.now()
/** Of libraries that take the time of day from nobody: a wrong code is wrong in every step around. */
const wrong = codeThatIsWrong()
const right = () => raw(stepAt(Date.now()))

/** RFC 4226 with nothing around it: what no other can be faster than. */
function raw(step) {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = mac[19] & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1e6).padStart(6, '0')
}

function rawVerify(code) {
  const here = stepAt(MOMENT)
  for (let step = here - 1; step <= here + 1; step++) if (raw(step) === code) return true
  return false
}

function codeThatIsWrong() {
  const taken = new Set()
  for (let step = stepAt(MOMENT) - 10; step <= stepAt(MOMENT) + 40; step++) taken.add(raw(step))
  for (let n = 0; ; n++) {
    const code = String(n).padStart(6, '0')
    if (!taken.has(code)) return code
  }
}

/** Takes the failures of one account and does not keep them: a lock would answer without looking at the code. */
class ForgivingStore extends MemoryStore {
  forgives = null

  async compareAndSet(accountId, ...rest) {
    return accountId === this.forgives || super.compareAndSet(accountId, ...rest)
  }
}

/** The whole of ours: the store, the seal, the replay floor, the count, the lock, and a record for each call. */
async function wholeOfOurs() {
  const keyring = new Keyring([randomBytes(32).toString('base64')])
  let moment = MOMENT
  const now = () => moment
  const store = new ForgivingStore()
  const accounts = new Accounts(new AccountRecords(store, keyring, now), now, 5)
  const put = new AccountRecords(store, keyring, now)
  const fresh = (lastStep) => ({
    ...EMPTY_RECORD,
    epoch: 1,
    totp: { secret: secret.toString('base64'), clockSide: 0, lastStep, since: 0 },
    failures: { totp: NO_FAILURES, 'backup-code': NO_FAILURES, password: NO_FAILURES },
  })
  await put.transact('right', () => ({ record: fresh(0), outcome: null }))
  await put.transact('wrong', () => ({ record: fresh(0), outcome: null }))
  return {
    async right() {
      // The next step, for the code of this one is spent.
      moment += 30_000
      const answer = await accounts.verify('right', 1, { method: 'totp', code: raw(stepAt(moment)) })
      if (!answer.accepted) throw new Error('a right code was refused')
    },
    async wrong() {
      store.forgives = 'wrong'
      const answer = await accounts.verify('wrong', 1, { method: 'totp', code: wrong })
      if (answer.accepted || answer.reason !== 'invalid') throw new Error('a wrong code was not evaluated')
    },
  }
}

function* around(step) {
  for (let n = step - 1; n <= step + 1; n++) yield n
}

/** Name -> whether it accepts a code. Every one as its documentation shows it, allowing one step to either side. */
const authenticator = new otpauth.TOTP({
  secret: new otpauth.Secret({ buffer: secret.buffer.slice(secret.byteOffset, secret.byteOffset + 20) }),
})
const { base32: base32Plugin } = require('@otplib/plugin-base32-scure')
const { crypto: nobleCrypto } = require('@otplib/plugin-crypto-noble')
const otplibClass = new OtplibClass({ secret: key32, crypto: nobleCrypto, base32: base32Plugin })
const betterAuth = createOTP(key32)
const codes = {
  'raw node:crypto': { check: rawVerify },
  'ours, the TOTP part': { check: (code) => findStep(secret, code, around(stepAt(MOMENT))) !== null },
  otpauth: { check: (token) => authenticator.validate({ token, window: 1 }) !== null },
  '@otplib/totp, node crypto, bytes': {
    check: (token) => bareVerifySync({ secret, token, crypto: nodeCrypto, epochTolerance: 30 }).valid,
  },
  'otplib verifySync, defaults': {
    check: (token) => otplibVerifySync({ secret: key32, token, epochTolerance: 30 }).valid,
  },
  'otplib verify, defaults': {
    check: async (token) => (await otplibVerify({ secret: key32, token, epochTolerance: 30 })).valid,
  },
  'otplib TOTP class, defaults': {
    check: async (token) => (await otplibClass.verify(token, { epochTolerance: 30 })).valid,
  },
  speakeasy: {
    check: (token) => speakeasy.totp.verify({ secret: key32, encoding: 'base32', token, window: 1 }),
  },
  'notp as passport-totp calls it (window 6)': {
    check: (token) => notp.totp.verify(token, secret, { window: 6, time: 30 }) !== null,
  },
  'Better Auth (@better-auth/utils)': {
    check: (token) => betterAuth.verify(token),
    right: async () => createOTP(key32).totp(),
  },
}

export default async function verify({ quick }) {
  const ours = await wholeOfOurs()
  const calls = { right: {}, wrong: {} }
  for (const [name, { check, right: ownRight }] of Object.entries(codes)) {
    const good = ownRight ? await ownRight() : right()
    if (!(await check(good)) || (await check(wrong)))
      throw new Error(`${name} does not tell right from wrong`)
    calls.right[name] = () => check(good)
    calls.wrong[name] = () => check(wrong)
  }
  const whole = 'ours, whole: store, seal, rules'
  calls.right[whole] = ours.right
  calls.wrong[whole] = ours.wrong
  const how = quick ? { rounds: 5, slice: 10 } : { rounds: 15, slice: 40 }
  const times = { right: await interleaved(calls.right, how), wrong: await interleaved(calls.wrong, how) }
  const limit = times.wrong['raw node:crypto'].median
  table(
    'Checking a code, in process (microseconds of CPU: median, quartiles)',
    ['', 'wrong / raw', 'wrong', 'right'],
    [...Object.keys(codes), whole].map((name) => [
      name,
      ratio(times.wrong[name].median, limit),
      median(times.wrong[name]),
      median(times.right[name]),
    ]),
  )
  const part = times.wrong['ours, the TOTP part'].median
  target('the TOTP part within 3x of raw', part <= 3 * limit, ratio(part, limit))
  const rivals = Object.keys(codes).filter((name) => /defaults|passport-totp|Better/.test(name))
  const first = Math.min(...rivals.map((name) => times.wrong[name].median))
  target(
    "ahead of otplib's defaults, passport-totp and Better Auth",
    part < first,
    `${figure(part)} us against ${figure(first)} us at best`,
  )
}
