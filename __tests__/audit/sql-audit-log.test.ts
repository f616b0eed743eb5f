import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditSql, type SecondFactorEvent, SqlAuditLog, SqlStore } from 'express-second-factor'
import { CamelCasePlugin, Kysely, SqliteDialect } from 'kysely'
import Database from 'libsql'
import mysql from 'mysql2'
import { Pool, type PoolConfig } from 'pg'
import type { SqlDialect } from '../../lib/stores/sql/migration'
import { startMariadb } from '../support/servers/mariadb'
import { startPostgres } from '../support/servers/postgres'
import type { DatabaseServer } from '../support/servers/server-process'
import { hostile, hostileEvent, samples } from './cases'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

let server: DatabaseServer
const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

const at = new Date(Date.UTC(2026, 4, 3))
const plain = (accountId: string): SecondFactorEvent => ({ name: 'disabled', accountId, at })
const accountsOf = (events: { accountId: string }[]) => events.map(({ accountId }) => accountId)

/** What holds on any database, as somebody who has a `run` at it sees it. */
function describeLog(
  dialect: SqlDialect,
  database: () => ConstructorParameters<typeof SqlAuditLog>[0],
  run: (statement: string) => Promise<unknown[]>,
) {
  let table: string
  let tables = 0
  beforeEach(() => {
    table = `events_${++tables}`
  })
  const makeLog = (options = {}) => new SqlAuditLog(database(), { table, ...options })

  test('every kind of event comes back as it was, the newest first', async () => {
    const log = makeLog()
    for (const event of samples) await log.write(event)
    const listed = await log.list()
    expect(listed.map(({ id, ...event }) => event)).toEqual([...samples].reverse())
    expect(listed.every(({ id }) => Number.isSafeInteger(id))).toBe(true)
    for (const event of listed) {
      expect(event.at).toBeInstanceOf(Date)
      if ('until' in event) expect(event.until).toBeInstanceOf(Date)
    }
  })

  test('what is asked for often has columns of its own', async () => {
    await makeLog().write(samples[3] as SecondFactorEvent)
    const [row] = (await run(`select * from ${table}`)) as Record<string, unknown>[]
    expect({ ...row, id: 0, at: Number(row?.at), account_id: String(row?.account_id) }).toEqual({
      id: 0,
      at: Date.UTC(2026, 4, 3, 12, 0, 15, 250),
      name: 'locked',
      account_id: 'u-alice',
      method: 'totp',
      ip: '192.0.2.7',
      request_id: 'req-1',
      details: '{"until":"2026-05-03T12:00:45.250Z"}',
    })
  })

  test('pages by the id of the last one, of all accounts or of one', async () => {
    const log = makeLog()
    for (const id of ['a', 'b', 'a', 'b', 'a']) await log.write(plain(id))
    const pages: string[] = []
    let before: number | undefined
    for (;;) {
      const page = await log.list({ limit: 2, ...(before !== undefined && { before }) })
      if (page.length === 0) break
      pages.push(accountsOf(page).join(''))
      before = page.at(-1)?.id as number
      // What is written meanwhile is newer than every page to come.
      await log.write(plain('c'))
    }
    expect(pages).toEqual(['ab', 'ab', 'a'])
    const [newest, ...older] = await log.list({ accountId: 'a' })
    expect(accountsOf([newest, ...older] as never)).toEqual(['a', 'a', 'a'])
    expect(await log.list({ accountId: 'a', before: newest?.id as number })).toEqual(older)
    expect(await log.list({ accountId: 'nobody' })).toEqual([])
  })

  test('accounts are compared byte by byte', async () => {
    const log = makeLog()
    const ids = ['alice', 'Alice', 'alice ', 'alicé', '名前', '😀'.repeat(127), '7']
    for (const id of ids) await log.write(plain(id))
    for (const id of ids) expect(accountsOf(await log.list({ accountId: id }))).toEqual([id])
    expect(accountsOf(await log.list({ accountId: 7 }))).toEqual(['7'])
  })

  test.each(hostile)('%s: kept harmlessly', async (_what, given, kept) => {
    const log = makeLog()
    await log.write(hostileEvent(given))
    expect(await log.list()).toEqual([expect.objectContaining({ ...kept, device: 'abc' })])
    const [row] = (await run(`select ip, request_id, details from ${table}`)) as Record<string, string>[]
    for (const value of Object.values(row ?? {})) expect(value ?? '').toMatch(/^[\x20-\x7e]*$/)
  })

  test('an account id that could meet another one is refused', async () => {
    const log = makeLog()
    for (const id of ['a\0b', '\ud83d']) {
      await expect(log.write(plain(id))).rejects.toThrow(TypeError)
      await expect(log.list({ accountId: id })).rejects.toThrow(TypeError)
    }
  })

  test('eight processes may create the table at once, beside the store’s', async () => {
    const logs = Array.from({ length: 8 }, () => makeLog())
    const stores = logs.map(() => new SqlStore(database(), { table: `${table}_factors` }))
    await Promise.all([...logs, ...stores].map((each) => each.migrate()))
    await Promise.all(logs.map((log, index) => log.write(plain(`u-${index}`))))
    expect(await logs[0]?.list()).toHaveLength(8)
  })

  test('the plain SQL makes the same table, and may be run again', async () => {
    const log = makeLog({ migrate: false })
    await expect(log.write(plain('a'))).rejects.toThrow()
    await expect(log.list()).rejects.toThrow()
    for (let time = 0; time < 2; time++)
      for (const statement of auditSql(dialect, table)) await run(statement)
    await log.write(plain('a'))
    await makeLog().write(plain('b'))
    expect(accountsOf(await log.list())).toEqual(['b', 'a'])
  })

  test('the list of an account, and what is older than a day, are walks of an index', async () => {
    const log = makeLog()
    await log.migrate()
    const row = (id: string, n: string) => `select ${n}, 'disabled', ${id} from`
    const filler = {
      sqlite: `with recursive seq(n) as (select 1 union all select n + 1 from seq where n < 20000) ${row("'u' || (n % 1000)", 'n')} seq`,
      postgres: `${row("'u' || (n % 1000)", 'n')} generate_series(1, 20000) n`,
      mysql: `${row("concat('u', seq % 1000)", 'seq')} seq_1_to_20000`,
    }[dialect]
    await run(`insert into ${table} (at, name, account_id) ${filler}`)
    await run(`analyze ${dialect === 'mysql' ? 'table' : ''} ${table}`)
    const explain = dialect === 'sqlite' ? 'explain query plan' : 'explain'
    const plan = async (query: string) => JSON.stringify(await run(`${explain} ${query}`))
    const ofAccount = await plan(
      `select * from ${table} where account_id = 'u5' and id < 15000 order by id desc limit 5`,
    )
    expect(ofAccount).toContain(`${table}_by_account`)
    expect(ofAccount).not.toMatch(/[Ss]ort|TEMP B-TREE/)
    expect(await plan(`select id from ${table} where at < 100`)).toContain(`${table}_by_at`)
  })

  test.each([0, -1, 1.5, 1001, Number.NaN, '5' as never])('no page of %p', async (limit) => {
    await expect(makeLog().list({ limit })).rejects.toThrow(RangeError)
  })

  test('a cursor that is none is refused, not the newest page', async () => {
    for (const before of [Number.NaN, null as never, '7' as never])
      await expect(makeLog().list({ before })).rejects.toThrow(RangeError)
  })
}

