import { createHash, randomBytes } from 'node:crypto'
import { mustBeKnown } from '../checks'
import { ConfigurationError } from '../errors'
import { DamagedRowError, inPlaceOfDamaged } from './damaged'
import { notePlace } from './place'
import { type Connection, connectionOf, type RedisClient } from './redis/clients'
import { AccountIds, text } from './redis/ids'
import { inspectMasters } from './redis/inspection'
import { assertStorable } from './storable'
import type { SecondFactorStore, StoredRecord, StoreReport } from './store'

export interface RedisStoreOptions {
  /**
   * What the keys begin with, before the account id. Default `second-factor:`. No other keys may begin with it.
   */
  prefix?: string
}

/**
 * Keeps each account's record in one key of a Redis 6.2 or later.
 *
 * ```ts
 * new RedisStore(new Redis(url))          // ioredis, also `new Cluster(nodes)`
 * new RedisStore(await createClient().connect()) // node-redis, also createCluster, createSentinel
 * ```
 *
 * What Redis forgets reads as "no second factor": it must be set up to keep what it was told, as docs/redis.md
 * says. Where the app has a SQL database, `SqlStore` is the better place.
 */
export class RedisStore implements SecondFactorStore {
  readonly #connection: Connection
  readonly #prefix: string
  readonly #ids: AccountIds

  /** @throws ConfigurationError `SF_OPTIONS`, `SF_REDIS_CLIENT`, `SF_REDIS_PREFIX` */
  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    mustBeKnown<RedisStoreOptions>(options, { prefix: true }, 'RedisStore.')
    const { prefix = 'second-factor:' } = options
    // Without one, every key of the app would be an account.
    if (typeof prefix !== 'string' || !/^[\x21-\x7e]+$/.test(prefix)) {
      throw new ConfigurationError('SF_REDIS_PREFIX', 'prefix must be one or more visible ASCII characters')
    }
    this.#connection = connectionOf(client)
    this.#prefix = prefix
    this.#ids = new AccountIds(this.#connection, prefix)
    notePlace(this, { at: client, name: prefix, prefixes: true })
  }

  async get(accountId: string): Promise<StoredRecord | null> {
    const key = this.#keyOf(accountId)
    // GETEX without an option is GET, but counts as a write: no client sends it to a replica, which may be behind,
    // a replica refuses it, and so does a master that misses the replicas it was told to have.
    const reply = await this.#connection.send(key, 'getex', key).catch(rowOfAnotherType)
    return reply === null ? null : recordOf(text(reply))
  }

  async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord): Promise<boolean> {
    const key = this.#keyOf(accountId)
    const reply = text(await this.#run(WRITE, key, String(expectedVersion), ...partsOf(next)))
    if (reply === 'written') return true
    if (reply === 'other version') return false
    throw new TypeError(reply === 'damaged' ? DAMAGED : 'Redis did not answer whether it has written')
  }

  /**
   * Redis keeps no order: the first page of a walk fetches the ids of all accounts (SCAN on every master), sorts
   * them, and keeps them for up to a minute for the pages that follow, each of which goes on where the one before
   * ended. An account that is made during a walk may be missing from it. While slots of a cluster are being moved,
   * or a master is replaced, others may be, too.
   */
  async list(after: string | null, limit: number): Promise<{ accountId: string; record: StoredRecord }[]> {
    const walk = await this.#ids.after(after)
    const rows: { accountId: string; record: StoredRecord }[] = []
    while (rows.length < limit) {
      const ids = walk.take(Math.min(limit - rows.length, 500))
      // Nothing is kept, so that what comes after the last id is looked up anew.
      if (ids.length === 0) return rows
      const records = await this.getMany(ids)
      for (const [i, record] of records.entries()) {
        // Erased since its id was fetched, if null.
        if (record) rows.push({ accountId: ids[i] as string, record })
      }
    }
    const last = rows.at(-1)
    if (last) this.#ids.keep(walk, last.accountId)
    return rows
  }

  /**
   * Sent at once, so that they are one round trip: the clients write one after the other without waiting, and in a
   * cluster each to its own node.
   */
  getMany(accountIds: readonly string[]): Promise<(StoredRecord | null)[]> {
    return Promise.all(accountIds.map((accountId) => this.get(accountId).catch(inPlaceOfDamaged)))
  }

  async delete(accountId: string): Promise<void> {
    const key = this.#keyOf(accountId)
    const reply = await this.#connection.send(key, 'del', key)
    if (!/^[01]$/.test(String(reply))) throw new TypeError('Redis did not answer whether it has deleted')
  }

  /**
   * What of the server's settings would lose second factors, asked of every master: eviction, persistence, being
   * a replica. Eviction by a `volatile-` policy takes only keys that expire, which these do not.
   */
  async inspect(): Promise<StoreReport> {
    return inspectMasters(await this.#connection.masters())
  }

  #keyOf(accountId: string): string {
    assertStorable(accountId)
    return this.#prefix + accountId
  }

  /** One round trip; a second one where the server has not seen the script since it started. */
  async #run(script: Script, key: string, ...args: string[]): Promise<unknown> {
    try {
      return await this.#connection.send(key, 'evalsha', script.sha1, '1', key, ...args)
    } catch (error) {
      if (!/^NOSCRIPT/.test((error as Error).message)) throw error
      return this.#connection.send(key, 'eval', script.source, '1', key, ...args)
    }
  }
}

