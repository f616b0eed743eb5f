// npm run bench -- soak 1000000: the memory of one process over so many whole logins, and what its heap holds at the ends.

import { secretOf } from './support/accounts.mjs'
import { startApp } from './support/app-process.mjs'
import { codeAtStep } from './support/codes.mjs'
import { keptAlive, send } from './support/http-client.mjs'
import { load } from './support/load.mjs'
import { figure, table, target } from './support/report.mjs'

/** More than a process remembers, so that remembering comes to its limit. */
const ACCOUNTS = 20_000
const STEP = 30_000

export default async function soak({ quick, count }) {
  const logins = count || (quick ? 5_000 : 1_000_000)
  const accounts = Math.min(ACCOUNTS, Math.ceil(logins / 10))
  // The clock of the app is moved by the load, a step each time that every account has logged in.
  const app = await startApp('ours', {
    kind: 'memory',
    accounts,
    clock: Date.now(),
    execArgv: ['--expose-gc'],
  })
  const agent = keptAlive()
  const { port } = app
  const rows = []
  let first
  const look = async (done) => {
    const { heapUsed, rss } = await app.ask('heap')
    rows.push([done.toLocaleString('en'), (heapUsed / 1e6).toFixed(1), (rss / 1e6).toFixed(0)])
    console.error(rows.at(-1).join(' | '))
    return heapUsed
  }
  try {
    let moment = await app.ask('moveClock', STEP)
    const run = async (from, to) => {
      for (let begun = from; begun < to; begun += accounts) {
        await load(Math.min(accounts, to - begun), 10, (n) => login(port, agent, n + 1, moment))
        moment = await app.ask('moveClock', STEP)
      }
    }
    // Each account once or twice first: what is remembered of them is then there.
    await run(0, accounts * 2)
    const atFirst = await look(0)
    first = await app.ask('classes')
    const part = Math.ceil(logins / 10)
    let last = atFirst
    for (let done = 0; done < logins; done += part) {
      await run(done, Math.min(logins, done + part))
      last = await look(Math.min(logins, done + part))
    }
    table(
      'Memory of the process over whole logins (password, code, signing out), MB',
      ['logins', 'heap', 'resident'],
      rows,
    )
    const grown = last - atFirst
    target(
      'memory flat',
      grown < 3e6,
      `${figure(grown / 1e6)} MB more heap after ${logins.toLocaleString('en')} logins`,
    )
    const classes = await app.ask('classes')
    const more = Object.entries(classes)
      .map(([name, { count: now, size }]) => [
        name,
        now - (first[name]?.count ?? 0),
        size - (first[name]?.size ?? 0),
      ])
      .sort((a, b) => b[2] - a[2])
      .slice(0, 6)
    table(
      'What two heap snapshots differ by, most bytes first',
      ['', 'objects', 'kB'],
      more.map(([name, objects, size]) => [name, objects, (size / 1000).toFixed(1)]),
    )
  } finally {
    agent.destroy()
    await app.stop()
  }
}

async function login(port, agent, n, moment) {
  const cookies = new Map()
  const post = (path, body, headers) => send({ port, agent, cookies, method: 'POST', path, body, headers })
  const half = await post('/login', { username: `${n}`, password: 'x' })
  const headers = { 'x-csrf-token': JSON.parse(half.text).csrfToken }
  const code = codeAtStep(secretOf(n), Math.floor(moment / STEP))
  const whole = await post('/two-factor/challenge', { code }, headers)
  if (whole.status !== 200) throw new Error(`A login was refused: ${whole.status} ${whole.text}`)
  const out = await post('/logout', {})
  if (out.status !== 204) throw new Error(`Signing out: ${out.status}`)
}
