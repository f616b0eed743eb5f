import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { SecondFactorStore, StoredRecord } from 'express-second-factor'
import {
  type ConformanceOptions,
  checkStore,
  StoreConformanceError,
  storeConformance,
} from 'express-second-factor/store-conformance'

jest.setTimeout(60_000)

const cases = {
  absent: 'an account without a row is null',
  back: 'what was written comes back as it was',
  otherVersion: 'a write that expects another version than the row has changes nothing',
  noRow: 'a write that expects a version of an absent account makes no row',
  copies: 'what is handed in and out are copies',
  versions: 'a version may be any safe integer',
  large: 'a record of 256 KiB comes back whole',
  characters: 'a record comes back character by character',
  closed: 'a client that was closed never says "none" or "written"',
  inspect: 'inspect(), if there is one, answers a clock and warnings',
  oddIds: 'accounts with odd or similar ids are accounts of their own',
  longIds: 'ids of 255 characters that differ in the last one are two accounts',
  inherited: 'names that every object has are no accounts',
  walk: 'list(): every row once, in the byte order of the ids',
  limits: 'list(): never more than the limit, after a cursor that need not exist',
  changes: 'list(): rows that come and go between two pages lose no others',
  erases: 'delete(): erases one account, and no row is no error',
  anew: 'delete(): the account begins anew, its old version is worth nothing',
  manyOrder: 'getMany(), if there is one, answers what get() does, in the order of the ids',
  manyAny: 'getMany(), if there is one, takes any ids, and any number of them',
  manyNow: 'getMany(), if there is one, hands out copies of what is there now',
  seen: 'clients: a write that was answered is seen by all of them',
  first: 'clients: of first writes at once exactly one succeeds',
  one: 'clients: of writes at once from one version exactly one succeeds',
  noneLost: 'clients: no write is lost while all read, change and write',
  many: 'clients: writes to many accounts at once do not disturb each other',
  whole: 'clients: a read during writes sees one whole record, and never an older one',
  processFirst: 'processes: of first writes at once exactly one succeeds',
  processOne: 'processes: of writes at once from one version exactly one succeeds',
  processNoneLost: 'processes: no write is lost while all read, change and write',
  cut: 'cut connections: nothing is half written, what was answered is kept, and it works again',
}
type CaseKey = keyof typeof cases

type Rows = Map<string, StoredRecord>
type Row = { accountId: string; record: StoredRecord }
const later = () => new Promise<void>((resolve) => setImmediate(resolve))
const version = (row?: StoredRecord | null) => row?.version ?? 0
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** A store that is right. Each wrong one below is this one with one thing changed. */
class Right implements SecondFactorStore {
  closed = false
  constructor(readonly rows: Rows) {}

  async get(id: string): Promise<StoredRecord | null> {
    await later()
    if (this.closed) throw new Error('closed')
    const row = this.rows.get(id)
    return row ? { ...row } : null
  }

  async compareAndSet(id: string, expected: number, next: StoredRecord): Promise<boolean> {
    await later()
    if (this.closed) throw new Error('closed')
    if (version(this.rows.get(id)) !== expected) return false
    this.rows.set(id, { ...next })
    return true
  }

  async list(after: string | null, limit: number): Promise<Row[]> {
    const page = this.sorted().filter(({ accountId }) => after === null || byBytes(accountId, after) > 0)
    return page.slice(0, limit)
  }

  async delete(id: string): Promise<void> {
    this.rows.delete(id)
  }

  protected sorted(compare = byBytes): Row[] {
    const rows = [...this.rows].map(([accountId, record]) => ({ accountId, record: { ...record } }))
    return rows.sort((a, b) => compare(a.accountId, b.accountId))
  }
}

type StoreClass = new (rows: Rows) => SecondFactorStore & { closed?: boolean }

/** One client after another of the class, on the same data. */
function clientsOf(Store: StoreClass): ConformanceOptions['open'] {
  const rows: Rows = new Map()
  return () => {
    const store = new Store(rows)
    return {
      store,
      close() {
        store.closed = true
      },
    }
  }
}

/** The names of the cases that fail, and what they say. */
async function failures(options: ConformanceOptions): Promise<Map<string, string>> {
  try {
    await checkStore(options)
    return new Map()
  } catch (error) {
    if (!(error instanceof StoreConformanceError)) throw error
    return new Map(error.report.failed.map(({ name, error: { message } }) => [name, message]))
  }
}

