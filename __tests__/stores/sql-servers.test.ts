import { Kysely, MysqlDialect, PostgresDialect } from 'kysely'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import { Pool, type PoolConfig } from 'pg'
import { SqlStore } from '../../lib/stores/sql'
import { migrationSql, type SqlDialect } from '../../lib/stores/sql/migration'
import { startMariadb } from '../support/servers/mariadb'
import { startPostgres } from '../support/servers/postgres'
import type { DatabaseServer } from '../support/servers/server-process'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

const one = { version: 1, activated: true, sealed: 'x' }
const two = { version: 2, activated: false, sealed: 'y' }

let server: DatabaseServer
const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

function pgPool(options: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString: server.url, ...options })
  pool.on('error', () => {})
  open.push(() => pool.end())
  return pool
}

function mysqlPool(options: mysql.PoolOptions = {}) {
  const pool = mysql.createPool({ uri: server.url, ...options })
  open.push(() => new Promise((resolve) => pool.end(resolve)))
  return pool
}

/** What holds on any server, as somebody who has a `run` at it sees it. */
function describeServer(
  dialect: SqlDialect,
  pool: () => Pool | mysql.Pool,
  run: (sql: string) => Promise<unknown[]>,
) {
  let table: string
  let tables = 0
  beforeEach(() => {
    table = `factors_${++tables}`
  })
  const store = (options = {}) => new SqlStore(pool() as Pool, { table, ...options })

  test('eight connections create the table at once', async () => {
    const stores = Array.from({ length: 8 }, () => store())
    await Promise.all(stores.map((each) => each.migrate()))
    await Promise.all(stores.map((each) => each.migrate()))
    expect(await stores[0]?.get('alice')).toBeNull()
  })

  test('the plain SQL makes the same table, and may be run again', async () => {
    for (let time = 0; time < 2; time++)
      for (const statement of migrationSql(dialect, table)) await run(statement)
    const mine = store({ migrate: false })
    expect(await mine.compareAndSet('alice', 0, one)).toBe(true)
    expect(await mine.get('alice')).toEqual(one)
    await store().migrate()
  })

  test('without a table, and told to make none, everything rejects', async () => {
    const mine = store({ migrate: false })
    await expect(mine.get('alice')).rejects.toThrow()
    await expect(mine.compareAndSet('alice', 0, one)).rejects.toThrow()
    await expect(mine.list(null, 1)).rejects.toThrow()
  })

  test('a filter by `activated` in the order of the ids is one walk of an index', async () => {
    const mine = store()
    await mine.compareAndSet('alice', 0, one)
    const filler =
      dialect === 'postgres'
        ? `select 'u' || n, 1, 1, 'x' from generate_series(1, 20000) n`
        : `select concat('u', seq), 1, 1, 'x' from seq_1_to_20000`
    await run(`insert into ${table} ${filler}`)
    await run(`analyze ${dialect === 'postgres' ? '' : 'table'} ${table}`)
    const query = `explain select account_id from ${table} where activated = 0 and account_id > 'u5' order by account_id limit 20`
    const plan = JSON.stringify(await run(query))
    expect(plan).toContain(`${table}_by_activated`)
    expect(plan).not.toMatch(/[Ss]ort/)
  })

  test('a damaged row rejects', async () => {
    const mine = store()
    await mine.migrate()
    await run(`insert into ${table} values ('alice', 0, 1, 'x'), ('bob', 1, 2, 'x')`)
    for (const id of ['alice', 'bob']) await expect(mine.get(id)).rejects.toThrow(/damaged/)
    expect((await mine.list(null, 10)).map(({ accountId, record }) => [accountId, record.sealed])).toEqual([
      ['alice', ''],
      ['bob', ''],
    ])
  })

  test('a store on Kysely of the host, whatever its plugins', async () => {
    const made =
      dialect === 'postgres'
        ? new PostgresDialect({ pool: pool() as Pool })
        : new MysqlDialect({ pool: pool() as mysql.Pool })
    const mine = new SqlStore(new Kysely<Record<string, never>>({ dialect: made }), { table })
    expect(await mine.compareAndSet('alice', 0, one)).toBe(true)
    expect(await mine.compareAndSet('alice', 0, one)).toBe(false)
    expect(await mine.compareAndSet('alice', 1, two)).toBe(true)
    expect(await mine.get('alice')).toEqual(two)
  })

  test('its clock is told, and what is well set up is not warned of', async () => {
    const mine = store()
    await mine.migrate()
    const before = Date.now()
    const { clock, warnings } = await mine.inspect()
    expect(clock).toBeGreaterThan(before - 2000)
    expect(clock).toBeLessThan(Date.now() + 2000)
    expect(warnings).toEqual([])
  })

  test('a row that another transaction has locked is waited for', async () => {
    const mine = store()
    await mine.compareAndSet('alice', 0, one)
    const held = await holdRow(`update ${table} set version = 7 where account_id = 'alice'`)
    const write = mine.compareAndSet('alice', 1, two)
    await held.commit()
    expect(await write).toBe(false)
    expect((await mine.get('alice'))?.version).toBe(7)
  })

  /** A transaction that has written and not yet ended. */
  async function holdRow(statement: string): Promise<{ commit(): Promise<void> }> {
    if (dialect === 'postgres') {
      const client = await (pool() as Pool).connect()
      await client.query('begin')
      await client.query(statement)
      return {
        async commit() {
          await client.query('commit')
          client.release()
        },
      }
    }
    const connection = await (pool() as mysql.Pool).promise().getConnection()
    await connection.beginTransaction()
    await connection.query(statement)
    return {
      async commit() {
        await connection.commit()
        connection.release()
      },
    }
  }
}