describe('SqlAuditLog on SQLite', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'audit-'))
    open.push(() => rmSync(folder, { recursive: true }))
  })
  const database = () => {
    const connection = new Database(join(folder, 'test.db'), { timeout: 5000 })
    open.unshift(() => connection.close())
    return connection
  }
  const run = async (statement: string) => {
    const prepared = database().prepare(statement)
    return prepared.reader ? prepared.all() : [prepared.run()]
  }
  describeLog('sqlite', database, run)

  test('a Kysely instance of the host, whatever its plugins', async () => {
    const kysely = new Kysely<Record<string, never>>({
      dialect: new SqliteDialect({ database: database() }),
      plugins: [new CamelCasePlugin()],
    })
    const log = new SqlAuditLog(kysely)
    await log.write(samples[0] as SecondFactorEvent)
    expect(await log.list()).toMatchObject([samples[0]])
  })

  test.each(['connection', 'Kysely instance'])('store and log on one %s', async (kind) => {
    const connection = database()
    const kysely = new Kysely<Record<string, never>>({ dialect: new SqliteDialect({ database: connection }) })
    const shared = kind === 'connection' ? connection : kysely
    const [log, store] = [new SqlAuditLog(shared), new SqlStore(shared)]
    const ids = Array.from({ length: 20 }, (_, index) => `u-${index}`)
    const record = { version: 1, activated: true, sealed: 'x' }
    await Promise.all(ids.flatMap((id) => [log.write(plain(id)), store.compareAndSet(id, 0, record)]))
    expect(accountsOf(await log.list()).sort()).toEqual([...ids].sort())
    expect(await store.list(null, 100)).toHaveLength(20)
  })

  test('what was erased for its age does not give its id away', async () => {
    const log = new SqlAuditLog(database())
    await log.write(plain('a'))
    const [first] = await log.list()
    await run('delete from second_factor_events')
    await log.write(plain('b'))
    expect((await log.list())[0]?.id).toBeGreaterThan(first?.id as number)
  })

  test('it waits while another process writes', async () => {
    // Without a timeout of its own: busy is an error at once.
    const mine = new Database(join(folder, 'test.db'))
    open.unshift(() => mine.close())
    const log = new SqlAuditLog(mine)
    await log.migrate()
    const other = database()
    other.exec('begin immediate')
    const exec = mine.exec.bind(mine)
    let refused = 0
    jest.spyOn(mine, 'exec').mockImplementation((statement) => {
      try {
        return exec(statement)
      } catch (error) {
        if (++refused === 3) other.exec('commit')
        throw error
      }
    })
    await log.write(plain('a'))
    expect(refused).toBe(3)
    expect(await log.list()).toHaveLength(1)
  })

  test.each(['', 'a b', 'x; drop table users', 'a.b.c'])('no table named %j', (table) => {
    expect(() => new SqlAuditLog(database(), { table })).toThrow(/SF_SQL_TABLE/)
    expect(() => auditSql('postgres', table)).toThrow(/SF_SQL_TABLE/)
  })

  test('no other thing for a database', () => {
    for (const thing of [null, {}, 'test.db'])
      expect(() => new SqlAuditLog(thing as never)).toThrow(/SF_SQL_DATABASE/)
  })

  test('nothing of it changes or erases a row', () => {
    const methods = Object.getOwnPropertyNames(SqlAuditLog.prototype)
    expect(methods.sort()).toEqual(['constructor', 'list', 'migrate', 'write'])
  })
})

