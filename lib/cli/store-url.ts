import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { RedisStore } from '../stores/redis'
import { SqlStore } from '../stores/sql'
import type { SecondFactorStore } from '../stores/store'
import { Failure } from './command'
import { driver } from './drivers'

/** A store that the command line opened itself. */
export interface OpenStore {
  store: SecondFactorStore
  /** What must not be printed. */
  hidden: string[]
  close(): unknown
}

/** How long it takes to find out that a server is not there, milliseconds. */
const CONNECTING = 4000
/** As many as a rotation writes at once. */
const CONNECTIONS = 8

type Opener = (url: string, from: string, cwd: string) => Omit<OpenStore, 'hidden'>

const OPENERS: Record<string, Opener> = {
  sqlite,
  file: sqlite,
  postgres,
  postgresql: postgres,
  mysql,
  mariadb: mysql,
  redis,
  rediss: redis,
  'redis-cluster': redisCluster,
  'rediss-cluster': redisCluster,
}

/**
 * Opens the store at a URL, and creates nothing there.
 *
 * @param from where the URL was read: named instead of the URL, which may hold a password
 */
export function openStore(url: string, from: string, cwd: string): OpenStore {
  const [, scheme = ''] = /^([a-z][a-z\d+.-]*):/i.exec(url) ?? []
  const opener = Object.hasOwn(OPENERS, scheme.toLowerCase()) && OPENERS[scheme.toLowerCase()]
  if (!opener) {
    const found = scheme === '' ? 'no URL' : `a URL of ${scheme}:`
    throw new Failure(
      `${from} is ${found}. A store is sqlite:path/to/file.db, postgres://…, mysql://…, mariadb://…, redis://…, ` +
        'rediss://… or redis-cluster://host:port,host:port; any other is opened in a config file',
    )
  }
  return { ...opener(url, from, cwd), hidden: passwordsOf(url) }
}

function sqlite(url: string, from: string, cwd: string): Omit<OpenStore, 'hidden'> {
  const path = url.replace(/^[a-z]+:(\/\/)?/i, '').replace(/\?.*$/, '')
  if (path === '' || path === ':memory:') {
    throw new Failure(`${from} names no file: write sqlite:path/to/file.db`)
  }
  const file = resolve(cwd, path)
  // The drivers would make a new database, in which nobody has a second factor.
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new Failure(
      `There is no database file ${file} (from ${from}): look at the path, which begins at ${cwd}`,
    )
  }
  const { module: Database } = driver(['better-sqlite3', 'libsql'], cwd)
  const database = new Database(file, { timeout: 2000 })
  return { store: new SqlStore(database, { migrate: false }), close: () => database.close() }
}

function postgres(url: string, from: string, cwd: string): Omit<OpenStore, 'hidden'> {
  parsed(url, from)
  const { module: pg } = driver(['pg'], cwd)
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: CONNECTING, max: CONNECTIONS })
  pool.on('error', toldLater)
  return { store: new SqlStore(pool, { migrate: false }), close: () => pool.end() }
}

function mysql(url: string, from: string, cwd: string): Omit<OpenStore, 'hidden'> {
  parsed(url, from)
  const { module: mysql2 } = driver(['mysql2'], cwd)
  const uri = url.replace(/^mariadb:/i, 'mysql:')
  const pool = mysql2.createPool({ uri, connectTimeout: CONNECTING, connectionLimit: CONNECTIONS })
  return {
    store: new SqlStore(pool, { migrate: false }),
    close: () => new Promise<void>((closed) => pool.end(() => closed())),
  }
}

function redis(url: string, from: string, cwd: string): Omit<OpenStore, 'hidden'> {
  parsed(url, from)
  const { name, module } = driver(['ioredis', 'redis', '@redis/client'], cwd)
  if (name === 'ioredis') {
    const client = new module.Redis(url, IOREDIS)
    return ioredis(client)
  }
  const client = module.createClient({ url, socket: NODE_REDIS })
  return nodeRedis(client)
}

