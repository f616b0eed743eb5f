import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createClient, createCluster, createSentinel } from '@redis/client'
import { Cluster, Redis } from 'ioredis'
import { RedisStore, type RedisStoreOptions } from '../../lib/stores/redis'
import type { StoredRecord } from '../../lib/stores/store'
import { freePort } from '../support/free-port'
import { type FaultProxy, startFaultProxy } from '../support/servers/fault-proxy'
import { ping, startRedis } from '../support/servers/redis'
import { type RedisCluster, startRedisCluster } from '../support/servers/redis-cluster'
import { type DatabaseServer, ServerProcess } from '../support/servers/server-process'

const { describeWith, tools } = require('../support/tools.js')

const record = (version: number, sealed = `sealed-${version}`, activated = true): StoredRecord => ({
  version,
  activated,
  sealed,
})

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

const oddIds = [
  ...[
    '',
    'a',
    'A',
    'a ',
    'a:b',
    '{}',
    '{x}y',
    '}{',
    '{"id":1}',
    '*',
    'a?',
    '[a]',
    '\\',
    '\r\n',
    '%',
    '__proto__',
  ],
  ...['é', 'e\u0301', '名前', '\uffee', '😀', 'x'.repeat(255), '😀'.repeat(255)],
]

/** The commands that were sent to all servers. */
const commands: string[] = []
/** The next answer to this command, from whatever server, is lost with its connection. */
let lost: string | null = null

function notes(sent: Buffer): boolean {
  let losing = false
  for (const [, name = ''] of sent.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
    const command = name.toLowerCase()
    commands.push(command)
    if (command !== lost) continue
    lost = null
    losing = true
  }
  return losing
}

interface Made {
  client: ConstructorParameters<typeof RedisStore>[0]
  close(): unknown
}

/** ioredis otherwise holds the process for two seconds after it has disconnected. */
const brief = { disconnectTimeout: 50 }

/** What the clients send of their own. */
const housekeeping = /^(cluster|client|hello|info|ping|readonly|asking|auth)$/