interface Script {
  source: string
  sha1: string
}

/**
 * A row keeps the marks of the last calls that wrote it. One whose mark is there already has written: its answer was
 * lost with the connection, and the client has sent the command again, perhaps after others have written, too.
 */
const WRITE = scriptOf(`
local expected, head, mark, sealed = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local row = redis.call('GET', KEYS[1])
local version, marks = '0', ''
if row then
  version, marks = string.match(row, '^([1-9]%d*) [01] ([%w_,-]+) ')
  if not version then return 'damaged' end
  if string.find(marks, mark, 1, true) then return 'written' end
  marks = ',' .. string.sub(marks, 1, 64)
end
if version ~= expected then return 'other version' end
redis.call('SET', KEYS[1], head .. ' ' .. mark .. marks .. ' ' .. sealed)
return 'written'
`)

function scriptOf(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}

/**
 * Version, activated, the calls that wrote it last (six at most, of 12 characters each), sealed. One value, so that it
 * is there as a whole or not at all.
 */
const ROW = /^([1-9]\d{0,15}) ([01]) [\w-]{12}(?:,[\w-]{12}){0,5} ([\x20-\x7e]+)$/
const DAMAGED = 'A row of the second factors in Redis is damaged'

function partsOf({ version, activated, sealed }: StoredRecord): [head: string, mark: string, sealed: string] {
  const head = `${version} ${activated ? 1 : 0}`
  // The call's own mark: two calls that write the same are still two.
  const mark = randomBytes(9).toString('base64url')
  if (!ROW.test(`${head} ${mark} ${sealed}`)) throw new TypeError('What is to be written is no record')
  return [head, mark, sealed]
}

/** What comes back is checked, not believed: a damaged row is an error, never "no second factor". */
function recordOf(row: string | null): StoredRecord {
  if (row === null) throw new TypeError('Redis did not answer with a row')
  const [, version, activated, sealed] = row.match(ROW) ?? []
  if (sealed === undefined || !Number.isSafeInteger(Number(version))) throw new DamagedRowError(DAMAGED)
  return { version: Number(version), activated: activated === '1', sealed }
}

/** A key that is no text is a row that somebody has overwritten. */
function rowOfAnotherType(error: unknown): never {
  const { message } = error as Error
  throw /^WRONGTYPE/.test(message) ? new DamagedRowError(`${DAMAGED}: ${message}`) : error
}
