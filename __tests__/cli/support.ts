import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import Database from 'libsql'
import { withFailure } from '../../lib/account/lockout'
import { type AccountRecord, EMPTY_RECORD } from '../../lib/account/record'
import { AccountRecords } from '../../lib/account/records'
import { commandLine } from '../../lib/cli/command-line'
import { Keyring } from '../../lib/crypto/keyring'
import { RecoveryRecords } from '../../lib/recovery/recoveries'
import { ask as askRule } from '../../lib/recovery/request'
import { MemoryStore } from '../../lib/stores/memory'
import { SqlStore } from '../../lib/stores/sql'
import { migrationSql } from '../../lib/stores/sql/migration'
import type { SecondFactorStore } from '../../lib/stores/store'

export const OLD = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')
export const NEW = Buffer.from('fedcba9876543210fedcba9876543210').toString('base64')
export const OTHER = Buffer.from('00112233445566778899aabbccddeeff').toString('base64')
export const keyId = (key: string) => new Keyring([key]).ids[0] as string
const MADE = Date.UTC(2026, 4, 3, 12, 0, 15)

const root = join(__dirname, '../..')
export const bin = join(root, 'dist/cli/main.js')

export interface Result {
  code: number
  stdout: string
  stderr: string
}

interface Given {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Typed on a terminal. */
  typed?: string
  tty?: boolean
  signal?: AbortSignal
}

/** The command line in this process. */
export async function run(argv: string[], given: Given = {}): Promise<Result> {
  const { cwd = tmpdir(), env = {}, typed, tty = typed !== undefined, signal } = given
  const stream = () => Object.assign(new PassThrough(), { isTTY: tty })
  const [stdin, stdout, stderr] = [stream(), stream(), stream()]
  if (typed !== undefined) stdin.end(typed)
  const stop = signal ?? new AbortController().signal
  const code = await commandLine(argv, { cwd, env, stdin, stdout, stderr, signal: stop })
  return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }
}

/** The built program, as a process of its own. */
export class Program {
  readonly child: ChildProcess
  readonly #ended: Promise<Result>
  stdout = ''
  stderr = ''

  constructor(argv: string[], { cwd = tmpdir(), env = {} }: Given = {}) {
    const { PATH, HOME } = process.env
    this.child = spawn(process.execPath, [bin, ...argv], { cwd, env: { PATH, HOME, ...env }, stdio: 'pipe' })
    this.child.stdin?.end()
    this.child.stdout?.on('data', (chunk) => {
      this.stdout += chunk
    })
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk
    })
    this.#ended = once(this.child, 'close').then(([code, signal]) => ({
      code: code ?? signal,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  /** Resolves when it has said this. */
  async saying(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout + this.stderr)) {
      const more = Promise.race([
        once(this.child.stdout as NodeJS.ReadableStream, 'data'),
        once(this.child.stderr as NodeJS.ReadableStream, 'data'),
      ])
      const over = this.#ended.then(({ stdout, stderr }) => {
        if (!pattern.test(stdout + stderr)) throw new Error(`It ended with: ${stdout}${stderr}`)
      })
      await Promise.race([more, over])
    }
  }

  end(): Promise<Result> {
    return this.#ended
  }
}

export const program = (argv: string[], given?: Given) => new Program(argv, given).end()

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** The folder of an app, with these packages of ours in its node_modules. */
export function folder(
  files: Record<string, string> = {},
  packages: string[] = ['libsql', '@libsql', '@neon-rs', 'detect-libc'],
): string {
  const path = mkdtempSync(join(tmpdir(), 'second-factor-cli-'))
  folders.push(path)
  for (const name of packages) {
    const target = join(path, 'node_modules', name)
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), target)
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return path
}

/** The name of a row of `fill`. */
export const name = (index: number) => `account-${String(index).padStart(5, '0')}`

const count = (record: AccountRecord, now: number) => ({
  record: withFailure(record, 'totp', now),
  outcome: null,
})

