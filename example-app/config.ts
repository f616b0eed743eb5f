import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Duration } from 'express-second-factor'

/** What the environment decides. */
export interface Config {
  port: number
  /** The folder of the database and of the secrets made here. */
  dataDir: string
  sessionSecret: string
  /** The keys of the second factor records, the newest first. */
  secondFactorKeys: string[]
  secondFactorStore: 'sql' | 'redis' | 'memory'
  /** PostgreSQL or MySQL; null: SQLite in the data folder. */
  databaseUrl: string | null
  /** Sessions are in Redis, or in this process. */
  redisUrl: string | null
  /** Milliseconds; null leaves it to the plugin. */
  revalidateAfter: number | null
  /** For how long a browser can be trusted; null: it is asked for a code at every login. */
  trustedDevices: Duration | null
  /** How long after its approval a recovery takes effect, milliseconds; null leaves it to the plugin. */
  recoveryDelay: number | null
  /** From when everybody must have two-factor authentication; null: nobody must. */
  requiredFrom: Date | null
  /** Express's "trust proxy"; null where no proxy stands in front. */
  trustProxy: string | number | boolean | null
  /** Which of several processes at one port this is; null: there is one. */
  processName: string | null
  /** How many users are made on the first start to look at lists with. */
  seedUsers: number
  /** The mail server; null: each mail is a file in the data folder. */
  smtpUrl: string | null
  /** Where people reach the app, for links in mails; without a slash at the end. */
  publicUrl: string
}

/** Reads the environment; secrets that it does not give are made once and kept in the data folder. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const secondFactorStore = storeName(env.SECOND_FACTOR_STORE || 'sql')
  const dataDir = resolve(env.DATA_DIR || 'data')
  const port = integer('PORT', env.PORT || '3000', 65535)
  return {
    port,
    dataDir,
    sessionSecret: env.SESSION_SECRET || keptSecret(dataDir, 'session-secret'),
    secondFactorKeys: (env.SECOND_FACTOR_KEY || keptSecret(dataDir, 'second-factor-key'))
      .split(',')
      .map((key) => key.trim()),
    secondFactorStore,
    databaseUrl: url('DATABASE_URL', env.DATABASE_URL, ['postgres', 'postgresql', 'mysql', 'mariadb']),
    redisUrl:
      url('REDIS_URL', env.REDIS_URL, ['redis', 'rediss', 'redis-cluster']) ??
      (secondFactorStore === 'redis' ? 'redis://127.0.0.1:6379' : null),
    revalidateAfter: env.REVALIDATE_AFTER
      ? integer('REVALIDATE_AFTER', env.REVALIDATE_AFTER, 86400) * 1000
      : null,
    trustedDevices: env.TRUSTED_DEVICES ? duration('TRUSTED_DEVICES', env.TRUSTED_DEVICES) : null,
    recoveryDelay: env.RECOVERY_DELAY
      ? Math.max(1, integer('RECOVERY_DELAY', env.RECOVERY_DELAY, 30 * 86400)) * 1000
      : null,
    requiredFrom: env.REQUIRE_TWO_FACTOR_FROM
      ? date('REQUIRE_TWO_FACTOR_FROM', env.REQUIRE_TWO_FACTOR_FROM)
      : null,
    trustProxy: env.TRUST_PROXY ? trustProxy(env.TRUST_PROXY) : null,
    processName: env.PROCESS_NAME || null,
    seedUsers: env.SEED_USERS ? integer('SEED_USERS', env.SEED_USERS, 1_000_000) : 0,
    smtpUrl: address('SMTP_URL', env.SMTP_URL, ['smtp', 'smtps']),
    publicUrl:
      address('PUBLIC_URL', env.PUBLIC_URL, ['http', 'https'])?.replace(/\/+$/, '') ??
      `http://localhost:${port}`,
  }
}

/** 32 random bytes in base64, readable by this user only. Of several processes at the first start one wins. */
function keptSecret(dataDir: string, name: string): string {
  mkdirSync(dataDir, { recursive: true })
  const file = join(dataDir, name)
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(draft, randomBytes(32).toString('base64'), { mode: 0o600, flag: 'wx' })
  try {
    // A link appears whole or not at all: nobody reads half a secret.
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  return readFileSync(file, 'utf8').trim()
}

function storeName(value: string): 'sql' | 'redis' | 'memory' {
  if (value === 'sql' || value === 'redis' || value === 'memory') return value
  throw new Error(`SECOND_FACTOR_STORE is sql, redis or memory, not ${value}`)
}

/** An error names the schemes, not the value, which may hold a password. */
function url(name: string, value: string | undefined, schemes: string[]): string | null {
  if (!value) return null
  if (schemes.includes(value.split('://')[0] as string)) return value.replace(/^mariadb:/, 'mysql:')
  throw new Error(`${name} is a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(', ')}`)
}

/** A URL of one host; those of databases may name several. */
function address(name: string, value: string | undefined, schemes: string[]): string | null {
  const given = url(name, value, schemes)
  if (given === null || URL.canParse(given)) return given
  throw new Error(`${name} cannot be read as a URL`)
}

function integer(name: string, value: string, max: number): number {
  const number = Number(value)
  if (/^\d+$/.test(value) && number <= max) return number
  throw new Error(`${name} is a whole number up to ${max}, not ${value}`)
}

function duration(name: string, value: string): Duration {
  if (/^[1-9]\d{0,3}[smhd]$/.test(value)) return value as Duration
  throw new Error(`${name} is a number with its unit (s, m, h, d), such as 30d, not ${value}`)
}

/** A day begins at midnight UTC. */
function date(name: string, value: string): Date {
  const moment = new Date(value)
  const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/.test(value)
  // 30 February reads as 2 March.
  const real =
    iso && !Number.isNaN(moment.getTime()) && moment.toISOString().slice(0, 10) === value.slice(0, 10)
  if (real) return moment
  throw new Error(`${name} is a date, such as 2026-09-01 or 2026-09-01T08:00Z, not ${value}`)
}

function trustProxy(value: string): string | number | boolean {
  if (value === 'true' || value === 'false') return value === 'true'
  return /^\d+$/.test(value) ? Number(value) : value
}
