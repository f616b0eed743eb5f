import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../example-app/config'

let DATA_DIR: string
beforeEach(() => {
  DATA_DIR = mkdtempSync(join(tmpdir(), 'config-'))
})
afterEach(() => rmSync(DATA_DIR, { recursive: true }))

test('secrets are made once, kept, and readable by nobody else', () => {
  const first = readConfig({ DATA_DIR })
  expect(Buffer.from(first.secondFactorKeys[0] ?? '', 'base64')).toHaveLength(32)
  expect(readConfig({ DATA_DIR })).toEqual(first)
  expect(first.sessionSecret).not.toBe(first.secondFactorKeys[0])
  expect(readdirSync(DATA_DIR).sort()).toEqual(['second-factor-key', 'session-secret'])
  for (const file of readdirSync(DATA_DIR)) expect(statSync(join(DATA_DIR, file)).mode & 0o777).toBe(0o600)
})

test('secrets of the environment are not written anywhere', () => {
  const config = readConfig({ DATA_DIR, SESSION_SECRET: 's', SECOND_FACTOR_KEY: 'new, old' })
  expect(config).toMatchObject({ sessionSecret: 's', secondFactorKeys: ['new', 'old'] })
  expect(readdirSync(DATA_DIR)).toEqual([])
})

test('REVALIDATE_AFTER is in seconds, and 0 is a value', () => {
  expect(readConfig({ DATA_DIR }).revalidateAfter).toBeNull()
  expect(readConfig({ DATA_DIR, REVALIDATE_AFTER: '0' }).revalidateAfter).toBe(0)
  expect(readConfig({ DATA_DIR, REVALIDATE_AFTER: '90' }).revalidateAfter).toBe(90_000)
})

test.each([
  [{ PORT: 'http' }, /PORT/],
  [{ REVALIDATE_AFTER: '-1' }, /REVALIDATE_AFTER/],
  [{ SECOND_FACTOR_STORE: 'file' }, /sql, redis or memory/],
  [{ DATABASE_URL: 'oracle://u:secret@db' }, /^DATABASE_URL is a URL that begins with postgres:[^@]*$/],
  [{ REDIS_URL: 'localhost' }, /redis-cluster/],
])('%j is refused at the start', (env, message) => {
  expect(() => readConfig({ DATA_DIR, ...env })).toThrow(message)
})
