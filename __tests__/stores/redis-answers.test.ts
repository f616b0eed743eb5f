import { RedisStore } from 'express-second-factor'
import { DamagedRowError } from '../../lib/stores/damaged'
import type { RedisClient } from '../../lib/stores/redis/clients'

type Answer = (command: string, ...args: string[]) => unknown

/** A client of ioredis whose server answers this. */
function clientOf(answer: Answer, parts: object = {}): RedisClient & { asked: string[][] } {
  const asked: string[][] = []
  return {
    asked,
    status: 'ready',
    getex: async () => null,
    call: async (command: string, ...args: string[]) => {
      asked.push([command, ...args])
      return answer(command, ...args)
    },
    ...parts,
  }
}

const storeOf = (answer: Answer, parts?: object) => new RedisStore(clientOf(answer, parts))
const answering = (reply: unknown) => storeOf(() => reply)
const refusing = (error: unknown) =>
  storeOf(() => {
    throw error
  })

const caught = (work: Promise<unknown>) => work.then(() => null).catch((error: Error) => error)
const MARK = 'abcdefghijkl'
const row = (version: number | string, sealed = 'sealed') => `${version} 1 ${MARK} ${sealed}`
const record = { version: 2, activated: true, sealed: 'sealed' }

describe('a row', () => {
  test.each<[unknown]>([[row(2)], [Buffer.from(row(2))], [`2 1 ${MARK},${MARK} sealed`]])(
    'that is answered as %p',
    async (reply) => expect(await answering(reply).get('u')).toEqual(record),
  )

  test.each<[unknown, string, boolean]>([
    [7, 'did not answer with a row', false],
    [undefined, 'did not answer with a row', false],
    ['', 'is damaged', true],
    [`x${row(2)}`, 'is damaged', true],
    [row('9999999999999999'), 'is damaged', true],
    [row('0'), 'is damaged', true],
    [`${row(2)}\n`, 'is damaged', true],
  ])('that is answered as %p', async (reply, words, damaged) => {
    const error = await caught(answering(reply).get('u'))
    expect(error?.message).toContain(words)
    expect(error instanceof DamagedRowError).toBe(damaged)
  })

  test('of another type is damage, and no other error is', async () => {
    const wrong = await caught(refusing(new Error('WRONGTYPE Operation against a key')).get('u'))
    expect(wrong).toBeInstanceOf(DamagedRowError)
    expect(wrong?.message).toContain('is damaged: WRONGTYPE Operation')
    const other = await caught(refusing(new Error('is it WRONGTYPE?')).get('u'))
    expect(other).not.toBeInstanceOf(DamagedRowError)
  })

  test('that is none is not written', async () => {
    const client = clientOf(() => 'written')
    const error = await caught(new RedisStore(client).compareAndSet('u', 1, { ...record, sealed: 'a\nb' }))
    expect(error?.message).toBe('What is to be written is no record')
    expect(client.asked).toEqual([])
  })
})

describe('a write', () => {
  test.each<[unknown, boolean]>([
    ['written', true],
    [Buffer.from('written'), true],
    ['other version', false],
  ])('that is answered by %p', async (reply, written) => {
    expect(await answering(reply).compareAndSet('u', 1, record)).toBe(written)
  })

  test('to a row that is damaged, and one that is not answered', async () => {
    const damaged = await caught(answering('damaged').compareAndSet('u', 1, record))
    expect(damaged?.message).toBe('A row of the second factors in Redis is damaged')
    const odd = await caught(answering('QUEUED').compareAndSet('u', 1, record))
    expect(odd?.message).toBe('Redis did not answer whether it has written')
  })

  test('is sent whole where the server does not know it', async () => {
    const client = clientOf((command) => {
      if (command === 'evalsha') throw new Error('NOSCRIPT No matching script')
      return 'written'
    })
    expect(await new RedisStore(client).compareAndSet('u', 1, record)).toBe(true)
    expect(client.asked.map(([command]) => command)).toEqual(['evalsha', 'eval'])
    const other = clientOf(() => {
      throw new Error('ERR it says NOSCRIPT')
    })
    expect((await caught(new RedisStore(other).compareAndSet('u', 1, record)))?.message).toContain(
      'ERR it says',
    )
    expect(other.asked).toHaveLength(1)
  })
})

