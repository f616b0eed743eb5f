// How long a page of the administrator's list takes: one million users against one thousand, by filter and by search,
// in SQLite and PostgreSQL.
//
//   npm run build && node bench/directory.mjs [users]
//
// A page is what a request costs: the users by SqlDirectory, and their records by one getMany() of SqlStore. The rows
// of the records are as long as real ones.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'libsql'
import pg from 'pg'
import { layoutOf } from '../dist/directory/sql/layout.js'
import { UsersTable } from '../dist/directory/sql/users-table.js'
import { SqlDirectory, SqlStore } from '../dist/index.js'
import { connect } from '../dist/stores/sql/connect.js'
import { dialectOf } from '../dist/stores/sql/dialects.js'

const MANY = Number(process.argv[2] ?? 1_000_000)
const FEW = 1000
const PAGE = 50
const ROUNDS = 200
const WARM_UP = 50
const STATUS = 'two_factor'
const GIVEN =
  'Ada Ben Cora Dan Eva Finn Gina Hugo Ines Jan Kira Leo Mara Nils Olga Paul Rosa Sven Tara Uwe Vera Wim Yara Zoe'
const FAMILY =
  'Abel Brandt Castro Dietz Ekholm Fuchs Greco Haas Ivanov Jansen Keller Lopez Maurer Novak Olsen Petit Quint Rossi ' +
  'Silva Thoma Urban Vogel Weber Yilmaz Zeman'
const given = GIVEN.split(' ')
const family = FAMILY.split(' ')

/** Users in an order that says nothing of their names. */
function userOf(i) {
  const first = given[(i * 7919) % given.length]
  const last = family[(i * 104_729) % family.length]
  return { name: `${last}, ${first} ${i}`, email: `${first}.${last}.${i}@example.com`.toLowerCase() }
}

const SEALED = 'x'.repeat(420)
const ROWS = 10_000

async function fill(db, table, count, isActivated) {
  await db.createUsers(table)
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  for (const some of inRows(ids)) {
    await db.insertUsers(
      table,
      some.map((id) => ({ id, ...userOf(id) })),
    )
  }
  // In the order of the table, which is quicker to fill.
  const activated = ids.filter(isActivated).map(String).sort()
  for (const some of inRows(activated)) await db.insertFactors(`${table}_factors`, some)
}

function* inRows(all) {
  for (let from = 0; from < all.length; from += ROWS) yield all.slice(from, from + ROWS)
}

/** What a request for a page costs. */
function pages(db, table) {
  const store = new SqlStore(db.database, { table: `${table}_factors` })
  const directory = new SqlDirectory(db.database, { table, statusColumn: STATUS, store })
  const page = async ({ status = null, search = null }, after = null) => {
    const { users, next } = await directory.list({ status, search, after, limit: PAGE })
    await store.getMany(users.map(({ id }) => id))
    return { rows: users.length, next }
  }
  return { page, directory }
}

/** The same page of all tables in turns, so that whatever else the machine does is no difference between them. */
async function measure(db, tables, query) {
  const all = tables.map((table) => ({ ...pages(db, table), after: null, times: [], rows: 0 }))
  for (const one of all) {
    for (let i = 0; query.deep && i < 5; i++) one.after = (await one.page(query, one.after)).next ?? one.after
  }
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const one of all) {
      const begun = performance.now()
      one.rows = (await one.page(query, one.after)).rows
      if (round >= 0) one.times.push(performance.now() - begun)
    }
  }
  return all.map(({ times, rows }) => ({ median: times.sort((a, b) => a - b)[ROUNDS / 2], rows }))
}

/** A thousand users, half of them activated; a million, of whom one in a thousand is not, or is. */
const TABLES = ['few', 'rare_off', 'rare_on']
const QUERIES = {
  all: {},
  activated: { status: 'activated' },
  'not activated': { status: 'not-activated' },
  'prefix m': { search: 'm' },
  'prefix, activated': { search: 'm', status: 'activated' },
  'prefix, not activated': { search: 'm', status: 'not-activated' },
  'prefix of an e-mail': { search: 'zoe.' },
  'prefix of nobody': { search: 'nobody' },
  'activated, sixth page': { status: 'activated', deep: true },
}

async function bench(db) {
  console.log(`\n${db.name}`)
  await fill(db, 'few', FEW, (id) => id % 2 === 0)
  await fill(db, 'rare_off', MANY, (id) => id % 1000 !== 0)
  await fill(db, 'rare_on', MANY, (id) => id % 1000 === 0)
  for (const table of TABLES) {
    const store = new SqlStore(db.database, { table: `${table}_factors` })
    const directory = new SqlDirectory(db.database, { table, statusColumn: STATUS, store })
    const begun = performance.now()
    await directory.migrate()
    const made = performance.now()
    const { changed } = await directory.sync()
    const count = table === 'few' ? FEW : MANY
    const seconds = (from, to) => ((to - from) / 1000).toFixed(1)
    console.log(
      `  ${table}: ${count} users, column and indexes in ${seconds(begun, made)} s, ` +
        `sync of ${changed} in ${seconds(made, performance.now())} s`,
    )
    await db.analyze(table)
  }
  const cell = (text, width) => String(text).padStart(width)
  console.log(
    `\n  median of ${ROUNDS} pages of ${PAGE}, milliseconds (rows found), and the ratio to ${FEW} users`,
  )
  console.log(
    `  ${''.padEnd(24)}${cell(`${FEW}`, 16)}${cell('1/1000 not act.', 26)}${cell('1/1000 activated', 26)}`,
  )
  for (const [what, query] of Object.entries(QUERIES)) {
    const [few, ...many] = await measure(db, TABLES, query)
    const line = many.map(({ median, rows }) =>
      cell(`${median.toFixed(2)} (${rows})  x${(median / few.median).toFixed(2)}`, 26),
    )
    console.log(`  ${what.padEnd(24)}${cell(`${few.median.toFixed(2)} (${few.rows})`, 16)}${line.join('')}`)
  }
  for (const table of TABLES) {
    const begun = performance.now()
    await pages(db, table).directory.totals()
    console.log(`  totals of ${table}, asked for once a minute: ${(performance.now() - begun).toFixed(0)} ms`)
  }
  console.log('\n  plans with one million users')
  await db.plans('rare_off')
}

