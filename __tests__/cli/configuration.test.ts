import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryStore } from '../../lib/stores/memory'
import { appWith, enrolled, folder, NEW, OLD, program, put, run, sqliteApp } from './support'

const SECRET = 'geheim%2Fwort'

describe('the environment', () => {
  test('SECOND_FACTOR_STORE_URL goes before DATABASE_URL', async () => {
    const { cwd, env, store } = await sqliteApp()
    await put(store, OLD, 'a', enrolled())
    const { SECOND_FACTOR_KEY, SECOND_FACTOR_STORE_URL } = env
    const other = { SECOND_FACTOR_KEY, SECOND_FACTOR_STORE_URL, DATABASE_URL: 'sqlite:other.db' }
    expect((await run(['status', 'a'], { cwd, env: other })).stdout).toContain(': on since')
    const only = { SECOND_FACTOR_KEY, DATABASE_URL: 'sqlite:app.db' }
    expect((await run(['status', 'a'], { cwd, env: only })).stdout).toContain(': on since')
  })

  test.each<[NodeJS.ProcessEnv, RegExp]>([
    [{}, /No keys: set SECOND_FACTOR_KEY/],
    [{ SECOND_FACTOR_KEY: OLD }, /No store: set SECOND_FACTOR_STORE_URL/],
    [{ SECOND_FACTOR_KEY: 'geheim', DATABASE_URL: 'sqlite:app.db' }, /keys in SECOND_FACTOR_KEY .*32 random/],
    [{ SECOND_FACTOR_KEY: `,${OLD}`, DATABASE_URL: 'sqlite:app.db' }, /keys in SECOND_FACTOR_KEY/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: 'app.db' }, /DATABASE_URL is no URL/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: `mongodb://u:${SECRET}@h/d` }, /a URL of mongodb:/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: `postgres://u:${SECRET}@h:x/d` }, /DATABASE_URL is no URL as/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: `postgres://u:${SECRET}@h/d` }, /package pg.*npm install pg/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: `mysql://u:${SECRET}@h/d` }, /npm install mysql2/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: `redis://u:${SECRET}@h` }, /ioredis or redis.*npm install/],
    [{ SECOND_FACTOR_KEY: OLD, DATABASE_URL: 'sqlite::memory:' }, /names no file/],
  ])('%j', async (env, message) => {
    const { cwd } = await sqliteApp()
    const { code, stdout, stderr } = await run(['status', 'a'], { cwd, env })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/geheim|\n {4}at /)
    expect(stderr).not.toContain(OLD)
  })

  test.each(['sqlite:missing.db', 'sqlite:.', 'file:no/such/folder.db'])(
    'makes no database of %s',
    async (url) => {
      const cwd = folder()
      const before = readdirSync(cwd)
      const env = { SECOND_FACTOR_KEY: OLD, SECOND_FACTOR_STORE_URL: url }
      const { code, stderr } = await run(['doctor'], { cwd, env })
      expect(code).toBe(1)
      expect(stderr).toContain('There is no database file')
      expect(readdirSync(cwd)).toEqual(before)
    },
  )

  test.each([
    'sqlite:app.db',
    'sqlite:./app.db',
    'sqlite:FOLDER/app.db',
    'sqlite://FOLDER/app.db',
    'file:app.db',
  ])('opens %s', async (url) => {
    const { cwd, env } = await sqliteApp()
    const own = { ...env, SECOND_FACTOR_STORE_URL: url.replace('FOLDER', cwd) }
    expect((await run(['status', 'a'], { cwd, env: own })).stderr).toMatch(/^a has no record/)
  })

  test('a database without the table, and a file that is none, are told plainly; nothing is created', async () => {
    const { cwd, env } = await sqliteApp()
    const Database = require('libsql')
    const database = new Database(join(cwd, 'empty.db'))
    database.exec('create table other (id text)')
    const empty = { ...env, SECOND_FACTOR_STORE_URL: 'sqlite:empty.db' }
    for (const command of [['doctor'], ['status', 'a'], ['rotate'], ['reset', 'a', '--yes']]) {
      const { code, stdout, stderr } = await run(command, { cwd, env: empty })
      expect([command, code]).toEqual([command, 1])
      expect(stdout + stderr).toContain('table is not there')
      expect(stdout + stderr).toContain('npx express-second-factor sql postgres | psql')
      expect(stdout + stderr).toContain('await store.migrate()')
    }
    expect(database.prepare('select name from sqlite_master').all()).toEqual([{ name: 'other' }])
    writeFileSync(join(cwd, 'text.db'), 'no database '.repeat(100))
    const text = await run(['status', 'a'], {
      cwd,
      env: { ...env, DATABASE_URL: '', SECOND_FACTOR_STORE_URL: 'sqlite:text.db' },
    })
    expect(text.code).toBe(1)
    expect(text.stderr).toContain('There is no such database there')
  })
})