test.each<[unknown, boolean]>([
  [0, true],
  [1, true],
  ['1', true],
  [11, false],
  ['x1', false],
  ['1\n', false],
  [null, false],
  ['QUEUED', false],
])('an erasure that is answered by %p is one: %p', async (reply, is) => {
  const error = await caught(answering(reply).delete('u'))
  expect(error?.message ?? null).toBe(is ? null : 'Redis did not answer whether it has deleted')
})

describe('what the client says', () => {
  test('is told without its arguments', async () => {
    for (const [said, told] of [
      ['Connection is closed, with args beginning with: get, u-alice', 'Connection is closed'],
      ['Failed with args beginning with\nset\nu-alice', 'Failed'],
      ['READONLY You can not write', 'READONLY You can not write'],
    ] as const) {
      const error = await caught(refusing(Object.assign(new Error(said), { args: ['u-alice'] })).get('u'))
      expect(error).toMatchObject({ message: told, name: 'Error' })
      expect(Object.keys(error as object)).toEqual(['name'])
    }
  })

  test('keeps its name and its code', async () => {
    const failure = Object.assign(new TypeError('away'), { code: 'ECONNRESET' })
    expect(await caught(refusing(failure).get('u'))).toMatchObject({
      name: 'TypeError',
      message: 'away',
      code: 'ECONNRESET',
    })
    for (const odd of [null, 'away', undefined]) {
      expect(await caught(refusing(odd).get('u'))).toMatchObject({ name: 'Error', message: String(odd) })
    }
  })

  test.each<[unknown]>([
    [{}],
    [null],
    [{ call() {}, getex() {} }],
    [{ call() {}, status: 'ready' }],
    [{ getex() {}, status: 'ready' }],
    [{ sendCommand() {} }],
    [{ isOpen: true }],
    [{ sendCommand: 'text', isOpen: true }],
  ])('%j is none', (client) => {
    expect(() => new RedisStore(client as RedisClient)).toThrow(
      expect.objectContaining({
        code: 'SF_REDIS_CLIENT',
        message: expect.stringMatching(/ioredis \(new Redis, new Cluster\).*createCluster, createSentinel\)/),
      }),
    )
  })

  test('commands go where they may write', async () => {
    const sent: unknown[] = []
    const sentinel = {
      getMasterNode() {},
      sendCommand: async (...parts: unknown[]) => void sent.push(parts),
    }
    await caught(new RedisStore(sentinel as unknown as RedisClient).get('u'))
    const cluster = { nodeClient() {}, masters: [], sendCommand: sentinel.sendCommand }
    await caught(new RedisStore(cluster as unknown as RedisClient).get('u'))
    const key = 'second-factor:u'
    expect(sent).toEqual([
      [false, ['getex', key]],
      [key, false, ['getex', key]],
    ])
  })
})

test('options are told by name, and no prefix is none', () => {
  const client = clientOf(() => null)
  const made = (options: object) => () => new RedisStore(client, options)
  expect(made({ prefx: 'a' })).toThrow(
    expect.objectContaining({ message: expect.stringContaining('RedisStore.') }),
  )
  for (const prefix of ['', ' a', 'ä', null, 7]) {
    expect(made({ prefix })).toThrow(
      expect.objectContaining({
        code: 'SF_REDIS_PREFIX',
        message: expect.stringContaining('prefix must be one or more visible ASCII characters'),
      }),
    )
  }
  expect(made({ prefix: 'app:' })).not.toThrow()
})