describeWith(['redis', 'redisCli'], 'RedisStore', () => {
  let server: DatabaseServer
  let cluster: RedisCluster
  let admin: Redis
  let wire: FaultProxy
  /** By the port of the server. */
  let wires: Map<number, FaultProxy>
  const opened: Made[] = []

  beforeAll(async () => {
    server = await startRedis()
    cluster = await startRedisCluster()
    admin = new Redis(server.port, brief)
    const ports = [server.port, ...cluster.ports]
    const proxies = await Promise.all(ports.map(startFaultProxy))
    for (const proxy of proxies) proxy.loses = notes
    wires = new Map(ports.map((port, index) => [port, proxies[index] as FaultProxy]))
    wire = proxies[0] as FaultProxy
  }, 60_000)

  afterEach(async () => {
    for (const made of opened.splice(0)) await made.close()
  })

  afterAll(async () => {
    admin?.disconnect()
    await Promise.all([...(wires?.values() ?? [])].map((one) => one.close()))
    await Promise.all([server?.stop(), cluster?.stop()])
  })

  const detour = () =>
    Object.fromEntries(
      cluster.ports.map((port) => [
        `127.0.0.1:${port}`,
        { host: '127.0.0.1', port: (wires.get(port) as FaultProxy).port },
      ]),
    )
  const quietly = <T extends { on(event: 'error', listener: () => void): unknown }>(client: T): T => {
    client.on('error', () => {})
    return client
  }

  const ioredis = (options = {}) => {
    const client = quietly(new Redis(wire.port, '127.0.0.1', { ...brief, ...options }))
    return { client, close: () => client.disconnect() }
  }
  const ioredisCluster = (options = {}) => {
    const natMap = detour()
    const client = quietly(new Cluster(Object.values(natMap), { natMap, redisOptions: brief, ...options }))
    return { client, close: () => client.disconnect() }
  }
  const nodeRedis = async (options = {}) => {
    const client = quietly(createClient({ url: `redis://127.0.0.1:${wire.port}`, ...options }))
    await client.connect()
    return { client, close: () => client.isOpen && client.destroy() }
  }
  const nodeRedisCluster = async (options = {}) => {
    const nodeAddressMap = detour()
    const rootNodes = Object.values(nodeAddressMap).map((socket) => ({ socket }))
    const client = quietly(createCluster({ rootNodes, nodeAddressMap, ...options }))
    await client.connect()
    return { client, close: () => client.destroy() }
  }

  const open = async (make: () => Made | Promise<Made>): Promise<Made['client']> => {
    const made = await make()
    opened.push(made)
    return made.client
  }
  /** Each test has keys of its own. */
  let tests = 0
  const ownPrefix = () => `test-${++tests}*[x]:`
  const make = async (
    kind: () => Made | Promise<Made>,
    options: RedisStoreOptions = { prefix: ownPrefix() },
  ) => new RedisStore(await open(kind), options)

  /** What one call sends, to all servers. */
  async function sentBy(work: () => Promise<unknown>): Promise<string[]> {
    commands.length = 0
    await work()
    return commands.filter((name) => !housekeeping.test(name))
  }

  const onEveryMaster = async (...command: [string, ...string[]]) => {
    const client = ioredisCluster()
    await client.client.ping()
    await Promise.all(client.client.nodes('master').map((node) => node.call(...command)))
    await admin.call(...command)
    client.close()
  }

  describe.each<[string, () => Made | Promise<Made>]>([
    ['ioredis', () => ioredis()],
    ['ioredis with keyPrefix', () => ioredis({ keyPrefix: 'host?:' })],
    ['ioredis with enableAutoPipelining', () => ioredis({ enableAutoPipelining: true })],
    ['ioredis Cluster', () => ioredisCluster()],
    ['ioredis Cluster with keyPrefix', () => ioredisCluster({ keyPrefix: 'host?:' })],
    ['ioredis Cluster with enableAutoPipelining', () => ioredisCluster({ enableAutoPipelining: true })],
    ['node-redis', () => nodeRedis()],
    ['node-redis that speaks RESP2', () => nodeRedis({ RESP: 2 })],
    [
      'node-redis that hands out bytes',
      () => nodeRedis({ commandOptions: { typeMapping: { 36: Buffer, 43: Buffer } } }),
    ],
    ['node-redis cluster', () => nodeRedisCluster()],
    ['node-redis cluster with keyPrefix', () => nodeRedisCluster({ keyPrefix: 'host?:' })],
  ])('%s', (_name, kind) => {
    test('reads what was written, and writes only what was expected', async () => {
      const store = await make(kind)
      expect(await store.get('alice')).toBeNull()
      expect(await store.compareAndSet('alice', 1, record(2))).toBe(false)
      expect(await store.get('alice')).toBeNull()
      expect(await store.compareAndSet('alice', 0, record(1, 'v1.abc', false))).toBe(true)
      expect(await store.get('alice')).toEqual(record(1, 'v1.abc', false))
      expect(await store.compareAndSet('alice', 1, record(10))).toBe(true)
      for (const wrong of [0, 1, 9, 100, -1]) {
        expect(await store.compareAndSet('alice', wrong, record(11, 'intruder'))).toBe(false)
        if (wrong !== 0) expect(await store.compareAndSet('nobody', wrong, record(11))).toBe(false)
      }
      expect(await store.get('alice')).toEqual(record(10))
      await store.delete('alice')
      await store.delete('alice')
      expect(await store.get('alice')).toBeNull()
    })

    test('keeps odd account ids apart, and lists them in the order of their bytes', async () => {
      const store = await make(kind)
      const answers = await Promise.all(
        oddIds.map((id, i) => store.compareAndSet(id, 0, record(1, `of ${i}`))),
      )
      expect(answers).not.toContain(false)
      for (const [i, id] of oddIds.entries()) expect((await store.get(id))?.sealed).toBe(`of ${i}`)
      const listed = await store.list(null, 1000)
      expect(listed.map((row) => row.accountId)).toEqual([...oddIds].sort(byBytes))
      for (const { accountId, record } of listed) {
        expect(record).toEqual({ version: 1, activated: true, sealed: `of ${oddIds.indexOf(accountId)}` })
      }
    })

    test('needs one round trip to read and one to write', async () => {
      const store = await make(kind)
      await onEveryMaster('script', 'flush')
      // A server that does not know the script is told it once.
      expect(await sentBy(() => store.compareAndSet('alice', 0, record(1)))).toEqual(['evalsha', 'eval'])
      expect(await store.get('alice')).toEqual(record(1))
      expect(await sentBy(() => store.compareAndSet('alice', 1, record(2)))).toEqual(['evalsha'])
      expect(await sentBy(() => store.compareAndSet('alice', 1, record(2)))).toEqual(['evalsha'])
      expect(await sentBy(() => store.get('alice'))).toEqual(['getex'])
      expect(await sentBy(() => store.get('nobody'))).toEqual(['getex'])
    })

    test.each([0, 1])('of 20 writes at once from version %i exactly one succeeds', async (from) => {
      const store = await make(kind)
      if (from === 1) await store.compareAndSet('alice', 0, record(1))
      const answers = await Promise.all(
        // All write the same: also then only one has written.
        Array.from({ length: 20 }, () => store.compareAndSet('alice', from, record(from + 1))),
      )
      expect(answers.filter(Boolean)).toHaveLength(1)
      expect(await store.get('alice')).toEqual(record(from + 1))
    })

    test('reports the clock of the server', async () => {
      const store = await make(kind)
      const before = Date.now()
      const { clock, warnings } = await store.inspect()
      expect(clock).toBeGreaterThanOrEqual(before - 1)
      expect(clock).toBeLessThanOrEqual(Date.now() + 1)
      expect(warnings).toEqual([])
    })
  })

  test('a Sentinel client of node-redis', async () => {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'sentinel-'))
    const file = join(folder, 'sentinel.conf')
    writeFileSync(
      file,
      `bind 127.0.0.1\nport ${port}\ndir ${folder}\nsentinel monitor main 127.0.0.1 ${server.port} 1\n`,
    )
    const sentinel = new ServerProcess({ program: tools.redis.path(), args: [file, '--sentinel'] }, () =>
      ping(port),
    )
    await sentinel.start()
    try {
      const store = await make(async () => {
        const client = quietly(
          createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port }] }),
        )
        await client.connect()
        return { client, close: () => client.destroy() }
      })
      expect(await store.compareAndSet('alice', 0, record(1))).toBe(true)
      expect(await store.compareAndSet('alice', 0, record(1))).toBe(false)
      expect(await store.get('alice')).toEqual(record(1))
      expect(await store.list(null, 10)).toEqual([{ accountId: 'alice', record: record(1) }])
      expect((await store.inspect()).warnings).toEqual([])
    } finally {
      for (const made of opened.splice(0)) await made.close()
      await sentinel.end('SIGKILL')
      rmSync(folder, { recursive: true })
    }
  })

  describe.each<[string, () => Made | Promise<Made>]>([
    ['ioredis', () => ioredis()],
    ['ioredis Cluster', () => ioredisCluster()],
    ['node-redis cluster', () => nodeRedisCluster()],
  ])('the list of 1,000 accounts, %s', (_name, kind) => {
    const ids = Array.from({ length: 1000 }, (_, i) => `${(i * 7919) % 1000}-${i % 3 ? 'é' : '😀'}-${i}`)

    test('has each once, in order, from one scan, and one more to see the end', async () => {
      const store = await make(kind)
      await Promise.all(ids.map((id) => store.compareAndSet(id, 0, record(1, id.replace(/[^\w-]/gu, '')))))
      const listed: string[] = []
      let scanned = 0
      for (;;) {
        let page: Awaited<ReturnType<typeof store.list>> = []
        const commands = await sentBy(async () => {
          page = await store.list(listed.at(-1) ?? null, 64)
        })
        if (commands.includes('scan')) scanned += 1
        if (page.length === 0) break
        expect(page.length).toBeLessThanOrEqual(64)
        for (const row of page) expect(row.record.sealed).toBe(row.accountId.replace(/[^\w-]/gu, ''))
        listed.push(...page.map((row) => row.accountId))
        // Erased during the walk: left out, and the pages stay full.
        if (listed.length === 64)
          for (const id of [...ids].sort(byBytes).slice(64, 74)) await store.delete(id)
      }
      const left = [...ids].sort(byBytes)
      left.splice(64, 10)
      expect(listed).toEqual(left)
      expect(scanned).toBe(2)
    })
  })

  describe('list', () => {
    test('starts anywhere, and a new walk sees what came since', async () => {
      const store = await make(ioredis)
      for (const id of ['b', 'd', 'f']) await store.compareAndSet(id, 0, record(1))
      const idsOf = async (after: string | null, limit = 10) =>
        (await store.list(after, limit)).map((row) => row.accountId)
      expect(await idsOf('c')).toEqual(['d', 'f'])
      expect(await idsOf('d')).toEqual(['f'])
      expect(await idsOf('f')).toEqual([])
      expect(await idsOf(null, 0)).toEqual([])
      expect(await idsOf(null, 1)).toEqual(['b'])
      await store.compareAndSet('a', 0, record(1))
      expect(await idsOf(null, 1)).toEqual(['a'])
      expect(await idsOf('a')).toEqual(['b', 'd', 'f'])
    })

    test('two walks at once miss nothing that was there when each began', async () => {
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let scans = 0
      const client = {
        isOpen: true,
        async sendCommand([command, ...args]: string[]) {
          const first = command === 'scan' && ++scans === 1
          const reply = await admin.call(String(command), ...args)
          if (first) await held
          return reply
        },
      }
      const store = new RedisStore(client, { prefix: ownPrefix() })
      for (const id of ['b', 'd']) await store.compareAndSet(id, 0, record(1))
      const first = store.list(null, 1)
      while (scans === 0) await delay(1)
      await store.compareAndSet('c', 0, record(1))
      expect((await store.list(null, 1))[0]?.accountId).toBe('b')
      release()
      expect((await first)[0]?.accountId).toBe('b')
      // For the second walk, which began when there was a c.
      expect((await store.list('b', 10)).map((row) => row.accountId)).toEqual(['c', 'd'])
    })

    test('a key that SCAN names twice is one account', async () => {
      const client = {
        isOpen: true,
        async sendCommand([command, ...args]: string[]) {
          const reply = await admin.call(String(command), ...args)
          const [cursor, keys] = Array.isArray(reply) ? reply : []
          return command === 'scan' ? [cursor, [...keys, ...keys]] : reply
        },
      }
      const store = new RedisStore(client, { prefix: ownPrefix() })
      for (const id of ['b', 'a']) await store.compareAndSet(id, 0, record(1))
      expect((await store.list(null, 10)).map((row) => row.accountId)).toEqual(['a', 'b'])
    })

    test('a cluster without masters is not one without accounts', async () => {
      const client = { masters: [], nodeClient() {}, sendCommand: async () => 'p:' }
      const store = new RedisStore(client, { prefix: 'p:' })
      await expect(store.list(null, 10)).rejects.toThrow(/no masters/)
      await expect(store.inspect()).rejects.toThrow(/no masters/)
    })

    test('other keys are not its own', async () => {
      const prefix = ownPrefix()
      const store = await make(ioredis, { prefix })
      await admin.set(prefix.replace('*', 'anything'), 'x')
      await admin.set(`x${prefix}y`, 'x')
      expect(await store.list(null, 10)).toEqual([])
    })
  })

  test('the prefix is second-factor: unless said otherwise, after what the client puts before it', async () => {
    const store = await make(() => ioredis({ keyPrefix: 'host:' }), {})
    await store.compareAndSet('alice', 0, record(1))
    expect(await admin.del('host:second-factor:alice')).toBe(1)
  })

  describe('an answer that was lost with its connection', () => {
    test.each<[string, () => Made]>([
      ['ioredis', () => ioredis()],
      // It goes from node to node until it knows the cluster again, and with a natMap cannot follow MOVED.
      ['ioredis Cluster', () => ioredisCluster({ maxRedirections: 1000 })],
    ])('%s asks again, and the write has succeeded', async (_name, kind) => {
      const store = await make(kind)
      await onEveryMaster('script', 'flush')
      await store.compareAndSet('alice', 0, record(1))
      lost = 'evalsha'
      let answer: boolean | null = null
      const commands = await sentBy(async () => {
        answer = await store.compareAndSet('alice', 1, record(2))
      })
      // In a cluster more than twice, while nodes answer that it is another's.
      expect(commands.length).toBeGreaterThan(1)
      expect(commands.filter((name) => name !== 'evalsha')).toEqual([])
      expect(answer).toBe(true)
      expect(await store.get('alice')).toEqual(record(2))
    })

    test('asked again after others have written, the write has succeeded too', async () => {
      const { client, close } = ioredis()
      const prefix = ownPrefix()
      const other = await make(ioredis, { prefix })
      const call = client.call.bind(client) as (...command: string[]) => Promise<unknown>
      // The driver sends the command, loses the answer, and sends it once more when somebody else has been there.
      client.call = (async (...command: string[]) => {
        const first = await call(...command)
        if (command[0] !== 'evalsha') return first
        for (let version = 2; version < 6; version++) {
          expect(await other.compareAndSet('alice', version, record(version + 1))).toBe(true)
        }
        return call(...command)
      }) as typeof client.call
      await other.compareAndSet('alice', 0, record(1))
      const store = new RedisStore(client, { prefix })
      expect(await store.compareAndSet('alice', 1, record(2))).toBe(true)
      expect(await store.get('alice')).toEqual(record(6))
      close()
    })

    test('node-redis rejects', async () => {
      const store = await make(nodeRedis)
      await store.compareAndSet('alice', 0, record(1))
      lost = 'evalsha'
      await expect(store.compareAndSet('alice', 1, record(2))).rejects.toThrow(/socket|closed/i)
      expect(await store.get('alice')).toEqual(record(2))
    })
  })

  describe('what it does not believe', () => {
    test.each([
      '',
      'x',
      'null',
      '1',
      '1 1',
      '1 1 abcdefghijkl',
      '1 1 abcdefghijkl ',
      '1 1 short x',
      '0 1 abcdefghijkl x',
      '01 1 abcdefghijkl x',
      '-1 1 abcdefghijkl x',
      '1.5 1 abcdefghijkl x',
      '9007199254740993 1 abcdefghijkl x',
      '1 2 abcdefghijkl x',
      '1 true abcdefghijkl x',
      '1 1 abcdefghijkl x\ny',
      '1 1 abcdefghijkl é',
    ])('the row %j', async (row) => {
      const prefix = ownPrefix()
      const store = await make(ioredis, { prefix })
      await admin.set(`${prefix}alice`, row)
      await expect(store.get('alice')).rejects.toThrow(/damaged/)
      await store.compareAndSet('bob', 0, record(1))
      // It hides no other in a list.
      expect(await store.list(null, 10)).toEqual([
        { accountId: 'alice', record: { version: 0, activated: false, sealed: '' } },
        { accountId: 'bob', record: record(1) },
      ])
      expect(await store.getMany(['bob', 'alice', 'carol'])).toEqual([
        record(1),
        { version: 0, activated: false, sealed: '' },
        null,
      ])
      // No row at all is what a first write expects, and this is not that.
      const write = await store.compareAndSet('alice', 0, record(1)).catch((error) => error.message)
      expect([false, 'A row of the second factors in Redis is damaged']).toContain(write)
      expect(await admin.get(`${prefix}alice`)).toBe(row)
    })

    test('a key of another type', async () => {
      const prefix = ownPrefix()
      for (const kind of [ioredis, nodeRedis]) {
        const store = await make(kind, { prefix })
        await admin.hset(`${prefix}alice`, { version: '1', activated: '1', sealed: 'x' })
        await expect(store.get('alice')).rejects.toThrow(/WRONGTYPE/)
        await expect(store.compareAndSet('alice', 0, record(1))).rejects.toThrow(/WRONGTYPE/)
        await expect(store.compareAndSet('alice', 1, record(2))).rejects.toThrow(/WRONGTYPE/)
        expect((await store.list(null, 10)).map((row) => [row.accountId, row.record.sealed])).toEqual([
          ['alice', ''],
        ])
      }
    })

    test.each([record(0), record(1.5), record(1, ''), record(1, 'a\nb')])(
      'that %j could be written',
      async (next) => {
        const store = await make(ioredis)
        await expect(store.compareAndSet('alice', 0, next)).rejects.toThrow(TypeError)
        expect(await store.get('alice')).toBeNull()
      },
    )

    test.each(['a\0b', '\0', 'a\ud800', '\udfffb'])('the account id %j', async (id) => {
      const store = await make(ioredis)
      await expect(store.get(id)).rejects.toThrow(TypeError)
      await expect(store.compareAndSet(id, 0, record(1))).rejects.toThrow(TypeError)
      await expect(store.delete(id)).rejects.toThrow(TypeError)
    })

    test.each([undefined, 1, {}, [], 'QUEUED', true])('a client that answers %j', async (reply) => {
      const client = { isOpen: true, sendCommand: async () => reply }
      const store = new RedisStore(client)
      await expect(store.get('alice')).rejects.toThrow(TypeError)
      await expect(store.compareAndSet('alice', 0, record(1))).rejects.toThrow(TypeError)
      await expect(store.list(null, 10)).rejects.toThrow(TypeError)
      if (reply !== 1) await expect(store.delete('alice')).rejects.toThrow(TypeError)
    })
  })

  describe('what it takes', () => {
    test('no other thing', () => {
      const things = [null, undefined, {}, 'redis://localhost', { get() {}, set() {} }, { sendCommand() {} }]
      for (const thing of [...things, admin.pipeline()]) {
        expect(() => new RedisStore(thing as never)).toThrow(/SF_REDIS_CLIENT/)
      }
    })

    test.each(['', ' ', 'a b', 'é', 7, null])('no prefix %j', (prefix) => {
      expect(() => new RedisStore(admin, { prefix } as never)).toThrow(/SF_REDIS_PREFIX/)
    })
  })

  describe('replicas', () => {
    test.each<[string, () => Made | Promise<Made>]>([
      ['ioredis', () => ioredisCluster({ scaleReads: 'slave' })],
      ['node-redis', () => nodeRedisCluster({ useReplicas: true })],
    ])('a cluster client that reads from them does not do so here: %s', async (_name, kind) => {
      const store = await make(kind)
      const replicas = []
      for (const port of cluster.ports) {
        const node = new Redis(port, brief)
        if (/role:slave/.test(await node.info('replication'))) replicas.push(node)
        else node.disconnect()
      }
      await Promise.all(replicas.map((node) => node.config('RESETSTAT')))
      for (let i = 0; i < 50; i += 1) expect(await store.get(`${i}`)).toBeNull()
      const reads = await Promise.all(replicas.map((node) => node.info('commandstats')))
      for (const node of replicas) node.disconnect()
      expect(reads).toHaveLength(3)
      expect(reads.join()).not.toMatch(/cmdstat_(get|getex|evalsha)/)
    })

    test('a master that misses those it was told to have answers nothing from the past', async () => {
      const store = await make(ioredis)
      await store.compareAndSet('alice', 0, record(1))
      await admin.config('SET', 'min-replicas-to-write', '1')
      try {
        await expect(store.get('alice')).rejects.toThrow(/NOREPLICAS/)
        await expect(store.compareAndSet('alice', 1, record(2))).rejects.toThrow(/NOREPLICAS/)
      } finally {
        await admin.config('SET', 'min-replicas-to-write', '0')
      }
      expect(await store.get('alice')).toEqual(record(1))
    })

    test('a client that is connected to one is refused, and told of; a dead one rejects', async () => {
      // Else the server waits five seconds for further replicas.
      await admin.config('SET', 'repl-diskless-sync-delay', '0')
      const replica = await startRedis(['--replicaof', '127.0.0.1', `${server.port}`])
      try {
        const kinds = [
          () => {
            const client = quietly(
              new Redis(replica.port, {
                commandTimeout: 2000,
                maxRetriesPerRequest: 1,
                retryStrategy: () => 20,
              }),
            )
            return { client, close: () => client.disconnect() }
          },
          () => nodeRedis({ url: replica.url, disableOfflineQueue: true }),
        ]
        const prefix = ownPrefix()
        const stores = await Promise.all(kinds.map((kind) => make(kind, { prefix })))
        const client = new Redis(replica.port, brief)
        while (!/master_link_status:up/.test(await client.info('replication'))) await delay(20)
        client.disconnect()
        for (const store of stores) {
          await expect(store.get('alice')).rejects.toThrow(/READONLY/)
          await expect(store.compareAndSet('alice', 0, record(1))).rejects.toThrow(/READONLY/)
          await expect(store.delete('alice')).rejects.toThrow(/READONLY/)
          expect((await store.inspect()).warnings).toEqual([
            expect.stringMatching(/connected to a replica.*Connect it to the master/),
          ])
        }
        await replica.kill()
        for (const store of stores) {
          for (const call of [
            () => store.get('alice'),
            () => store.compareAndSet('alice', 0, record(1, 'ciphertext')),
            () => store.list(null, 10),
            () => store.delete('alice'),
            () => store.inspect(),
          ]) {
            const error = await call().then(
              (answer) => `answered ${answer}`,
              (error) => error,
            )
            expect(error).toBeInstanceOf(Error)
            expect(inspect(error, { depth: null })).not.toMatch(/alice|ciphertext/)
          }
        }
      } finally {
        await replica.stop()
      }
    }, 20_000)
  })

  test('errors say nothing of the account or its row', async () => {
    await admin.call('acl', 'setuser', 'reader', 'on', '>pw', '~*', '+@read', '+client', '+info')
    for (const kind of [ioredis, nodeRedis]) {
      const store = await make(() => kind({ username: 'reader', password: 'pw' }))
      for (const call of [
        () => store.get('alice'),
        () => store.compareAndSet('alice', 0, record(1, 'ciphertext')),
        () => store.delete('alice'),
      ]) {
        const error = await call().then(
          (answer) => `answered ${answer}`,
          (error) => error,
        )
        expect(error).toMatchObject({ message: expect.stringMatching(/^NOPERM/) })
        expect(inspect(error, { depth: null })).not.toMatch(/alice|ciphertext/)
      }
    }
    const client = { isOpen: true, sendCommand: (args: string[]) => admin.call('getexx', ...args) }
    const error = await new RedisStore(client).get('alice').catch((error) => error)
    expect(error.message).toMatch(/unknown command/)
    expect(inspect(error, { depth: null })).not.toMatch(/alice/)
  })

  describe('inspect', () => {
    const kept = ['maxmemory', 'maxmemory-policy', 'appendonly', 'appendfsync', 'save']
    let before: string[][]
    beforeAll(async () => {
      before = await Promise.all(kept.map((name) => admin.config('GET', name) as Promise<string[]>))
    })
    afterEach(async () => {
      for (const [name, value] of before) await admin.config('SET', name as string, value as string)
    })
    const warnings = async (kind: () => Made | Promise<Made>, settings: Record<string, string>) => {
      for (const [name, value] of Object.entries(settings)) await admin.config('SET', name, value)
      return (await (await make(kind)).inspect()).warnings
    }

    const cases: [Record<string, string>, RegExp[]][] = [
      [{}, []],
      [{ maxmemory: '100mb' }, []],
      [
        { 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb' },
        [/when memory runs out.*password alone.*noeviction/],
      ],
      [{ 'maxmemory-policy': 'allkeys-random' }, [/once maxmemory is set.*password alone.*noeviction/]],
      [
        { 'maxmemory-policy': 'volatile-ttl', maxmemory: '100mb' },
        [/volatile-ttl.*none is lost.*noeviction/],
      ],
      [{ appendonly: 'no', save: '' }, [/restart loses every second factor.*appendonly yes/]],
      [
        { appendonly: 'no', save: '3600 1' },
        [/crash loses everything since the last snapshot.*appendonly yes/],
      ],
      [{ appendfsync: 'everysec' }, [/last second.*used again.*appendfsync always/]],
      [{ appendfsync: 'no' }, [/appendfsync is no.*appendfsync always/]],
      [{ 'maxmemory-policy': 'allkeys-lfu', appendonly: 'no' }, [/allkeys-lfu/, /appendonly is no/]],
    ]
    const matching = (patterns: RegExp[]) => patterns.map((pattern) => expect.stringMatching(pattern))

    test.each(cases)('%j', async (settings, patterns) => {
      expect(await warnings(ioredis, settings)).toEqual(matching(patterns))
      expect(await warnings(nodeRedis, {})).toEqual(matching(patterns))
      expect(await warnings(() => nodeRedis({ RESP: 2 }), {})).toEqual(matching(patterns))
    })

    describe.each([
      [
        'CONFIG is forbidden',
        '-config',
        [/not allowed: appendfsync always\. /],
        [/allkeys-lru/, /appendonly is no/],
      ],
      [
        'CONFIG and INFO are forbidden',
        '-info -config',
        [/connected to a master; maxmemory-policy noeviction; appendonly yes; appendfsync always\. /],
        [/connected to a master; maxmemory-policy noeviction; appendonly yes/],
      ],
      ['TIME, CONFIG and INFO are forbidden', '-info -config -time', [/not allowed/], [/not allowed/]],
    ])('where %s', (_name, rights, good, bad) => {
      test('it says what it does not know', async () => {
        await admin.call('acl', 'setuser', 'limited', 'on', '>pw', '~*', '&*', '+@all', ...rights.split(' '))
        const user = { username: 'limited', password: 'pw' }
        const limited = () => ioredis({ ...user, enableReadyCheck: false })
        const { clock } = await (await make(limited)).inspect()
        expect(clock === null).toBe(rights.includes('time'))
        expect(await warnings(limited, {})).toEqual(matching(good))
        expect(await warnings(() => nodeRedis(user), {})).toEqual(matching(good))
        expect(await warnings(limited, { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' })).toEqual(
          matching(bad),
        )
        await admin.call('acl', 'deluser', 'limited')
      })
    })

    test.each<[string, () => Made | Promise<Made>]>([
      ['ioredis', () => ioredisCluster()],
      ['node-redis', () => nodeRedisCluster()],
    ])('in a cluster it asks every master, and names those that it warns of: %s', async (_name, kind) => {
      const store = await make(kind)
      const masters = new Cluster(cluster.nodes, { redisOptions: brief })
      await masters.ping()
      const [first, second] = masters.nodes('master') as [Redis, Redis]
      for (const node of [first, second]) {
        await node.config('SET', 'appendfsync', 'everysec')
        const { warnings } = await store.inspect()
        expect(warnings).toEqual([expect.stringMatching(/^Redis at 127.0.0.1:\d+: appendfsync is everysec/)])
        await node.config('SET', 'appendfsync', 'always')
      }
      masters.disconnect()
    })
  })
})
