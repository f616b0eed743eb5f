// The places where the apps keep things, the same for all of them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RedisStore as RedisSessions } from 'connect-redis'
import session from 'express-session'
import { Redis } from 'ioredis'
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely'
import Database from 'libsql'
import pg from 'pg'
import { library } from './library.mjs'

const { MemoryStore, RedisStore, SqlStore } = library('index')

/** A database: the PostgreSQL one at `url`, or the SQLite file at `url`, or a new one that is gone with this process. */
export function openDatabase(kind, url) {
  return connect(kind, url).db
}

function connect(kind, url) {
  if (kind === 'postgres') {
    const pool = new pg.Pool({ connectionString: url, max: 10 })
    return { pool, db: new Kysely({ dialect: new PostgresDialect({ pool }) }) }
  }
  const database = new Database(url ?? passingFile(), { timeout: 5000 })
  database.exec('pragma journal_mode = wal; pragma synchronous = full')
  return { database, db: new Kysely({ dialect: new SqliteDialect({ database }) }) }
}

function passingFile() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-sqlite-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'bench.db')
}

/** Sessions in a table, as the session stores for SQL do it: the driver's own statements, one for each operation. */
class SqlSessions extends session.Store {
  /** @param run (text, values) -> rows, where $1 stands for the first value */
  constructor(run) {
    super()
    this.run = run
  }

  async create() {
    await this.run('create table sessions (sid varchar(64) primary key, data text, expires bigint)', [])
    return this
  }

  get(sid, done) {
    const query = this.run('select data from sessions where sid = $1 and expires > $2', [sid, Date.now()])
    query.then(([row]) => done(null, row ? JSON.parse(row.data) : null), done)
  }

  set(sid, data, done) {
    const text = `insert into sessions (sid, data, expires) values ($1, $2, $3)
      on conflict (sid) do update set data = excluded.data, expires = excluded.expires`
    this.run(text, [sid, JSON.stringify(data), Date.now() + DAY]).then(() => done?.(), done)
  }

  touch(sid, _data, done) {
    this.run('update sessions set expires = $2 where sid = $1', [sid, Date.now() + DAY]).then(
      () => done?.(),
      done,
    )
  }

  destroy(sid, done) {
    this.run('delete from sessions where sid = $1', [sid]).then(() => done?.(), done)
  }
}

const DAY = 86_400_000

/** On SQLite statements are prepared once, which few session stores do: the best that a host could have. */
function runner({ database, pool }) {
  if (pool) return async (text, values) => (await pool.query(text, values)).rows
  const prepared = new Map()
  return async (text, values) => {
    if (!prepared.has(text)) {
      const order = [...text.matchAll(/\$(\d)/g)].map(([, n]) => n - 1)
      prepared.set(text, { order, statement: database.prepare(text.replace(/\$\d/g, '?')) })
    }
    const { order, statement } = prepared.get(text)
    const given = order.map((n) => values[n])
    if (text.startsWith('select')) return statement.all(given)
    statement.run(given)
    return []
  }
}

/** Where second factors and sessions are: both in the same place. */
export async function openStores({ kind, url }) {
  if (kind === 'memory') return { factors: new MemoryStore(), sessions: new session.MemoryStore() }
  if (kind === 'redis') {
    const client = new Redis(url)
    return { factors: new RedisStore(client), sessions: new RedisSessions({ client }) }
  }
  const connection = connect(kind, url)
  // README: the driver's connection or pool, as most apps have it.
  const factors = new SqlStore(connection.pool ?? connection.database)
  return { factors, sessions: await new SqlSessions(runner(connection)).create() }
}