describe('list', () => {
  /** A server that has these keys, and hands them out in pages of two. */
  function server(keys: string[], prefixed = '') {
    let walks = 0
    const answer: Answer = (command, ...args) => {
      if (command === 'eval') return prefixed + (args[2] as string)
      if (command === 'scan') {
        const at = Number(args[0])
        walks += at === 0 ? 1 : 0
        return [at + 2 < keys.length ? String(at + 2) : '0', keys.slice(at, at + 2)]
      }
      return row(1)
    }
    return { answer, walks: () => walks }
  }
  const keysOf = (...ids: string[]) => ids.map((id) => `second-factor:${id}`)
  const idsOf = async (store: RedisStore, after: string | null, limit: number) =>
    (await store.list(after, limit)).map(({ accountId }) => accountId)

  test('pages of one walk come from one look, and what is after the last id is looked up anew', async () => {
    const { answer, walks } = server(keysOf('c', 'a', 'e', 'b', 'd'))
    const store = storeOf(answer)
    expect(await idsOf(store, null, 2)).toEqual(['a', 'b'])
    expect(await idsOf(store, 'b', 2)).toEqual(['c', 'd'])
    expect(walks()).toBe(1)
    expect(await idsOf(store, 'b', 2)).toEqual(['c', 'd'])
    expect(walks()).toBe(2)
    expect(await idsOf(store, 'd', 2)).toEqual(['e'])
    expect(walks()).toBe(2)
    expect(await idsOf(store, 'e', 2)).toEqual([])
    expect(await idsOf(store, null, 1)).toEqual(['a'])
    expect(walks()).toBe(4)
  })

  test('a walk that another one has overtaken is not gone on with', async () => {
    const { answer, walks } = server(keysOf('a', 'b', 'c'))
    const store = storeOf(answer)
    await Promise.all([idsOf(store, null, 1), idsOf(store, null, 2)])
    expect(walks()).toBe(2)
    expect(await idsOf(store, 'b', 1)).toEqual(['c'])
    expect(walks()).toBe(2)
    expect(await idsOf(store, 'a', 1)).toEqual(['b'])
    expect(walks()).toBe(3)
  })

  test('a prefix that the client puts before keys is not part of an id', async () => {
    const { answer } = server(['app:second-factor:a', 'app:second-factor:b'], 'app:')
    expect(await idsOf(storeOf(answer), null, 9)).toEqual(['a', 'b'])
  })

  test.each<[string, Answer, string]>([
    ['eval', () => 'another:', 'Redis did not answer with the key it was asked for'],
    ['eval', () => null, 'Redis did not answer with the key it was asked for'],
    ['scan', () => 'QUEUED', 'Redis did not answer SCAN with keys'],
    ['scan', () => ['0'], 'Redis did not answer SCAN with keys'],
    ['scan', () => ['0', 'key'], 'Redis did not answer SCAN with keys'],
    ['scan', () => ['0', ['key', 7]], 'Redis did not answer SCAN with keys'],
    ['scan', () => [7, ['key']], 'Redis did not answer SCAN with keys'],
  ])('an odd answer to %s is an error, and never "no accounts"', async (command, odd, words) => {
    const { answer } = server(keysOf('a'))
    const store = storeOf((asked, ...args) =>
      asked === command ? odd(asked, ...args) : answer(asked, ...args),
    )
    expect((await caught(store.list(null, 9)))?.message).toBe(words)
  })
})