/** `redis-cluster://user:password@host:port,host:port` */
function redisCluster(url: string, from: string, cwd: string): Omit<OpenStore, 'hidden'> {
  const [, s = '', userinfo, hosts = ''] = /^redis(s?)-cluster:\/\/(?:(.*)@)?([^/?#]+)/i.exec(url) ?? []
  const nodes = hosts.split(',').map((host) => parsed(`redis${s}://${host}`, from))
  const { username, password } = parsed(`redis://${userinfo === undefined ? '' : `${userinfo}@`}host`, from)
  const as = {
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
  }
  const { name, module } = driver(['ioredis', 'redis', '@redis/client'], cwd)
  if (name === 'ioredis') {
    const client = new module.Cluster(
      nodes.map(({ hostname, port }) => ({ host: bare(hostname), port: Number(port || 6379) })),
      {
        ...IOREDIS,
        clusterRetryStrategy: () => null,
        redisOptions: { ...as, ...IOREDIS, ...(s && { tls: {} }) },
      },
    )
    return ioredis(client)
  }
  const client = module.createCluster({
    rootNodes: nodes.map(({ host }) => ({ url: `redis${s}://${host}` })),
    defaults: { ...as, socket: { ...NODE_REDIS, ...(s && { tls: true }) } },
  })
  return nodeRedis(client)
}

/** Nobody waits for a server that may come back: the command ends, and is typed again. */
const IOREDIS = { connectTimeout: CONNECTING, maxRetriesPerRequest: 0, retryStrategy: () => null }
const NODE_REDIS = { connectTimeout: CONNECTING, reconnectStrategy: false }

/** ioredis connects by itself. */
// biome-ignore lint/suspicious/noExplicitAny: of any version
function ioredis(client: any): Omit<OpenStore, 'hidden'> {
  return {
    store: explained(new RedisStore(client), troubleOf(client), Promise.resolve()),
    close: () => client.disconnect(),
  }
}

/** node-redis connects when it is told to. */
// biome-ignore lint/suspicious/noExplicitAny: of any version
function nodeRedis(client: any): Omit<OpenStore, 'hidden'> {
  const trouble = troubleOf(client)
  const connected: Promise<unknown> = client.connect()
  connected.catch(toldLater)
  return {
    store: explained(new RedisStore(client), trouble, connected),
    // A client that never connected cannot be closed, and says so by throwing.
    close: () => (typeof client.destroy === 'function' ? client.destroy() : client.disconnect()),
  }
}

/** The last thing that a client said of its connection. */
function troubleOf(client: NodeJS.EventEmitter): () => unknown {
  let last: unknown
  const hear = (error: { lastNodeError?: unknown } | undefined) => {
    last = error?.lastNodeError ?? error
  }
  client.on('error', hear)
  // A cluster says of each node what it does not say of itself.
  client.on('node error', hear)
  return () => last
}

/** Its calls begin once it is connected, and fail with why there is no connection, not just with that. */
function explained(
  store: RedisStore,
  trouble: () => unknown,
  connected: Promise<unknown>,
): Required<SecondFactorStore> {
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      await connected
      return await work()
    } catch (error) {
      const { message } = error as Error
      throw new Error(message, { cause: trouble() ?? error })
    }
  }
  return {
    get: (accountId) => call(() => store.get(accountId)),
    compareAndSet: (...write) => call(() => store.compareAndSet(...write)),
    list: (...page) => call(() => store.list(...page)),
    delete: (accountId) => call(() => store.delete(accountId)),
    inspect: () => call(() => store.inspect()),
  }
}

/** Whoever asks the store is told, too. */
function toldLater(): void {}

function parsed(url: string, from: string): URL {
  if (!URL.canParse(url))
    throw new Failure(
      `${from} is no URL as the drivers take it: special characters of a password are written as %40 and the like`,
    )
  return new URL(url)
}

/** ioredis wants [::1] as ::1. */
function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

function passwordsOf(url: string): string[] {
  const [, written = ''] = /^[^/]*\/\/[^/?#]*?:(.*)@/.exec(url) ?? []
  const others = [...url.matchAll(/[?&][^=&]*pass[^=&]*=([^&]*)/gi)].map(([, value]) => value as string)
  return [written, ...others]
    .flatMap((password) => [password, decoded(password)])
    .filter((one) => one.length > 0)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