describe('a config file', () => {
  const inline = `{ keys: ['${NEW}', '${OLD}'], store: 'sqlite:app.db' }`
  const files: [name: string, text: string][] = [
    ['second-factor.config.cjs', `module.exports = ${inline}`],
    ['second-factor.config.js', `module.exports = async () => (${inline})`],
    ['second-factor.config.mjs', `await 0; export default ${inline}`],
    ['second-factor.config.mjs', `export default async () => (${inline})`],
    ['second-factor.config.cjs', `exports.__esModule = true; exports.default = () => (${inline})`],
    ['second-factor.config.json', '{ "store": "sqlite:app.db", "keysFrom": "MY_KEYS" }'],
    ['second-factor.config.json', '{ "storeFrom": "MY_URL", "keysFrom": "MY_KEYS", "storeTimeout": "3s" }'],
  ]

  test.each(files)('%s: %s', async (file, text) => {
    const { cwd, store } = await sqliteApp()
    await put(store, OLD, 'a', enrolled())
    writeFileSync(join(cwd, file), text)
    // The environment is not looked at where there is a config file.
    const env = {
      MY_KEYS: `${NEW},${OLD}`,
      MY_URL: 'sqlite:app.db',
      SECOND_FACTOR_KEY: 'x',
      DATABASE_URL: 'y',
    }
    const { code, stdout, stderr } = await program(['status', 'a'], { cwd, env })
    expect([stderr, code]).toEqual(['', 0])
    expect(stdout).toContain(': on since')
  })

  test('as an ES module, where the app is one, with a store of its own', async () => {
    const { cwd, store } = await sqliteApp()
    await put(store, OLD, 'a', enrolled())
    writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }')
    const index = join(__dirname, '../../dist/index.js')
    writeFileSync(
      join(cwd, 'second-factor.config.js'),
      `import Database from 'libsql'
import { SqlStore } from '${index}'
const database = new Database('app.db')
export const keys = ['${OLD}']
export default { keys, store: new SqlStore(database, { migrate: false }), close: () => console.log('closed') }`,
    )
    const { code, stdout } = await program(['status', 'a'], { cwd })
    expect(code).toBe(0)
    expect(stdout).toMatch(/: on since[\s\S]*closed\n$/)
  })

  test('--config names another one, from the working directory', async () => {
    const { cwd, store } = await sqliteApp()
    await put(store, OLD, 'a', enrolled())
    writeFileSync(join(cwd, 'other.cjs'), `module.exports = ${inline}`)
    writeFileSync(join(cwd, 'second-factor.config.cjs'), 'throw new Error("this one")')
    expect((await run(['status', 'a', '--config', 'other.cjs'], { cwd })).stdout).toContain(': on since')
    const missing = await run(['status', 'a', '--config=missing.cjs'], { cwd })
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no config file') })
  })

  test.each<[name: string, text: string, message: RegExp]>([
    [
      'second-factor.config.cjs',
      `throw new Error('no postgres://u:${SECRET}@h/d with ${OLD}')`,
      /fails: no postgres:\/\/\*\*\*@h\/d with \*\*\*/,
    ],
    ['second-factor.config.cjs', 'module.exports = { keys: "x" }', /must export/],
    ['second-factor.config.cjs', 'module.exports = { keys: [], store: {} }', /must export/],
    ['second-factor.config.cjs', 'module.exports = null', /must export/],
    [
      'second-factor.config.cjs',
      'module.exports = { keys: [], store: "sqlite:app.db" }',
      /keys in .*config.cjs are not right/,
    ],
    ['second-factor.config.json', `{ "keys": ["${OLD}" }`, /is no JSON/],
    ['second-factor.config.json', `{ "keys": ["${OLD}"] }`, /may have keysFrom.*not keys/],
    ['second-factor.config.json', '{ "keysFrom": "NOT_SET" }', /variable NOT_SET as keysFrom, which is not/],
    ['second-factor.config.json', 'null', /has no keysFrom, and the variable SECOND_FACTOR_KEY is not set/],
    ...['0', '"0s"', '2147483648', '"25d"', '"soon"', '-1', 'Infinity'].map(
      (time): [string, string, RegExp] => [
        'second-factor.config.cjs',
        `module.exports = { keys: ['${NEW}'], store: 'sqlite:app.db', storeTimeout: ${time} }`,
        /^express-second-factor: Option storeTimeout is[^\n]*\(SF_DURATION\)\n$/,
      ],
    ),
  ])('%s that is wrong: %s', async (file, text, message) => {
    const { cwd } = await sqliteApp()
    writeFileSync(join(cwd, file), text)
    const { code, stderr } = await run(['status', 'a'], { cwd })
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/geheim|\n {4}at /)
    expect(stderr).not.toContain(OLD)
  })

  test('what it opened is closed, also after a failure', async () => {
    const store = new MemoryStore()
    const app = appWith(store)
    await run(['doctor'], app)
    expect(app.closed()).toBe(1)
    store.get = () => Promise.reject(new Error('away'))
    expect((await run(['status', 'a'], app)).code).toBe(1)
    expect(app.closed()).toBe(2)
    const wrong = appWith(store, { keys: ['x'] })
    expect((await run(['status', 'a'], wrong)).code).toBe(1)
    expect(wrong.closed()).toBe(1)
  })
})

test('no file is left behind in the folder of the app', async () => {
  const { cwd, env } = await sqliteApp(3)
  await run(['doctor'], { cwd, env })
  expect(existsSync(join(cwd, 'app.db'))).toBe(true)
  expect(readdirSync(cwd).filter((file) => !/^(app\.db(-wal|-shm)?|node_modules)$/.test(file))).toEqual([])
})