describeWith(['postgres'], 'SqlAuditLog on PostgreSQL', () => {
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  function pool(options: PoolConfig = {}): Pool {
    const made = new Pool({ connectionString: server.url, ...options })
    made.on('error', () => {})
    open.push(() => made.end())
    return made
  }
  const run = async (statement: string) => (await pool().query(statement)).rows
  describeLog('postgres', pool, run)

  test('who may insert and select, and nothing else, can write and list', async () => {
    await new SqlAuditLog(pool()).migrate()
    await run('create role writer login')
    await run('grant insert, select on second_factor_events to writer')
    const restricted = pool({ connectionString: server.url.replace('postgres@', 'writer@') })
    const log = new SqlAuditLog(restricted)
    await log.write(plain('a'))
    expect(accountsOf(await log.list())).toEqual(['a'])
    for (const statement of ['delete from', 'truncate'])
      await expect(restricted.query(`${statement} second_factor_events`)).rejects.toThrow(/permission denied/)
    await expect(restricted.query("update second_factor_events set name = 'x'")).rejects.toThrow(
      /permission denied/,
    )
  })

  test('a schema of the table is kept to', async () => {
    await run('create schema auth')
    const log = new SqlAuditLog(pool(), { table: 'auth.events' })
    await log.write(plain('a'))
    await new SqlAuditLog(pool(), { table: 'auth.events' }).migrate()
    expect(await run('select account_id from auth.events')).toEqual([{ account_id: 'a' }])
  })

  test('details can be asked as jsonb, whatever a label holds', async () => {
    const log = new SqlAuditLog(pool(), { table: 'as_json' })
    for (const [, given] of hostile) await log.write(hostileEvent(given))
    const rows = await run("select details::jsonb ->> 'device' as device from as_json")
    expect(rows).toEqual(hostile.map(() => ({ device: 'abc' })))
  })

  test('a database of another encoding refuses nothing that a header brings', async () => {
    await run("create database latin encoding 'LATIN1' locale 'C' template template0")
    const log = new SqlAuditLog(pool({ connectionString: server.url.replace('/test', '/latin') }))
    for (const [, given] of hostile) await log.write(hostileEvent(given))
    expect(await log.list()).toHaveLength(hostile.length)
  })

  test('under serializable none of many writes at once is lost', async () => {
    const logs = Array.from(
      { length: 4 },
      () =>
        new SqlAuditLog(pool({ options: '-c default_transaction_isolation=serializable' }), {
          table: 'serial',
        }),
    )
    await Promise.all(logs.flatMap((log) => ['a', 'b', 'c', 'd', 'e'].map((id) => log.write(plain(id)))))
    expect(await logs[0]?.list()).toHaveLength(20)
  })
})

