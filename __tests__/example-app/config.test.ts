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

test('RECOVERY_DELAY is in seconds, one at least', () => {
  expect(readConfig({ DATA_DIR }).recoveryDelay).toBeNull()
  expect(readConfig({ DATA_DIR, RECOVERY_DELAY: '0' }).recoveryDelay).toBe(1000)
  expect(readConfig({ DATA_DIR, RECOVERY_DELAY: '60' }).recoveryDelay).toBe(60_000)
})

test('TRUSTED_DEVICES is a duration, REQUIRE_TWO_FACTOR_FROM a moment; both are off when unset', () => {
  expect(readConfig({ DATA_DIR })).toMatchObject({ trustedDevices: null, requiredFrom: null })
  expect(readConfig({ DATA_DIR, TRUSTED_DEVICES: '30d' }).trustedDevices).toBe('30d')
  const fromOf = (REQUIRE_TWO_FACTOR_FROM: string) =>
    readConfig({ DATA_DIR, REQUIRE_TWO_FACTOR_FROM }).requiredFrom?.toISOString()
  expect(fromOf('2026-09-01')).toBe('2026-09-01T00:00:00.000Z')
  expect(fromOf('2026-09-01T08:30Z')).toBe('2026-09-01T08:30:00.000Z')
  expect(fromOf('2026-09-01T08:30:15.250Z')).toBe('2026-09-01T08:30:15.250Z')
})

test('SMTP_URL and PUBLIC_URL: mails are files and links lead to this port when unset', () => {
  expect(readConfig({ DATA_DIR, PORT: '3210' })).toMatchObject({
    smtpUrl: null,
    publicUrl: 'http://localhost:3210',
  })
  expect(readConfig({ DATA_DIR, SMTP_URL: 'smtps://u:p@mail.example:465' }).smtpUrl).toMatch(/^smtps:/)
  expect(readConfig({ DATA_DIR, PUBLIC_URL: 'https://bank.example/' }).publicUrl).toBe('https://bank.example')
})

test.each([
  [{ SMTP_URL: 'mail.example:587' }, /^SMTP_URL is a URL that begins with smtp:\/\/, smtps:\/\/$/],
  [{ SMTP_URL: 'http://u:secret@mail.example' }, /^SMTP_URL is a URL that begins with smtp:[^@]*$/],
  [{ SMTP_URL: 'smtp://u:sec ret@[mail' }, /^SMTP_URL cannot be read as a URL$/],
  [{ PUBLIC_URL: 'bank.example' }, /^PUBLIC_URL is a URL that begins with http:/],
  [{ PORT: 'http' }, /PORT/],
  [{ REVALIDATE_AFTER: '-1' }, /REVALIDATE_AFTER/],
  [{ RECOVERY_DELAY: '1h' }, /RECOVERY_DELAY/],
  [{ SECOND_FACTOR_STORE: 'file' }, /sql, redis or memory/],
  [{ DATABASE_URL: 'oracle://u:secret@db' }, /^DATABASE_URL is a URL that begins with postgres:[^@]*$/],
  [{ REDIS_URL: 'localhost' }, /redis-cluster/],
  [{ TRUSTED_DEVICES: 'yes' }, /^TRUSTED_DEVICES is a number with its unit .* such as 30d, not yes$/],
  [{ TRUSTED_DEVICES: '30' }, /TRUSTED_DEVICES/],
  [{ TRUSTED_DEVICES: '0d' }, /TRUSTED_DEVICES/],
  [{ TRUSTED_DEVICES: '99999999d' }, /TRUSTED_DEVICES/],
  [{ REQUIRE_TWO_FACTOR_FROM: 'soon' }, /^REQUIRE_TWO_FACTOR_FROM is a date, such as .*, not soon$/],
  [{ REQUIRE_TWO_FACTOR_FROM: '2026-02-30' }, /REQUIRE_TWO_FACTOR_FROM/],
  [{ REQUIRE_TWO_FACTOR_FROM: '2026-13-01' }, /REQUIRE_TWO_FACTOR_FROM/],
  [{ REQUIRE_TWO_FACTOR_FROM: '01/09/2026' }, /REQUIRE_TWO_FACTOR_FROM/],
])('%j is refused at the start', (env, message) => {
  expect(() => readConfig({ DATA_DIR, ...env })).toThrow(message)
})
