import { ConfigurationError } from '../../errors'

/** An ioredis `Redis` or `Cluster`, by what is asked of it: the host's copy may be any version. */
export interface IoredisClient {
  status: string
  call(command: string, ...args: string[]): Promise<unknown>
  getex(key: string): Promise<unknown>
}

/** A client of node-redis (`createClient`, `createClientPool`), by what is asked of it. */
export interface NodeRedisClient {
  isOpen: boolean
  sendCommand(args: string[]): Promise<unknown>
}

/** A cluster of node-redis (`createCluster`), by what is asked of it. */
export interface NodeRedisCluster {
  masters: object[]
  nodeClient(node: never): unknown
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>
}

/** A Sentinel client of node-redis (`createSentinel`), by what is asked of it. */
export interface NodeRedisSentinel {
  getMasterNode(): unknown
  sendCommand(isReadonly: boolean | undefined, args: string[]): Promise<unknown>
}

export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster | NodeRedisSentinel

/** Any of the clients, as the store speaks to it. Every command goes to a node that may write. */
export interface Connection {
  /** Sends one command on one key, which is among the arguments. */
  send(key: string, command: string, ...args: string[]): Promise<unknown>
  /** Each node that holds keys as a master; one where there is no cluster. */
  masters(): Promise<Node[]>
}

/** One server. */
export interface Node {
  /** Its address, for people. */
  name: string
  send(command: string, ...args: string[]): Promise<unknown>
}

/**
 * Told apart by shape, as `instanceof` is false for another copy of the same library.
 *
 * @throws ConfigurationError `SF_REDIS_CLIENT`
 */
export function connectionOf(client: RedisClient): Connection {
  // Without getex ioredis would not know where that command's key is, and so not put its keyPrefix there.
  if (has(client, 'call') && has(client, 'getex') && typeof read(client, 'status') === 'string') {
    const ioredis = client as IoredisClient
    return has(client, 'nodes') ? ioredisCluster(ioredis as IoredisCluster) : single(nodeOf(ioredis))
  }
  if (has(client, 'sendCommand')) {
    if (has(client, 'nodeClient')) return nodeRedisCluster(client as NodeRedisCluster)
    if (has(client, 'getMasterNode')) return single(sentinelMaster(client as NodeRedisSentinel))
    if (typeof read(client, 'isOpen') === 'boolean') return single(nodeRedisNode(client as NodeRedisClient))
  }
  throw new ConfigurationError(
    'SF_REDIS_CLIENT',
    'RedisStore needs a client of ioredis (new Redis, new Cluster) or of node-redis 4 or later (createClient, ' +
      'createCluster, createSentinel)',
  )
}

interface IoredisCluster extends IoredisClient {
  nodes(role: 'master'): IoredisNode[]
}

interface IoredisNode extends IoredisClient {
  options?: { host?: string; port?: number }
}

function single(node: Node): Connection {
  return {
    send: (_key, command, ...args) => node.send(command, ...args),
    masters: async () => [node],
  }
}

function nodeOf(client: IoredisNode): Node {
  return {
    name: `${client.options?.host}:${client.options?.port}`,
    send: (command, ...args) => plainly(() => client.call(command, ...args)),
  }
}

function ioredisCluster(cluster: IoredisCluster): Connection {
  return {
    send: (_key, command, ...args) => plainly(() => cluster.call(command, ...args)),
    async masters() {
      // While it is still connecting it knows no masters; it answers this once it does.
      await plainly(() => cluster.call('ping'))
      return someOf(cluster.nodes('master')).map(nodeOf)
    },
  }
}

function nodeRedisNode(client: NodeRedisClient, name = ''): Node {
  return { name, send: (...args) => plainly(() => client.sendCommand(args)) }
}

function sentinelMaster(client: NodeRedisSentinel): Node {
  return { name: '', send: (...args) => plainly(() => client.sendCommand(false, args)) }
}

function nodeRedisCluster(cluster: NodeRedisCluster): Connection {
  return {
    send: (key, ...command) => plainly(() => cluster.sendCommand(key, false, command)),
    masters: () =>
      plainly(() =>
        Promise.all(
          someOf(cluster.masters).map(async (master) => {
            const client = (await cluster.nodeClient(master as never)) as NodeRedisClient
            return nodeRedisNode(client, String(read(master, 'address')))
          }),
        ),
      ),
  }
}

/** No masters would read as "no accounts". */
function someOf<T>(masters: T[]): T[] {
  if (masters.length === 0) throw new Error('the cluster client knows no masters: is it connected?')
  return masters
}

/**
 * Errors of the clients carry the command with its arguments, and so account ids and whole rows, into whatever
 * logs them. What is left is what Redis or the connection says.
 */
async function plainly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { name, message, code } = (error ?? {}) as { name?: string; message?: string; code?: string }
    const said = String(message ?? error).replace(/,? with args beginning with.*/s, '')
    throw Object.assign(new Error(said), { name: name ?? 'Error' }, code !== undefined && { code })
  }
}

function has(value: unknown, method: string): boolean {
  return typeof read(value, method) === 'function'
}

function read(value: unknown, property: string): unknown {
  return (value as Record<string, unknown> | null | undefined)?.[property]
}
