import { tellsOfDamage } from '../stores/damaged'
import { noteSamePlace } from '../stores/place'
import { RedisStore } from '../stores/redis'
import type { RedisClient } from '../stores/redis/clients'
import type { SecondFactorStore } from '../stores/store'
import { type Address, CONNECTING, type Opening, parsed, RECOVERY_PREFIX, toldLater } from './address'
import { driver } from './drivers'

/** Nobody waits for a server that may come back: the command ends, and is typed again. */
const IOREDIS = { connectTimeout: CONNECTING, maxRetriesPerRequest: 0, retryStrategy: () => null }
const NODE_REDIS = { connectTimeout: CONNECTING, reconnectStrategy: false }

export function redis({ url, from, cwd }: Address): Opening {
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
export function redisCluster({ url, from, cwd }: Address): Opening {
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

/** ioredis connects by itself. */
// biome-ignore lint/suspicious/noExplicitAny: of any version
function ioredis(client: any): Opening {
  return {
    ...withPrefixes(client, troubleOf(client), Promise.resolve()),
    close: () => client.disconnect(),
  }
}

/** node-redis connects when it is told to. */
// biome-ignore lint/suspicious/noExplicitAny: of any version
function nodeRedis(client: any): Opening {
  const trouble = troubleOf(client)
  const connected: Promise<unknown> = client.connect()
  connected.catch(toldLater)
  return {
    ...withPrefixes(client, trouble, connected),
    // A client that never connected cannot be closed, and says so by throwing.
    close: () => (typeof client.destroy === 'function' ? client.destroy() : client.disconnect()),
  }
}

function withPrefixes(
  client: RedisClient,
  trouble: () => unknown,
  connected: Promise<unknown>,
): Omit<Opening, 'close'> {
  return {
    store: telling(new RedisStore(client), trouble, connected),
    beside: (prefix) => telling(new RedisStore(client, { prefix }), trouble, connected),
    recovery: RECOVERY_PREFIX,
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
function telling(
  store: RedisStore,
  trouble: () => unknown,
  connected: Promise<unknown>,
): Required<SecondFactorStore> {
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      await connected
      return await work()
    } catch (error) {
      if (tellsOfDamage(error)) throw error
      const { message } = error as Error
      throw new Error(message, { cause: trouble() ?? error })
    }
  }
  const told: Required<SecondFactorStore> = {
    get: (accountId) => call(() => store.get(accountId)),
    compareAndSet: (...write) => call(() => store.compareAndSet(...write)),
    list: (...page) => call(() => store.list(...page)),
    getMany: (accountIds) => call(() => store.getMany(accountIds)),
    delete: (accountId) => call(() => store.delete(accountId)),
    inspect: () => call(() => store.inspect()),
  }
  noteSamePlace(told, store)
  return told
}

/** ioredis wants [::1] as ::1. */
function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}