describeWith(['postgres'], 'SqlStore on PostgreSQL', () => {
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  const run = async (statement: string) => (await pgPool().query(statement)).rows
  describeServer('postgres', () => pgPool(), run)

  test('a role that may create nothing can use a table that is there', async () => {
    await new SqlStore(pgPool()).migrate()
    await run('create role app login')
    await run('grant select, insert, update, delete on second_factor_accounts to app')
    const store = new SqlStore(
      pgPool({ user: 'app', connectionString: server.url.replace('postgres@', 'app@') }),
    )
    expect(await store.compareAndSet('role', 0, one)).toBe(true)
    const other = new SqlStore(pgPool({ connectionString: server.url.replace('postgres@', 'app@') }), {
      table: 'other',
    })
    await expect(other.get('alice')).rejects.toThrow(/permission denied/)
  })

  test.each(['serializable', 'repeatable read'])(
    'under %s a lost race is false, not an error',
    async (isolation) => {
      const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`
      const stores = Array.from({ length: 4 }, () => new SqlStore(pgPool({ options })))
      await stores[0]?.migrate()
      for (let version = 0; version < 20; version++) {
        const next = { ...one, version: version + 1 }
        const answers = await Promise.all(
          stores.map((store) => store.compareAndSet(isolation, version, next)),
        )
        expect(answers.filter(Boolean).length).toBeLessThanOrEqual(1)
        if (!answers.includes(true)) version--
      }
      expect((await stores[0]?.get(isolation))?.version).toBe(20)
    },
  )

  test('a schema of the table is kept to', async () => {
    await run('create schema auth')
    const store = new SqlStore(pgPool(), { table: 'auth.factors' })
    expect(await store.compareAndSet('alice', 0, one)).toBe(true)
    expect(await run('select account_id from auth.factors')).toEqual([{ account_id: 'alice' }])
    await new SqlStore(pgPool(), { table: 'auth.factors' }).migrate()
  })

  test('connections that the server ends, in use or idle, cost their queries and nothing else', async () => {
    // As in the README: nobody listens to this pool.
    const pool = new Pool({ connectionString: server.url })
    open.push(() => pool.end())
    const store = new SqlStore(pool)
    await store.migrate()
    const admin = pgPool({ max: 1 })
    const end =
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null'
    let rejected = 0
    let running = true
    const readers = Array.from({ length: 8 }, async () => {
      while (running) await store.get('alice').catch(() => rejected++)
    })
    for (let time = 0; time < 60; time++) await admin.query(end)
    running = false
    await Promise.all(readers)
    expect(rejected).toBeGreaterThan(0)
    expect(await store.get('alice')).toBeNull()
  })

  test('a migration that a writer keeps waiting says so, and is done once the writer is', async () => {
    const [create = ''] = migrationSql('postgres', 'waiting')
    await run(create)
    const writer = await pgPool().connect()
    await writer.query("begin; insert into waiting values ('alice', 1, 1, 'x')")
    const store = new SqlStore(pgPool({ options: '-c lock_timeout=100' }), { table: 'waiting' })
    // Not 25P02: that the transaction is over says nothing of why.
    await expect(store.migrate()).rejects.toMatchObject({ code: '55P03' })
    const migrated = store.migrate()
    await new Promise((resolve) => setTimeout(resolve, 300))
    await writer.query('commit')
    writer.release()
    await migrated
    expect(await run("select to_regclass('waiting_by_activated') is not null as there")).toEqual([
      { there: true },
    ])
  })

  test('what would lose writes is warned of', async () => {
    const careless = new SqlStore(pgPool({ options: '-c synchronous_commit=off' }), { table: 'careless' })
    await careless.migrate()
    await run('alter table careless set unlogged')
    expect((await careless.inspect()).warnings).toEqual([
      expect.stringMatching(/synchronous_commit = off/),
      expect.stringMatching(/unlogged/),
    ])
  })
})

describeWith(['mariadb', 'mariadbInstall'], 'SqlStore on MariaDB', () => {
  beforeAll(async () => {
    server = await startMariadb()
  })
  afterAll(() => server.stop())

  const run = async (statement: string) => {
    const [rows] = await mysqlPool().promise().query(statement)
    return rows as unknown[]
  }
  describeServer('mysql', () => mysqlPool(), run)

  test('a pool of mysql2/promise will do', async () => {
    const pool = mysqlPromise.createPool(server.url)
    open.push(() => pool.end())
    const store = new SqlStore(pool)
    expect(await store.compareAndSet('promise', 0, one)).toBe(true)
    expect(await store.get('promise')).toEqual(one)
  })

  test.each([
    ['latin1', { charset: 'latin1' }],
    ['numbers as text', { supportBigNumbers: true, bigNumberStrings: true }],
    ['affected means changed', { flags: ['-FOUND_ROWS'] }],
  ])('a pool set to %s makes no difference', async (name, options) => {
    const store = new SqlStore(mysqlPool(options))
    const id = `${name} 名前 é`
    expect(await store.compareAndSet(id, 0, one)).toBe(true)
    expect(await store.compareAndSet(id, 1, two)).toBe(true)
    expect(await new SqlStore(mysqlPool()).get(id)).toEqual(two)
  })

  test('the engine is asked of the table in its own schema', async () => {
    const root = mysqlPromise.createPool(server.url.replace('test:test@', 'root@'))
    open.push(() => root.end())
    await root.query('create database auth')
    await root.query("grant all on auth.* to test@'%'")
    const [good, bad] = ['test.schemas', 'auth.schemas'].map((table) => new SqlStore(mysqlPool(), { table }))
    await good?.migrate()
    await bad?.migrate()
    await run('alter table auth.schemas engine = Aria')
    expect((await bad?.inspect())?.warnings).toEqual([
      expect.stringMatching(/auth.schemas is of engine Aria/),
    ])
    expect((await good?.inspect())?.warnings).toEqual([])
    expect((await new SqlStore(mysqlPool(), { table: 'schemas' }).inspect()).warnings).toEqual([])
  })

  test('what would lose writes is warned of', async () => {
    const pool = mysqlPool({ connectionLimit: 1 })
    await pool.promise().query('set session autocommit = 0')
    const store = new SqlStore(pool, { table: 'careless' })
    await store.migrate()
    await pool.promise().query('alter table careless engine = Aria')
    expect((await store.inspect()).warnings).toEqual([
      expect.stringMatching(/autocommit off/),
      expect.stringMatching(/engine Aria/),
    ])
  })
})
