// The second step of a login over HTTP: from half a login to a whole one, on each kind of store.
import { secretOf } from './support/accounts.mjs'
import { startApp } from './support/app-process.mjs'
import { codeOf, numberNow } from './support/codes.mjs'
import { keptAlive, send } from './support/http-client.mjs'
import { load } from './support/load.mjs'
import { spread } from './support/measure.mjs'
import { figure, median, ratio, table, target } from './support/report.mjs'
import { startPostgres, startRedis } from './support/servers.mjs'

/** For each: half a login, which is not timed, and what sends the code, which is. */
const contenders = {
  ours: {
    app: 'ours',
    async begin(port, agent, n) {
      const cookies = new Map()
      const answer = await send({
        port,
        agent,
        cookies,
        method: 'POST',
        path: '/login',
        body: { username: `${n}`, password: 'x' },
      })
      expect(answer, answer.status === 403)
      return { cookies, token: JSON.parse(answer.text).csrfToken }
    },
    async finish(port, agent, { cookies, token }, code) {
      const headers = { 'x-csrf-token': token }
      const answer = await send({
        port,
        agent,
        cookies,
        headers,
        method: 'POST',
        path: '/two-factor/challenge',
        body: { code },
      })
      expect(answer, answer.status === 200)
    },
  },
  'passport-totp': {
    app: 'passport-totp',
    async begin(port, agent, n) {
      const cookies = new Map()
      const answer = await send({
        port,
        agent,
        cookies,
        method: 'POST',
        path: '/login',
        body: { username: `${n}`, password: 'x' },
      })
      expect(answer, answer.status === 302)
      return { cookies }
    },
    async finish(port, agent, { cookies }, code, secret) {
      const answer = await send({ port, agent, cookies, method: 'POST', path: '/login-otp', body: { code } })
      // notp refuses right codes of numbers below 100,000: one in 21,000.
      expect(answer, answer.headers.location === '/' || numberNow(secret) < 100_000)
    },
  },
  'Better Auth': {
    app: 'better-auth',
    async begin(port, agent, n) {
      const cookies = new Map()
      const answer = await send({
        port,
        agent,
        cookies,
        headers: fromPage,
        method: 'POST',
        path: '/api/auth/sign-in/email',
        body: { email: `${n}@example.com`, password: 'password' },
      })
      expect(answer, answer.status === 200 && JSON.parse(answer.text).twoFactorRedirect === true)
      return { cookies }
    },
    async finish(port, agent, { cookies }, code) {
      const answer = await send({
        port,
        agent,
        cookies,
        headers: fromPage,
        method: 'POST',
        path: '/api/auth/two-factor/verify-totp',
        body: { code },
      })
      expect(answer, answer.status === 200 && Boolean(JSON.parse(answer.text).token))
    },
  },
}
const fromPage = { origin: 'http://bench.test' }

function expect({ status, text, headers }, met) {
  if (!met) throw new Error(`The answer was ${status} ${headers.location ?? ''}: ${text.slice(0, 300)}`)
}

const kinds = [
  { kind: 'memory', among: ['ours', 'passport-totp'] },
  { kind: 'redis', among: ['ours', 'passport-totp'] },
  { kind: 'sqlite', among: ['ours', 'Better Auth'] },
  { kind: 'postgres', among: ['ours', 'Better Auth'] },
]

export default async function login({ quick, only }) {
  const rounds = quick ? 2 : 5
  const redis = await startRedis()
  const postgres = await startPostgres()
  const results = {}
  try {
    for (const { kind, among } of kinds) {
      if ((kind === 'redis' && !redis) || (kind === 'postgres' && !postgres) || (only && only !== kind))
        continue
      const { levels, warmUp } = amounts(quick, among.includes('Better Auth'))
      results[kind] = await compare(kind, among, rounds, levels, warmUp, { redis, postgres })
      show(kind, results[kind])
    }
  } finally {
    await redis?.stop()
    await postgres?.stop()
  }
  judge(results)
}

/** Logins of a round at so many in flight, and of the warm-up: until the compiler has seen all of both. */
function amounts(quick, slow) {
  if (quick) return { levels: { 1: 30, 10: 100, 100: 100 }, warmUp: 300 }
  return slow
    ? { levels: { 1: 100, 10: 400, 100: 400 }, warmUp: 1000 }
    : { levels: { 1: 200, 10: 1000, 100: 1000 }, warmUp: 3000 }
}

