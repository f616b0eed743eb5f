// What a verified request pays: in process, and over HTTP beside a route without the gate.
import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { secretOf } from './support/accounts.mjs'
import { startApp } from './support/app-process.mjs'
import { codeOf } from './support/codes.mjs'
import { enrolAccounts } from './support/enrol.mjs'
import { keptAlive, send } from './support/http-client.mjs'
import { library } from './support/library.mjs'
import { load } from './support/load.mjs'
import { interleaved, spread } from './support/measure.mjs'
import { figure, median, ratio, table, target } from './support/report.mjs'

const { createSecondFactor, MemoryStore } = library('index')

export default async function gate(how) {
  await inProcess(how)
  await overHttp(how)
}

/** The two middlewares, called as Express calls them, on a request that Passport has been at. */
async function inProcess({ quick }) {
  let reads = 0
  class CountedStore extends MemoryStore {
    get(id) {
      reads++
      return super.get(id)
    }
  }
  const keys = [randomBytes(32).toString('base64')]
  const store = new CountedStore()
  await enrolAccounts(store, keys, 1, 1)
  // The clock stands still, so that the one read of an account in a minute does not come in between.
  const moment = Date.now()
  const user = { id: '1', email: '1@example.com' }
  const secondFactor = createSecondFactor({
    issuer: 'Bench',
    account: ({ id, email }) => ({ id, name: email }),
    keys,
    store,
    now: () => moment,
  })
  const session = secondFactor.session()
  const required = secondFactor.requireSecondFactor()
  const fresh = secondFactor.requireSecondFactor({ maxAge: '5m' })
  const { epoch } = await secondFactor.status('1')
  const marker = {
    state: 'verified',
    accountId: '1',
    epoch,
    loginAt: moment,
    method: 'totp',
    verifiedAt: moment,
    csrf: 'c',
  }
  const kept = { passport: { user: '1' }, secondFactor: marker }
  const noop = () => {}
  class Req extends EventEmitter {
    method = 'GET'
    url = '/vault'
    originalUrl = '/vault'
    baseUrl = ''
    headers = { accept: 'text/html' }
    session = kept
    user = user
    login = noop
    logIn = noop
    logout = noop
    logOut = noop
    isAuthenticated() {
      return this.user !== undefined
    }
  }
  const res = {}
  let passed = 0
  const next = (error) => {
    if (error) throw error
    passed++
  }
  const through = (...handlers) => {
    const req = new Req()
    for (const handler of handlers) handler(req, res, next)
  }
  // The first request reads the account; from then on it is remembered.
  await new Promise((resolve) => session(new Req(), res, resolve))

  // In the example of passport-totp: two checks in the route's middleware, of the login and of the mark.
  const flagged = { secondFactor: 'totp' }
  const isLoggedIn = (req, _res, done) => (req.isAuthenticated() ? done() : undefined)
  const hasFlag = (_req, _res, done) => (flagged.secondFactor === 'totp' ? done() : undefined)

  const calls = {
    'a request without either': () => through(),
    "passport-totp's example: two checks of the session": () => through(isLoggedIn, hasFlag),
    'session()': () => through(session),
    'session() + requireSecondFactor()': () => through(session, required),
    "session() + requireSecondFactor({ maxAge: '5m' })": () => through(session, fresh),
  }
  reads = 0
  const times = await interleaved(calls, quick ? { rounds: 7, slice: 10 } : { rounds: 21, slice: 40 })
  const base = times['a request without either'].median
  const own = ({ median: middle, low, high }) => ({
    median: middle - base,
    low: low - base,
    high: high - base,
  })
  table(
    'A verified request, in process (microseconds of CPU on top of the request itself: median, quartiles)',
    ['', 'cost'],
    Object.entries(times)
      .slice(1)
      .map(([name, time]) => [name, median(own(time))]),
  )
  const cost = own(times['session() + requireSecondFactor()']).median
  target('session() and the gate under 2 microseconds', cost < 2, `${figure(cost)} us`)
  target('no I/O', reads === 0, `${reads} reads of the store in ${passed} passes`)

  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  const heap = () => {
    gc()
    return process.memoryUsage().heapUsed
  }
  const before = heap()
  const count = quick ? 100_000 : 1_000_000
  for (let n = 0; n < count; n++) through(session, required)
  // What belongs to a request goes with it: of weak references only after a turn.
  await new Promise((resolve) => setImmediate(resolve))
  const grown = heap() - before
  target('no memory that grows', grown < 200_000, `${figure(grown / 1000)} kB more after ${count} requests`)
}

async function overHttp({ quick }) {
  const app = await startApp('ours', { kind: 'memory', accounts: 1 })
  const agent = keptAlive()
  try {
    const { port } = app
    const cookies = new Map()
    const login = await send({
      port,
      agent,
      cookies,
      method: 'POST',
      path: '/login',
      body: { username: '1', password: 'x' },
    })
    const headers = { 'x-csrf-token': JSON.parse(login.text).csrfToken }
    const body = { code: codeOf(secretOf(1)) }
    await send({ port, agent, cookies, headers, method: 'POST', path: '/two-factor/challenge', body })
    const paths = ['/ungated', '/gated']
    const results = Object.fromEntries(paths.map((path) => [path, { rate: [], cpu: [] }]))
    const count = quick ? 300 : 1000
    for (let round = -1; round < (quick ? 4 : 15); round++) {
      for (const path of round % 2 ? paths : [...paths].reverse()) {
        const before = await app.ask('figures')
        const { perSecond } = await load(count, 10, async () => {
          const { status } = await send({ port, agent, cookies, path })
          if (status !== 200) throw new Error(`${path} answered ${status}`)
        })
        const after = await app.ask('figures')
        // The first round warms up.
        if (round < 0) continue
        results[path].rate.push(perSecond)
        results[path].cpu.push((after.cpu - before.cpu) / count)
      }
    }
    const [ungated, gated] = paths.map((path) => ({
      rate: spread(results[path].rate),
      cpu: spread(results[path].cpu),
    }))
    table(
      'A gated and an ungated route of the same app, over HTTP, 10 in flight',
      ['', 'requests a second, ratio', 'requests a second', 'CPU, us'],
      [
        ['ungated', '1.00x', median(ungated.rate), median(ungated.cpu)],
        ['gated', ratio(gated.rate.median, ungated.rate.median), median(gated.rate), median(gated.cpu)],
      ],
    )
    const apart = gated.cpu.median - ungated.cpu.median
    const noise = (ungated.cpu.high - ungated.cpu.low + gated.cpu.high - gated.cpu.low) / 2
    target(
      'the gate is within noise over HTTP',
      apart <= noise,
      `${figure(apart)} us of CPU apart, quartiles ${figure(noise)} us apart`,
    )
  } finally {
    agent.destroy()
    await app.stop()
  }
}