/** An id is changed on its way in. */
const withId = (change: (id: string) => string): StoreClass =>
  class extends Right {
    override get = (id: string) => super.get(change(id))
    override compareAndSet = (id: string, expected: number, next: StoredRecord) =>
      super.compareAndSet(change(id), expected, next)
    override delete = (id: string) => super.delete(change(id))
  }

/** A record is changed on its way in, or out. */
const withIn = (change: (next: StoredRecord) => object): StoreClass =>
  class extends Right {
    override compareAndSet = (id: string, expected: number, next: StoredRecord) =>
      super.compareAndSet(id, expected, change(next) as StoredRecord)
  }
const withOut = (change: (row: StoredRecord) => unknown): StoreClass =>
  class extends Right {
    override get = async (id: string) => {
      const row = await super.get(id)
      return (row && change(row)) as StoredRecord | null
    }
  }
const withAnswer = (change: (written: boolean) => unknown): StoreClass =>
  class extends Right {
    override compareAndSet = async (id: string, expected: number, next: StoredRecord) =>
      change(await super.compareAndSet(id, expected, next)) as boolean
  }
const withCas = (
  cas: (store: Right, ...args: Parameters<Right['compareAndSet']>) => Promise<boolean>,
): StoreClass =>
  class extends Right {
    override compareAndSet = (...args: Parameters<Right['compareAndSet']>) => cas(this, ...args)
  }
const withList = (
  list: (store: { rows: Rows; sorted: Right['sorted'] }, after: string | null, limit: number) => Row[],
) =>
  class extends Right {
    override list = async (after: string | null, limit: number) =>
      list({ rows: this.rows, sorted: (compare) => this.sorted(compare) }, after, limit)
  }

const withMany = (
  getMany: (rows: Rows, ids: readonly string[]) => (StoredRecord | null | undefined)[],
): StoreClass =>
  class extends Right {
    readonly getMany = async (ids: readonly string[]) => getMany(this.rows, ids) as (StoredRecord | null)[]
  }
const copyOf = (row: StoredRecord | undefined) => (row ? { ...row } : null)