async function compare(kind, among, rounds, levels, warmUp, { redis, postgres }) {
  const perRound = Object.values(levels).reduce((sum, count) => sum + count, 0)
  const accounts = warmUp + rounds * perRound
  const runs = []
  for (const name of among) {
    const url = kind === 'redis' ? redis.url : kind === 'postgres' ? await postgres.database() : undefined
    const app = await startApp(contenders[name].app, { kind, url, accounts })
    runs.push({
      name,
      ...contenders[name],
      server: app,
      agent: keptAlive(),
      next: 1,
      levels: Object.fromEntries(Object.keys(levels).map((inFlight) => [inFlight, []])),
      cpu: [],
      counts: {},
    })
  }
  try {
    for (const run of runs) await logIn(run, warmUp, 10)
    for (let round = 0; round < rounds; round++) {
      for (const [inFlight, count] of Object.entries(levels)) {
        for (const run of round % 2 ? [...runs].reverse() : runs) {
          const measured = await logIn(run, count, Number(inFlight))
          run.levels[inFlight].push(measured)
          run.cpu.push(measured.cpu)
          run.counts = measured.counts
        }
      }
    }
  } finally {
    for (const run of runs) {
      run.agent.destroy()
      await run.server.stop()
    }
  }
  return Object.fromEntries(runs.map((run) => [run.name, run]))
}

/** Half logins first, one account each; then their codes, with the clock on. */
async function logIn(run, count, inFlight) {
  const { server, agent } = run
  const first = run.next
  run.next += count
  const begun = []
  await load(count, 10, async (n) => {
    begun[n] = await run.begin(server.port, agent, first + n)
  })
  // BENCH_PROFILE=folder npm run bench -- login: where the CPU of the second step goes, a file for each app.
  const profiled = process.env.BENCH_PROFILE && inFlight === 10
  if (profiled) await server.ask('profile')
  const before = await server.ask('figures')
  const result = await load(count, inFlight, (n) =>
    run.finish(server.port, agent, begun[n], codeOf(secretOf(first + n)), secretOf(first + n)),
  )
  const after = await server.ask('figures')
  if (profiled) await server.ask('profileTo', `${process.env.BENCH_PROFILE}/${run.app}.cpuprofile`)
  const counts = {}
  for (const [name, value] of Object.entries(after.counts)) {
    const each = (value - (before.counts[name] ?? 0)) / count
    if (each > 0) counts[name] = each
  }
  return { ...result, cpu: (after.cpu - before.cpu) / count / 1000, counts }
}

function summary({ levels, cpu }) {
  return {
    perSecond: Object.fromEntries(
      Object.entries(levels).map(([n, all]) => [n, spread(all.map((one) => one.perSecond))]),
    ),
    latency: Object.fromEntries(
      Object.entries(levels).map(([n, all]) => [n, spread(all.map((one) => one.latency.median)).median]),
    ),
    p99: spread(levels[100].map((one) => one.latency.p99)).median,
    cpu: spread(cpu),
  }
}

function show(kind, runs) {
  const first = summary(Object.values(runs)[1])
  table(
    `The second step of a login, ${kind}`,
    [
      '',
      'requests a second, ratio',
      'at 10 in flight',
      'at 100',
      'CPU, ms',
      'latency at 1, ms',
      'at 10',
      'at 100',
      'slowest of 100, at 100',
    ],
    Object.entries(runs).map(([name, run]) => {
      const { perSecond, latency, p99, cpu } = summary(run)
      return [
        name,
        ratio(perSecond[10].median, first.perSecond[10].median),
        median(perSecond[10]),
        median(perSecond[100]),
        median(cpu),
        ...[1, 10, 100].map((n) => figure(latency[n])),
        figure(p99),
      ]
    }),
  )
  for (const [name, { counts }] of Object.entries(runs)) {
    const trips = Object.entries(counts).map(([what, each]) => `${what} ${figure(each).replace('.00', '')}`)
    console.log(`\n${name}: ${trips.join(', ')} a login`)
  }
}

function judge(results) {
  const rate = (kind, name, level = 10) => summary(results[kind][name]).perSecond[level].median
  for (const [kind, least, rival] of [
    ['sqlite', 5, 'Better Auth'],
    ['memory', 1, 'passport-totp'],
    ['redis', 1, 'passport-totp'],
  ]) {
    if (!results[kind]) continue
    const times = rate(kind, 'ours') / rate(kind, rival)
    const cpus = summary(results[kind][rival]).cpu.median / summary(results[kind].ours).cpu.median
    target(
      `${kind}: at least ${least}x ${rival}`,
      times >= least * 0.95,
      `${figure(times)}x the requests a second; ${figure(cpus)}x by CPU`,
    )
  }
  for (const [kind, runs] of Object.entries(results)) {
    const sum = ({ counts }, what) =>
      Object.entries(counts).reduce((all, [name, each]) => all + (name.startsWith(what) ? each : 0), 0)
    target(
      `${kind}: two trips to the factor store`,
      Math.round(sum(runs.ours, 'factors') * 100) === 200,
      figure(sum(runs.ours, 'factors')),
    )
    const rival = runs['passport-totp']
    if (rival) {
      const [ours, theirs] = [sum(runs.ours, 'sessions'), sum(rival, 'sessions')]
      target(
        `${kind}: no more operations on the session store than passport-totp`,
        ours <= theirs,
        `${figure(ours)} against ${figure(theirs)}`,
      )
    }
  }
}