describe('inspect', () => {
  const well = { policy: 'noeviction', maxmemory: '0', appendonly: 'yes', appendfsync: 'always', save: '' }
  const keys = {
    policy: 'maxmemory-policy',
    maxmemory: 'maxmemory',
    appendonly: 'appendonly',
    appendfsync: 'appendfsync',
    save: 'save',
  }
  type Server = { config?: Partial<typeof well> | null; info?: string | null; time?: unknown }

  function answerOf({
    config = {},
    info = 'role:master\r\n',
    time = ['1700000000', '123456'],
  }: Server): Answer {
    return (command, _get, name) => {
      if (command === 'ping') return 'PONG'
      if (command === 'time') return time
      if (command === 'info') {
        if (info === null) throw new Error('NOPERM this user has no permissions')
        return info
      }
      if (config === null) throw new Error('ERR unknown command CONFIG')
      const [own] = Object.entries(keys).find(([, key]) => key === name) ?? []
      const value = { ...well, ...config }[own as keyof typeof well]
      return value === undefined ? [] : [name, value]
    }
  }
  const inspected = (server: Server) => storeOf(answerOf(server)).inspect()

  test('all is well, and the clock is the server’s', async () => {
    expect(await inspected({})).toEqual({ clock: 1_700_000_000_123, warnings: [] })
    for (const time of ['QUEUED', [], ['x', '1']]) expect((await inspected({ time })).clock).toBeNull()
  })

  test.each<[Partial<typeof well>, string]>([
    [
      { policy: 'allkeys-lru', maxmemory: '0' },
      'allkeys-lru: once maxmemory is set and reached, second factors are',
    ],
    [
      { policy: 'allkeys-lru', maxmemory: '1' },
      'allkeys-lru: when memory runs out, second factors are evicted',
    ],
    [{ policy: 'volatile-ttl' }, 'maxmemory-policy is volatile-ttl. It evicts only keys that expire'],
    [{ appendonly: 'no', save: '' }, 'there are no snapshots: a restart loses every second factor'],
    [
      { appendonly: 'no', save: '60 1' },
      'if snapshots are made: second factors, and accounts that had one are open',
    ],
    [{ appendfsync: 'everysec' }, 'appendfsync is everysec: a power cut loses the last second or two.'],
    [{ appendfsync: 'no' }, 'appendfsync is no: a power cut loses what the system had not yet written.'],
  ])('%j is warned of', async (config, words) => {
    expect((await inspected({ config })).warnings).toEqual([expect.stringContaining(words)])
  })

  test('where CONFIG is forbidden, INFO says some of it, and the rest is named', async () => {
    const info =
      'role:master\r\nmaxmemory_policy:allkeys-lfu\r\nmaxmemory:0\r\naof_enabled:0\r\nmaxmemory_policy_of_another:x'
    expect((await inspected({ config: null, info })).warnings).toEqual([
      expect.stringContaining('maxmemory-policy is allkeys-lfu: once maxmemory is set'),
      expect.stringMatching(/appendonly is no, so a crash .* used codes and wrong ones\./),
    ])
    expect(
      (await inspected({ config: null, info: `${info.replace('aof_enabled:0', 'aof_enabled:1')}` })).warnings,
    ).toEqual([
      expect.stringContaining('allkeys-lfu'),
      'could not be checked, as CONFIG or INFO is not allowed: appendfsync always. See to it where the server is set up.',
    ])
    expect((await inspected({ config: null, info: null })).warnings).toEqual([
      'could not be checked, as CONFIG or INFO is not allowed: that the client is connected to a master; ' +
        'maxmemory-policy noeviction; appendonly yes; appendfsync always. See to it where the server is set up.',
    ])
    expect((await inspected({ info: '' })).warnings).toEqual([
      expect.stringContaining('connected to a master.'),
    ])
  })

  test('a replica, and a server that does not answer', async () => {
    expect((await inspected({ info: 'role:slave\n' })).warnings).toEqual([
      expect.stringContaining('a replica'),
    ])
    const away = refusing(new Error('it says ERR'))
    await expect(away.inspect()).rejects.toThrow('it says ERR')
  })

  test('answers come as lists, maps, objects and bytes', async () => {
    const shapes: ((name: string, value: string) => unknown)[] = [
      (name, value) => ['x', 'y', name, value],
      (name, value) => new Map([[name, value]]),
      (name, value) => ({ [name]: value }),
      (name, value) => [Buffer.from(name), Buffer.from(value)],
    ]
    for (const shape of shapes) {
      const answer = answerOf({})
      const store = storeOf((command, ...args) => {
        const reply = answer(command, ...args)
        return command === 'config' ? shape(...(reply as [string, string])) : reply
      })
      expect((await store.inspect()).warnings).toEqual([])
    }
    const none = storeOf((command, ...args) =>
      command === 'config' ? ['other', 'x'] : answerOf({})(command, ...args),
    )
    expect((await none.inspect()).warnings).toEqual([expect.stringContaining('could not be checked')])
  })

  test('of several masters each is named, and the clock is the one that is most wrong', async () => {
    const now = Math.floor(Date.now() / 1000)
    const nodes = [
      { config: {}, time: [`${now}`, '0'] },
      { config: { appendfsync: 'no' }, time: [`${now - 900}`, '0'] },
      { config: { appendfsync: 'no' }, time: [`${now + 60}`, '0'] },
      { config: {}, time: 'QUEUED' },
    ].map((server, i) => clientOf(answerOf(server), { options: { host: `redis-${i}`, port: 7000 + i } }))
    const cluster = clientOf(() => 'PONG', { nodes: () => nodes })
    const { clock, warnings } = await new RedisStore(cluster).inspect()
    expect(clock).toBe((now - 900) * 1000)
    expect(warnings).toEqual([
      expect.stringMatching(/^Redis at redis-1:7001, redis-2:7002: appendfsync is no/),
    ])
    const ahead = clientOf(() => 'PONG', { nodes: () => [nodes[2], nodes[0]] })
    expect((await new RedisStore(ahead).inspect()).clock).toBe((now + 60) * 1000)
  })
})