/** What is wrong with a store, and the cases that find it: these, and no others. */
const wrong: Record<string, [CaseKey[] | 'nearly all', StoreClass]> = {
  'looks, then writes': [
    ['first', 'one', 'noneLost'],
    withCas(async (store, id, expected, next) => {
      if (version(await store.get(id)) !== expected) return false
      await later()
      store.rows.set(id, { ...next })
      return true
    }),
  ],
  'answers undefined for an absent account': [
    ['absent', 'noRow', 'longIds', 'inherited', 'erases', 'anew', 'noneLost'],
    class extends Right {
      override get = async (id: string) => (await super.get(id)) ?? (undefined as never)
    },
  ],
  'keeps the very record that it was given': [
    ['copies'],
    withCas(async ({ rows }, id, expected, next) => {
      if (version(rows.get(id)) !== expected) return false
      rows.set(id, next)
      return true
    }),
  ],
  'hands out the very record that it keeps': [
    ['copies'],
    class extends Right {
      override get = async (id: string) => this.rows.get(id) ?? null
    },
  ],
  'takes expected version 0 for "in any case"': [
    ['otherVersion', 'versions', 'first', 'noneLost'],
    withCas(async ({ rows }, id, expected, next) => {
      await later()
      if (expected !== 0 && version(rows.get(id)) !== expected) return false
      rows.set(id, { ...next })
      return true
    }),
  ],
  'takes a higher expected version for right': [
    ['otherVersion', 'noRow', 'anew'],
    withCas(async (store, id, expected, next) => {
      const there = version(store.rows.get(id))
      return Right.prototype.compareAndSet.call(store, id, there && Math.min(there, expected), next)
    }),
  ],
  'makes a row where there is none, whatever is expected': [
    ['noRow', 'anew'],
    withCas(async (store, id, expected, next) =>
      Right.prototype.compareAndSet.call(store, id, store.rows.has(id) ? expected : 0, next),
    ),
  ],
  'lower-cases ids': [['oddIds', 'walk'], withId((id) => id.toLowerCase())],
  'trims ids': [['oddIds', 'walk'], withId((id) => id.trimEnd())],
  'normalises ids': [['oddIds', 'walk'], withId((id) => id.normalize('NFC'))],
  'cuts ids at 254 characters': [['longIds'], withId((id) => id.slice(0, 254))],
  'finds a longer id by its beginning': [
    ['longIds', 'erases'],
    class extends Right {
      override get = async (id: string) =>
        (await super.get(id)) ??
        this.sorted().find(({ accountId }) => accountId.startsWith(id))?.record ??
        null
    },
  ],
  'finds what every object has': [
    ['inherited'],
    class extends Right {
      override get = async (id: string) =>
        (await super.get(id)) ?? (({} as Record<string, StoredRecord>)[id] || null)
    },
  ],
  'cuts records at 64 KiB': [
    ['large'],
    withIn((next) => ({ ...next, sealed: next.sealed.slice(0, 65_535) })),
  ],
  'trims records': [['large', 'characters'], withIn((next) => ({ ...next, sealed: next.sealed.trim() }))],
  'keeps versions in 32 bits': [['versions'], withIn((next) => ({ ...next, version: next.version | 0 }))],
  'forgets whether an account is activated': [
    ['back', 'limits', 'whole'],
    withIn((next) => ({ ...next, activated: true })),
  ],
  'answers versions as text': ['nearly all', withOut((row) => ({ ...row, version: `${row.version}` }))],
  'answers activated as 1 or 0': [
    'nearly all',
    withOut((row) => ({ ...row, activated: Number(row.activated) })),
  ],
  'answers bytes': ['nearly all', withOut((row) => ({ ...row, sealed: Buffer.from(row.sealed) }))],
  'answers true always': [
    ['otherVersion', 'noRow', 'versions', 'anew', 'first', 'one', 'noneLost'],
    withAnswer(() => true),
  ],
  'answers false always': ['nearly all', withAnswer(() => false)],
  'answers how many rows it has changed': ['nearly all', withAnswer(Number)],
  'is silent': ['nearly all', withAnswer(() => undefined)],
  'writes always, and answers right': [
    ['otherVersion', 'noRow', 'anew', 'first', 'one', 'noneLost'],
    withCas(async ({ rows }, id, expected, next) => {
      const right = version(rows.get(id)) === expected
      rows.set(id, { ...next })
      return right
    }),
  ],
  'swallows errors as null': [
    ['closed'],
    class extends Right {
      override get = (id: string) => super.get(id).catch(() => null)
    },
  ],
  'swallows errors as false': [
    ['closed'],
    withCas((store, ...args) => Right.prototype.compareAndSet.apply(store, args).catch(() => false)),
  ],
  'swallows errors as true': [
    ['closed'],
    withCas((store, ...args) => Right.prototype.compareAndSet.apply(store, args).catch(() => true)),
  ],
  'lists as it comes': [
    ['copies', 'walk', 'limits', 'changes'],
    withList(({ rows }, after, limit) => {
      const all = [...rows].map(([accountId, record]) => ({ accountId, record }))
      return all.slice(all.findIndex(({ accountId }) => accountId === after) + 1).slice(0, limit)
    }),
  ],
  'lists in the order of JavaScript': [
    ['walk'],
    withList(({ sorted }, after, limit) =>
      sorted((a, b) => (a < b ? -1 : 1))
        .filter(({ accountId }) => after === null || accountId > after)
        .slice(0, limit),
    ),
  ],
  'lists in the order of a language': [
    ['walk'],
    withList(({ sorted }, after, limit) => {
      const order = new Intl.Collator('en').compare
      return sorted(order)
        .filter(({ accountId }) => after === null || order(accountId, after) > 0)
        .slice(0, limit)
    }),
  ],
  'lists from the cursor itself': [
    ['walk', 'limits', 'changes'],
    withList(({ sorted }, after, limit) =>
      sorted()
        .filter(({ accountId }) => after === null || byBytes(accountId, after) >= 0)
        .slice(0, limit),
    ),
  ],
  'needs a cursor that is there': [
    ['limits', 'changes'],
    withList(({ sorted }, after, limit) => {
      const all = sorted()
      return all.slice(all.findIndex(({ accountId }) => accountId === after) + 1).slice(0, limit)
    }),
  ],
  'knows no limit': [
    ['walk', 'limits'],
    withList(({ sorted }, after) =>
      sorted().filter(({ accountId }) => after === null || byBytes(accountId, after) > 0),
    ),
  ],
  'lists one row less': [
    ['walk', 'limits', 'changes'],
    withList(({ sorted }, after, limit) =>
      sorted()
        .filter(({ accountId }) => after === null || byBytes(accountId, after) > 0)
        .slice(0, limit - 1),
    ),
  ],
  'answers many as it finds them': [
    ['manyOrder', 'manyAny'],
    withMany((rows, ids) => [...rows].filter(([id]) => ids.includes(id)).map(([, row]) => ({ ...row }))),
  ],
  'answers many in the order of the ids': [
    ['manyOrder', 'manyAny'],
    withMany((rows, ids) => {
      const sorted = [...ids].sort(byBytes)
      return sorted.map((id) => copyOf(rows.get(id)))
    }),
  ],
  'answers many of each id once': [
    ['manyOrder'],
    withMany((rows, ids) => [...new Set(ids)].map((id) => copyOf(rows.get(id)))),
  ],
  'answers many with undefined for none': [
    ['manyOrder', 'manyAny'],
    withMany((rows, ids) => ids.map((id) => copyOf(rows.get(id)) ?? undefined)),
  ],
  'answers a thousand of many': [
    ['manyAny'],
    withMany((rows, ids) => ids.map((id, i) => (i < 1000 ? copyOf(rows.get(id)) : null))),
  ],
  'lower-cases many ids': [
    ['manyAny'],
    withMany((rows, ids) => ids.map((id) => copyOf(rows.get(id.toLowerCase())))),
  ],
  'hands out the very records that it keeps, if many': [
    ['manyNow'],
    withMany((rows, ids) => ids.map((id) => rows.get(id) ?? null)),
  ],
  'remembers many': [
    ['manyNow'],
    class extends Right {
      readonly remembered = new Map<string, StoredRecord | null>()
      async getMany(ids: readonly string[]) {
        return ids.map((id) => {
          const row = this.remembered.get(id) ?? copyOf(this.rows.get(id))
          this.remembered.set(id, row)
          return row
        })
      }
    },
  ],
  'deletes nothing': [
    ['erases', 'anew'],
    class extends Right {
      override delete = async () => {}
    },
  ],
  'rejects when there is nothing to delete': [
    ['erases'],
    class extends Right {
      override delete = async (id: string) => {
        if (!this.rows.delete(id)) throw new Error('not found')
      }
    },
  ],
  'deletes by the beginning': [
    ['erases'],
    class extends Right {
      override delete = async (id: string) => {
        for (const other of this.rows.keys()) if (other.startsWith(id)) this.rows.delete(other)
      }
    },
  ],
  'remembers the version of what it has deleted': [
    ['anew'],
    class extends Right {
      override get = async (id: string) => {
        const row = await super.get(id)
        return row?.sealed ? row : null
      }
      override list = async (after: string | null, limit: number) =>
        (await super.list(after, Number.MAX_SAFE_INTEGER)).filter((row) => row.record.sealed).slice(0, limit)
      override delete = async (id: string) => {
        const row = this.rows.get(id)
        if (row) row.sealed = ''
      }
    },
  ],
  'reads from a cache of its own': [
    ['back', 'versions', 'large', 'characters', 'erases', 'seen', 'noneLost'],
    class extends Right {
      readonly #cache = new Map<string, StoredRecord>()
      override get = async (id: string) => {
        const row = this.#cache.get(id) ?? (await super.get(id))
        if (row) this.#cache.set(id, { ...row })
        return row && { ...row }
      }
    },
  ],
  'reads in two steps': [
    ['whole'],
    class extends Right {
      override get = async (id: string) => {
        const row = await super.get(id)
        await later()
        return row && { ...row, sealed: this.rows.get(id)?.sealed ?? '' }
      }
    },
  ],
  'has data of its own': [
    ['closed', 'erases', 'seen', 'first', 'one', 'noneLost', 'many', 'whole'],
    class extends Right {
      constructor() {
        super(new Map())
      }
    },
  ],
  'inspects nonsense': [
    ['inspect'],
    class extends Right {
      inspect = async () => ({ clock: 'noon', warnings: null }) as never
    },
  ],
}

