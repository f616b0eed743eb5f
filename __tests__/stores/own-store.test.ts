import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeConformance } from 'express-second-factor/store-conformance'
import { Client } from 'pg'
import { startPostgres } from '../support/servers/postgres'
import type { DatabaseServer } from '../support/servers/server-process'

const { describeWith } = require('../support/tools')

const root = join(__dirname, '../..')
const doc = readFileSync(join(root, 'docs/own-store.md'), 'utf8')
/** The blocks of the page that are files: the first line has the name. */
const files = Object.fromEntries(
  [...doc.matchAll(/```\w+\n(?:\/\/|--) ([\w.]+)\n([\s\S]*?)```/g)].map(([, name, text]) => [name, text]),
) as Record<string, string>

test('the example is a store in less than 40 lines', () => {
  expect(Object.keys(files)).toEqual(['schema.sql', 'store.mjs', 'open.mjs', 'store.test.mjs'])
  expect(files['store.mjs']?.trim().split('\n').length).toBeLessThan(40)
})

test('every case of the suite is explained, and no other', () => {
  const [, table = ''] = /## When a case fails[\s\S]*?\|---\|---\|\n([\s\S]*?)\n\n/.exec(doc) ?? []
  const explained = table.split('\n').map((line) => line.split(' | ')[0]?.replace('| ', ''))
  const cases = storeConformance({
    open: () => Promise.reject(new Error('never opened')),
    processes: { module: 'never.js' },
    cut() {},
  })
  expect(explained).toEqual(cases.map(({ name }) => name))
})

describeWith(['postgres'], 'the example, in a folder with the package', () => {
  let server: DatabaseServer
  let folder: string

  beforeAll(async () => {
    // `npm test` builds it.
    expect(existsSync(join(root, 'dist/stores/conformance/index.js'))).toBe(true)
    server = await startPostgres()
    const client = new Client(server.url)
    await client.connect()
    await client.query(files['schema.sql'] as string)
    await client.end()
  }, 60_000)
  afterAll(() => server?.stop())

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'own-store-'))
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/express-second-factor'))
    symlinkSync(join(root, 'node_modules/pg'), join(folder, 'node_modules/pg'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** What `node --test` says, with how many passed, failed and were skipped: of all cases, or of one. */
  function runSuite(only?: string) {
    const env = { ...process.env, DATABASE_URL: server.url, NODE_OPTIONS: '' }
    const args = ['--test', '--test-reporter=tap', ...(only ? [`--test-name-pattern=^${only}$`] : [])]
    const { status, stdout } = spawnSync(process.execPath, args, {
      cwd: folder,
      env,
      encoding: 'utf8',
      timeout: 100_000,
    })
    const count = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(stdout)?.[1])
    const failed = [...stdout.matchAll(/^ *not ok \d+ - (.*)$/gm)].map(([, name]) => name)
    return { status, stdout, failed, passed: count('pass'), skipped: count('skipped') }
  }

  test('passes the whole suite', () => {
    const { status, failed, passed, skipped, stdout } = runSuite()
    if (status !== 0) throw new Error(stdout)
    expect({ failed, passed, skipped }).toEqual({ failed: [], passed: 31, skipped: 0 })
  }, 120_000)

  const LOOK = 'if (((await this.get(accountId))?.version ?? 0) !== expectedVersion) return false'
  const oneOnly = 'clients: of writes at once from one version exactly one succeeds'

  test.each<[string, [from: string, to: string][], string]>([
    ['without the condition', [[' and version = $5', ' and $5::bigint is not null']], oneOnly],
    [
      'that looks, and then writes',
      [
        [' and version = $5', ' and $5::bigint is not null'],
        ['const row = [', `${LOOK}\n    const row = [`],
      ],
      oneOnly,
    ],
    ['with versions as they come', [['Number(version)', 'version']], 'a version may be any safe integer'],
  ])(
    '%s it fails',
    (_name, edits, expected) => {
      let text = files['store.mjs'] as string
      for (const [from, to] of edits) {
        expect(text).toContain(from)
        text = text.replace(from, () => to)
      }
      writeFileSync(join(folder, 'store.mjs'), text)
      const { status, failed } = runSuite(expected)
      expect(failed).toContain(expected)
      expect(status).toBe(1)
    },
    120_000,
  )
})