async function sqlite() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const database = new Database(join(folder, 'bench.db'), { timeout: 5000 })
  database.exec('pragma journal_mode = wal')
  const insertAll = (statement, rows) => {
    const prepared = database.prepare(statement)
    database.exec('begin')
    for (const row of rows) prepared.run(row)
    database.exec('commit')
  }
  const db = {
    name: 'SQLite (libsql, a file)',
    database,
    async createUsers(table) {
      database.exec(`create table ${table} (id integer primary key, name text not null, email text not null)`)
      await new SqlStore(database, { table: `${table}_factors` }).migrate()
    },
    async insertUsers(table, users) {
      insertAll(
        `insert into ${table} values (?, ?, ?)`,
        users.map(({ id, name, email }) => [id, name, email]),
      )
    },
    async insertFactors(table, ids) {
      insertAll(
        `insert into ${table} values (?, 1, 1, ?)`,
        ids.map((id) => [id, SEALED]),
      )
    },
    async analyze() {
      database.exec('analyze')
    },
    async plans(table) {
      for (const { what, sql, parameters } of plansOf(database, table)) {
        const rows = database.prepare(`explain query plan ${sql}`).all(parameters)
        console.log(`    ${what}: ${rows.map(({ detail }) => detail).join('; ')}`)
      }
    },
  }
  try {
    await bench(db)
  } finally {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function postgres() {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const [bin] = versions.sort((a, b) => b - a).map((version) => `/usr/lib/postgresql/${version}/bin`)
  if (!bin) return console.log('\nPostgreSQL: not installed (apt-get install postgresql)')
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  const user = process.getuid() === 0 ? { uid: id('-u'), gid: id('-g') } : {}
  const folder = mkdtempSync(join(tmpdir(), 'bench-pg-'))
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
  execFileSync(join(bin, 'initdb'), initdb, { ...user, stdio: 'pipe', cwd: folder })
  const port = await freePort()
  const settings = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    'fsync=off',
    'max_wal_size=4GB',
  ]
  const args = ['-D', data, '-p', `${port}`, ...settings.flatMap((setting) => ['-c', setting])]
  const server = spawn(join(bin, 'postgres'), args, { ...user, stdio: 'ignore' })
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  for (let tries = 0; tries < 200; tries++) {
    const client = new pg.Client(url)
    client.on('error', () => {})
    if (
      await client.connect().then(
        () => client.end().then(() => true),
        () => false,
      )
    )
      break
    await delay(50)
  }
  const pool = new pg.Pool({ connectionString: url })
  pool.on('error', () => {})
  const db = {
    name: 'PostgreSQL (pg, 127.0.0.1)',
    database: pool,
    async createUsers(table) {
      await pool.query(
        `create table ${table} (id integer primary key, name text not null, email text not null)`,
      )
      await new SqlStore(pool, { table: `${table}_factors` }).migrate()
    },
    async insertUsers(table, users) {
      await pool.query(`insert into ${table} select * from unnest($1::int[], $2::text[], $3::text[])`, [
        users.map(({ id }) => id),
        users.map(({ name }) => name),
        users.map(({ email }) => email),
      ])
    },
    async insertFactors(table, ids) {
      await pool.query(`insert into ${table} select id, 1, 1, $2 from unnest($1::text[]) as id`, [
        ids,
        SEALED,
      ])
    },
    async analyze(table) {
      await pool.query(`vacuum analyze ${table}`)
    },
    async plans(table) {
      for (const { what, sql, parameters } of plansOf(pool, table)) {
        const { rows } = await pool.query(`explain (analyze, timing off, summary off) ${sql}`, [
          ...parameters,
        ])
        console.log(`    ${what}:`)
        for (const row of rows) console.log(`      ${row['QUERY PLAN']}`)
      }
    },
  }
  try {
    await bench(db)
  } finally {
    await pool.end()
    const ended = once(server, 'exit')
    server.kill('SIGQUIT')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The very statements that a page makes. */
function plansOf(database, table) {
  const { db } = connect(database)
  const users = new UsersTable(dialectOf(db), layoutOf({ table, statusColumn: STATUS }))
  const part = { column: 'name', prefix: null, unless: [] }
  const statements = {
    'not activated': users.query(part, 'not-activated', null, PAGE + 1),
    activated: users.query(part, 'activated', null, PAGE + 1),
    'prefix, not activated': users.query({ ...part, prefix: 'm' }, 'not-activated', null, PAGE + 1),
    'activated, after a cursor': users.query(part, 'activated', { key: 'maurer, m', id: '5' }, PAGE + 1),
    all: users.query(part, null, null, PAGE + 1),
  }
  return Object.entries(statements).map(([what, statement]) => ({ what, ...statement.compile(db) }))
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

await sqlite()
await postgres()