const inMemory: CaseKey[] = (Object.keys(cases) as CaseKey[]).filter((key) => !/^process|^cut$/.test(key))
const namesOf = (keys: CaseKey[]) => keys.map((key) => cases[key])

test('it has these cases, and a right store passes them', async () => {
  const report = await checkStore({ open: clientsOf(Right) })
  expect(report.passed).toEqual(namesOf(inMemory))
  expect(report.failed).toEqual([])
})

test.each(Object.entries(wrong))('a store that %s', async (_name, [expected, Store]) => {
  const failed = [...(await failures({ open: clientsOf(Store) })).keys()]
  if (expected !== 'nearly all') return expect(failed).toEqual(namesOf(expected))
  expect(failed).toContain(cases.back)
  expect(failed.length).toBeGreaterThan(15)
})

describe('what it says', () => {
  const said = async (name: string) =>
    failures({ open: clientsOf((wrong[name] as [unknown, StoreClass])[1]) })

  test.each<[string, CaseKey, RegExp]>([
    [
      'looks, then writes',
      'one',
      /^20 writes expected version 1800000000 and 20 were told that they had succeeded: a code would be accepted twice/,
    ],
    ['looks, then writes', 'noneLost', /^100 writes were answered true, and \d+ of them are lost/],
    ['lower-cases ids', 'oddIds', /"sfc-[0-9a-f]{12}-A" was never written.* another id passes for it/],
    ['normalises ids', 'oddIds', /-e\\u\{301\}" was never written/],
    [
      'cuts records at 64 KiB',
      'large',
      /65536 characters does not come back whole.* \(65536 characters\) }, came .* \(65535 characters\) }\.$/,
    ],
    ['keeps versions in 32 bits', 'versions', /Version 2147483648 does not come back.* ends in 2038/],
    ['answers versions as text', 'back', /a version that is "1800000000" \(string\)/],
    ['swallows errors as null', 'closed', /null means that the account certainly has no second factor/],
    ['rejects when there is nothing to delete', 'erases', /^delete\("sfc-\w+-a"\) rejected: not found$/],
  ])('of one that %s, in %s', async (name, key, words) => {
    expect((await said(name)).get(cases[key])).toMatch(words)
  })

  test('as a whole', async () => {
    const checking = checkStore({ open: clientsOf((wrong['trims records'] as [unknown, StoreClass])[1]) })
    const error = await checking.catch((thrown) => thrown)
    if (!(error instanceof StoreConformanceError)) throw new Error('it passes')
    expect(error.report.failed.map(({ name }) => name)).toEqual(namesOf(['large', 'characters']))
    const lines = error.message.split('\n')
    expect(lines[0]).toBe('The store does not keep the contract: 25 passed, 2 failed, 4 not checked')
    expect(lines).toContain(`FAILED ${cases.large}`)
    expect(lines).toContain(`- ${cases.cut} [not checked: needs option \`cut\`]`)
  })
})

