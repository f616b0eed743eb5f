import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What the environment decides. */
export interface Config {
  port: number
  /** The folder of the database and of the secrets made here. */
  dataDir: string
  sessionSecret: string
  /** The keys of the second factor records, the newest first. */
  secondFactorKeys: string[]
  secondFactorStore: 'sql' | 'memory'
  /** Sessions are in Redis, or in this process. */
  redisUrl: string | null
  /** Milliseconds; null leaves it to the plugin. */
  revalidateAfter: number | null
  /** Express's "trust proxy"; null where no proxy stands in front. */
  trustProxy: string | number | boolean | null
}

/** Reads the environment; secrets that it does not give are made once and kept in the data folder. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  if (env.DATABASE_URL) throw new Error('DATABASE_URL is not supported yet: leave it unset to use SQLite')
  const dataDir = resolve(env.DATA_DIR || 'data')
  return {
    port: integer('PORT', env.PORT || '3000', 65535),
    dataDir,
    sessionSecret: env.SESSION_SECRET || keptSecret(dataDir, 'session-secret'),
    secondFactorKeys: (env.SECOND_FACTOR_KEY || keptSecret(dataDir, 'second-factor-key'))
      .split(',')
      .map((key) => key.trim()),
    secondFactorStore: storeName(env.SECOND_FACTOR_STORE || 'sql'),
    redisUrl: env.REDIS_URL || null,
    revalidateAfter: env.REVALIDATE_AFTER
      ? integer('REVALIDATE_AFTER', env.REVALIDATE_AFTER, 86400) * 1000
      : null,
    trustProxy: env.TRUST_PROXY ? trustProxy(env.TRUST_PROXY) : null,
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

function storeName(value: string): 'sql' | 'memory' {
  if (value === 'sql' || value === 'memory') return value
  if (value === 'redis') throw new Error('SECOND_FACTOR_STORE=redis is not supported yet: use sql or memory')
  throw new Error(`SECOND_FACTOR_STORE is sql or memory, not ${value}`)
}

function integer(name: string, value: string, max: number): number {
  const number = Number(value)
  if (/^\d+$/.test(value) && number <= max) return number
  throw new Error(`${name} is a whole number up to ${max}, not ${value}`)
}

function trustProxy(value: string): string | number | boolean {
  if (value === 'true' || value === 'false') return value === 'true'
  return /^\d+$/.test(value) ? Number(value) : value
}