/** An account that has two-factor authentication on. */
export function enrolled(codesLeft = 3): AccountRecord {
  return {
    ...EMPTY_RECORD,
    epoch: 7,
    totp: { secret: 'c2VjcmV0', clockSide: 0, lastStep: 1, since: MADE },
    backupCodes: { salt: 'c2FsdA==', hashes: Array(codesLeft).fill('aGFzaA=='), total: 5, generatedAt: MADE },
    lastUsedAt: MADE + 60_000,
  }
}

export function recordsOf(store: SecondFactorStore, ...keys: string[]): AccountRecords {
  return new AccountRecords(store, new Keyring(keys), () => MADE)
}

const ASKED = { key: 'a2V5', answers: { phone: '1' }, ticket: 'aGFzaA==' }

/** Requests to support by these accounts, sealed by this key in the store of option `recovery`. */
export async function ask(store: SecondFactorStore, key: string, ...ids: string[]): Promise<void> {
  const records = new RecoveryRecords(store, new Keyring([key]), () => MADE)
  for (const id of ids) {
    await records.transact(id, (record, now) =>
      askRule(record, ASKED, { enabled: true, since: null, lastUsedAt: null }, now),
    )
  }
}

/** Whose requests these keys open. */
export async function openingRequests(store: SecondFactorStore, ...keys: string[]): Promise<string[]> {
  const rows = await new RecoveryRecords(store, new Keyring(keys), () => MADE).list(null, 1000)
  return rows.filter(({ record }) => record?.request).map(({ accountId }) => accountId)
}

export async function put(
  store: SecondFactorStore,
  key: string,
  id: string,
  record: AccountRecord | null = null,
): Promise<void> {
  await recordsOf(store, key).transact(id, record ? () => ({ record, outcome: null }) : count)
}

/** So many accounts that one key sealed. */
export async function fill(store: SecondFactorStore, key: string, rows: number): Promise<void> {
  for (let index = 0; index < rows; index++) await put(store, key, name(index))
}

/** How many accounts these keys open. */
export async function opening(store: SecondFactorStore, ...keys: string[]): Promise<number> {
  const rows = await recordsOf(store, ...keys).list(null, 100_000)
  return rows.filter(({ record }) => record !== null).length
}

/** An app with a SQLite database of accounts sealed by the old key. */
export async function sqliteApp(rows = 0): Promise<{ cwd: string; env: NodeJS.ProcessEnv; store: SqlStore }> {
  const cwd = folder()
  const database = new Database(join(cwd, 'app.db'), { timeout: 5000 } as never)
  for (const statement of migrationSql('sqlite')) database.exec(statement)
  const memory = new MemoryStore()
  await fill(memory, OLD, rows)
  const insert = database.prepare('insert into second_factor_accounts values (?, ?, ?, ?)')
  // One transaction, as thousands would each wait for the disk.
  database.exec('begin')
  for (const { accountId, record } of await memory.list(null, rows)) {
    insert.run(accountId, record.version, Number(record.activated), record.sealed)
  }
  database.exec('commit')
  const env = { SECOND_FACTOR_KEY: `${NEW},${OLD}`, SECOND_FACTOR_STORE_URL: 'sqlite:app.db' }
  return { cwd, env, store: new SqlStore(database) }
}

/**
 * An app whose config file hands out this very store.
 *
 * @param storeTimeout short where the store never answers, long elsewhere: machines may be slow
 */
export function appWith(
  store: SecondFactorStore,
  {
    keys = [NEW, OLD],
    storeTimeout = 30_000,
    recovery,
  }: { keys?: string[]; storeTimeout?: number; recovery?: { store: SecondFactorStore } } = {},
): { cwd: string; closed(): number } {
  const place = { keys, store, storeTimeout, recovery, times: 0 }
  const id = `place${folders.length}`
  Object.assign(globalThis, { [id]: place })
  const cwd = folder({
    'second-factor.config.cjs': `const place = globalThis.${id}
module.exports = () => ({ ...place, close: () => place.times++ })`,
  })
  return { cwd, closed: () => place.times }
}