describe('what is not checked', () => {
  class Two implements SecondFactorStore {
    readonly #store: Right
    constructor(rows: Rows) {
      this.#store = new Right(rows)
    }
    get = (id: string) => this.#store.get(id)
    compareAndSet = (...args: Parameters<Right['compareAndSet']>) => this.#store.compareAndSet(...args)
    set closed(value: boolean) {
      this.#store.closed = value
    }
  }

  test('is named, and says why', () => {
    const all = storeConformance({ open: clientsOf(Right), without: ['list'] })
    const skipped = all.filter(({ skip }) => skip !== false).map(({ name, skip }) => [name, skip])
    expect(skipped).toEqual([
      ...(['walk', 'limits', 'changes'] as const).map((key) => [
        `${cases[key]} [not checked: without list()]`,
        'without list()',
      ]),
      ...(['processFirst', 'processOne', 'processNoneLost'] as const).map((key) => [
        `${cases[key]} [not checked: needs option \`processes\`]`,
        'needs option `processes`',
      ]),
      [`${cases.cut} [not checked: needs option \`cut\`]`, 'needs option `cut`'],
    ])
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
  })

  test('a method that is missing is a failure, unless it was said', async () => {
    const failed = await failures({ open: clientsOf(Two) })
    expect([...failed.keys()]).toEqual(namesOf(['walk', 'limits', 'changes', 'erases', 'anew']))
    expect(failed.get(cases.erases)).toMatch(/has no delete\(\).* without: \['delete'\]/)
    expect([...(await failures({ open: clientsOf(Two), without: ['list', 'delete'] }))]).toEqual([])
  })

  test('a run without any race is refused', () => {
    for (const wrong of [{ clients: 1 }, { clients: 2.5 }, { rounds: 0 }]) {
      expect(() => storeConformance({ open: clientsOf(Right), ...wrong })).toThrow(TypeError)
    }
  })
})