describeWith(['mariadb', 'mariadbInstall'], 'SqlAuditLog on MariaDB', () => {
  beforeAll(async () => {
    server = await startMariadb()
  })
  afterAll(() => server?.stop())

  function pool(options: mysql.PoolOptions = {}): mysql.Pool {
    const made = mysql.createPool({ uri: server.url, ...options })
    open.push(() => new Promise((resolve) => made.end(resolve)))
    return made
  }
  const run = async (statement: string) => (await pool().promise().query(statement))[0] as unknown[]
  describeLog('mysql', () => pool(), run)

  test.each([
    ['latin1', { charset: 'latin1' }],
    ['numbers as text', { supportBigNumbers: true, bigNumberStrings: true }],
    ['dates as text', { dateStrings: true }],
  ])('a pool set to %s makes no difference', async (name, options) => {
    const table = `set_${name.split(' ')[0]}`
    const log = new SqlAuditLog(pool(options), { table })
    const events = samples.map((event) => ({ ...event, accountId: '名前 é' }))
    for (const event of events) await log.write(event)
    await log.write(hostileEvent({ label: 'ブラウザ 😀' }))
    const read = new SqlAuditLog(pool(), { table })
    expect((await read.list({ accountId: '名前 é' })).map(({ id, ...event }) => event)).toEqual(
      events.reverse(),
    )
    expect((await read.list({ limit: 1 }))[0]).toMatchObject({ label: 'ブラウザ 😀' })
  })

  test('who may insert and select, and nothing else, can write and list', async () => {
    await new SqlAuditLog(pool()).migrate()
    const root = pool({ uri: `mysql://root@127.0.0.1:${server.port}/test` }).promise()
    await root.query("create user writer@'%' identified by 'writer'")
    await root.query("grant insert, select on test.second_factor_events to writer@'%'")
    const log = new SqlAuditLog(pool({ uri: server.url.replace('test:test', 'writer:writer') }))
    await log.write(plain('a'))
    expect(accountsOf(await log.list())).toEqual(['a'])
  })
})
