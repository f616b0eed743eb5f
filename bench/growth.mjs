// Does a login cost more where a million accounts are enrolled than where a thousand are?
import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { sql } from 'kysely'
import { secretOf } from './support/accounts.mjs'
import { enrolAccounts } from './support/enrol.mjs'
import { library } from './support/library.mjs'
import { spread } from './support/measure.mjs'
import { figure, median, ratio, table, target } from './support/report.mjs'
import { startPostgres } from './support/servers.mjs'
import { openDatabase } from './support/stores.mjs'

const { MemoryStore, SqlStore } = library('index')
const { AccountRecords } = library('account/records')
const { Accounts } = library('account/accounts')
const { Keyring } = library('crypto/keyring')
const { codeAt, stepAt } = library('authenticators/totp')

/** Accounts that log in, spread evenly among all; the others' rows are of the same size and do not open. */
const ACTIVE = 100
const keys = [randomBytes(32).toString('base64')]
const sealed = randomBytes(680).toString('base64url')

export default async function growth({ quick }) {
  const sizes = quick ? [1e3, 1e4, 1e5] : [1e3, 1e4, 1e5, 1e6]
  const logins = quick ? 100 : 400
  const postgres = await startPostgres()
  const results = {}
  const fillers = {
    memory: fillMemory,
    sqlite: fillSqlite,
    ...(postgres && { postgres: (size) => fillPostgres(size, postgres) }),
  }
  try {
    for (const [kind, fill] of Object.entries(fillers)) {
      const worlds = []
      for (const size of sizes) worlds.push({ size, ...(await fill(size)) })
      results[kind] = await compare(worlds, logins)
      for (const { close } of worlds) await close?.()
    }
  } finally {
    await postgres?.stop()
  }
  table(
    'A login (reading the account, then checking and spending a code) by the number of enrolled accounts, microseconds',
    ['', ...sizes.map((size) => size.toLocaleString('en')), 'last / first'],
    Object.entries(results).map(([kind, times]) => [
      kind,
      ...times.map(median),
      ratio(times.at(-1).median, times[0].median),
    ]),
  )
  for (const [kind, times] of Object.entries(results)) {
    const times10 = times.at(-1).median / times[0].median
    target(`${kind}: flat`, times10 < 1.5, `${figure(times10)}x from ${sizes[0]} to ${sizes.at(-1)} accounts`)
  }
}

/** One login in each world in turn, so that whatever else the machine does hits all alike. */
async function compare(worlds, logins) {
  let moment = Date.now()
  const now = () => moment
  const tills = []
  for (const { store, size } of worlds) {
    const every = size / ACTIVE
    for (let n = every; n <= size; n += every) await enrolAccounts(store, keys, n, n, now)
    const accounts = new Accounts(new AccountRecords(store, new Keyring(keys), now), now, 5)
    tills.push({ accounts, every, times: [] })
  }
  for (let n = -logins; n < logins; n++) {
    const turn = (n + logins) % ACTIVE
    // Each code works once: a step later all may log in again.
    if (turn === 0) moment += 30_000
    for (const { accounts, every, times } of tills) {
      const number = (turn + 1) * every
      const code = codeAt(secretOf(number), stepAt(moment))
      const start = performance.now()
      const { epoch } = await accounts.status(`${number}`)
      const { accepted } = await accounts.verify(`${number}`, epoch, { method: 'totp', code })
      if (!accepted) throw new Error('A login was refused')
      if (n >= 0) times.push((performance.now() - start) * 1000)
    }
  }
  return tills.map(({ times }) => spread(times))
}

async function fillMemory(size) {
  const store = new MemoryStore()
  const record = { version: 1, activated: true, sealed }
  for (let n = 1; n <= size; n++) if (n % (size / ACTIVE) !== 0) await store.compareAndSet(`${n}`, 0, record)
  return { store }
}

async function fillSqlite(size) {
  const db = openDatabase('sqlite')
  const store = new SqlStore(db)
  await store.migrate()
  await sql`with recursive series(n) as (select 1 union all select n + 1 from series where n < ${size})
    insert into second_factor_accounts (account_id, version, activated, sealed)
    select cast(n as text), 1, 1, ${sealed} from series where n % ${size / ACTIVE} <> 0`.execute(db)
  return { store, close: () => db.destroy() }
}

async function fillPostgres(size, postgres) {
  const db = openDatabase('postgres', await postgres.database())
  const store = new SqlStore(db)
  await store.migrate()
  await sql`insert into second_factor_accounts (account_id, version, activated, sealed)
    select n::text, 1, 1, ${sealed} from generate_series(1, ${size}::int) n where n % ${size / ACTIVE}::int <> 0`.execute(
    db,
  )
  await sql`analyze second_factor_accounts`.execute(db)
  return { store, close: () => db.destroy() }
}