describe('on a database that others use', () => {
  test('it leaves their rows, and none of its own', async () => {
    const rows: Rows = new Map()
    const theirs = ['', ' ', 'alice', 'bob', 'sfc-', 'sfc-ffffffffffff-zz', 'z', '\uffee']
    for (const id of theirs) rows.set(id, { version: 7, activated: true, sealed: `of ${id}` })
    const before = new Map(rows)
    const report = await checkStore({ open: () => ({ store: new Right(rows), close() {} }) })
    expect(report.failed).toEqual([])
    expect(rows).toEqual(before)
  })

  test('it closes every client, also when a case fails', async () => {
    let open = 0
    const rows: Rows = new Map()
    class Wrong extends Right {
      override get = async () => null
    }
    const failed = await failures({
      open() {
        open++
        return { store: new Wrong(rows), close: () => open-- }
      },
    })
    expect(failed.size).toBeGreaterThan(10)
    // A case closes one itself, and it is closed once more in the end.
    expect(open).toBe(-1)
    expect(rows.size).toBe(0)
  })

  test('a run can be repeated', async () => {
    const [, written] = storeConformance({ open: clientsOf(Right), without: ['delete'] })
    await written?.run()
    await written?.run()
  })
})

describe('several processes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const execArgv = ['-r', join(__dirname, 'typescript.cjs')]
  let wrongs = 0
  const only = async (options: ConformanceOptions, name: string) => {
    const one = storeConformance(options).find((candidate) => candidate.name.startsWith(name))
    await one?.run()
  }

  test('find what is right in one process alone', async () => {
    const { open } = require('./conformance-file.cjs')
    const file = join(folder, 'rows.json')
    const failed = await failures({
      open: () => open(file),
      processes: { module: join(__dirname, 'conformance-file.cjs'), data: () => file, execArgv },
    })
    expect([...failed.keys()]).toEqual(namesOf(['processFirst', 'processOne', 'processNoneLost']))
    expect(failed.get(cases.processNoneLost)).toMatch(
      /^150 writes were answered true, and \d+ of them are lost/,
    )
    expect(failed.get(cases.processOne)).toMatch(/a code would be accepted twice/)
  })

  test.each([
    ['a path', (file: string) => file],
    ['a URL as text', (file: string) => pathToFileURL(file).href],
    ['a URL', (file: string) => pathToFileURL(file)],
  ])('take an ES module by %s', async (_name, as) => {
    const module = join(folder, 'store.mjs')
    const cjs = pathToFileURL(join(__dirname, 'place-client.cjs'))
    writeFileSync(
      module,
      `import cjs from ${JSON.stringify(cjs)}\nexport default (data) => cjs.open(data.file)\n`,
    )
    const file = `sqlite:${join(folder, 'esm.db')}`
    const { open } = require('./place-client.cjs')
    const processes = { module: as(module), count: 2, data: { file }, execArgv }
    await only({ open: () => open(file), processes, rounds: 2 }, 'processes: no write is lost')
  })

  test.each([
    ['export const other = 1', /exports no function `open`/],
    ['throw new Error("no such database")', /In another process: no such database/],
    ['export const open = () => { throw new Error("refused") }', /In another process: refused/],
    [
      'console.error("half a word"); process.exit(3)',
      /A process ended \(3\) before it had answered. half a word/,
    ],
    [
      'export const open = () => ({ store: { get: () => null, compareAndSet: () => process.kill(process.pid) }, close() {} })',
      /A process ended \(SIGTERM\)/,
    ],
  ])('say what is wrong with %j', async (source, words) => {
    const module = join(folder, `wrong-${wrongs++}.mjs`)
    writeFileSync(module, source)
    const processes = { module, count: 2, execArgv }
    await expect(only({ open: clientsOf(Right), processes }, 'processes: of first')).rejects.toThrow(words)
  })
  test('are two at least', async () => {
    const processes = { module: 'x.js', count: 1 }
    await expect(only({ open: clientsOf(Right), processes }, 'processes: of first')).rejects.toThrow(
      TypeError,
    )
  })
})
