import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import type { SecondFactorStore, StoredRecord } from 'express-second-factor'
import { storeConformance } from 'express-second-factor/store-conformance'

jest.setTimeout(60_000)

const later = () => new Promise<void>((resolve) => setImmediate(resolve))
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await later()
}
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Rows behind a network: what is asked takes its time to get there, and so does the answer. */
class Server extends EventEmitter {
  readonly rows = new Map<string, StoredRecord>()
  #cuts = 0

  async ask<T>(work: (rows: Map<string, StoredRecord>) => T): Promise<T> {
    const cuts = this.#cuts
    const arrived = async () => {
      await turns(1 + Math.random() * 3)
      if (this.#cuts !== cuts) throw new Error('ECONNRESET')
    }
    await arrived()
    const answer = work(this.rows)
    await arrived()
    return answer
  }

  /** At the worst moment, if anybody writes: a write has happened, and its answer is on the way. */
  async cut(): Promise<void> {
    await Promise.race([once(this, 'written'), turns(100)])
    this.#cuts++
    this.emit('cut')
  }

  write(id: string, next: StoredRecord): boolean {
    this.rows.set(id, { ...next })
    this.emit('written')
    return true
  }
}

class Right implements SecondFactorStore {
  constructor(readonly server: Server) {}

  get(id: string): Promise<StoredRecord | null> {
    return this.server.ask((rows) => {
      const row = rows.get(id)
      return row ? { ...row } : null
    })
  }

  compareAndSet(id: string, expected: number, next: StoredRecord): Promise<boolean> {
    return this.server.ask((rows) => (rows.get(id)?.version ?? 0) === expected && this.server.write(id, next))
  }

  list(after: string | null, limit: number) {
    return this.server.ask((rows) =>
      [...rows]
        .filter(([id]) => after === null || byBytes(id, after) > 0)
        .sort(([a], [b]) => byBytes(a, b))
        .slice(0, limit)
        .map(([accountId, record]) => ({ accountId, record })),
    )
  }

  async delete(id: string): Promise<void> {
    await this.server.ask((rows) => rows.delete(id))
  }
}

function run(Store: new (server: Server) => SecondFactorStore): Promise<void> {
  const server = new Server()
  const open = () => ({ store: new Store(server), close() {} })
  const cases = storeConformance({ open, cut: () => server.cut() })
  const [cut] = cases.filter(({ name }) => name.startsWith('cut connections'))
  if (!cut || cut.skip) throw new Error('there is no such case')
  return cut.run()
}

test('a store that rejects what it does not know passes', async () => {
  for (let times = 0; times < 5; times++) await run(Right)
})

const wrong: Record<string, [RegExp, new (server: Server) => SecondFactorStore]> = {
  'says true for what it does not know': [
    /writes were answered true, and [1-9]\d* of them are lost/,
    class extends Right {
      override compareAndSet = (...args: Parameters<Right['compareAndSet']>) =>
        super.compareAndSet(...args).catch(() => true)
    },
  ],
  'says false for what it does not know': [
    /writes were answered false and yet happened/,
    class extends Right {
      override compareAndSet = (...args: Parameters<Right['compareAndSet']>) =>
        super.compareAndSet(...args).catch(() => false)
    },
  ],
  'asks again, and finds its own write': [
    /writes were answered false and yet happened/,
    class extends Right {
      override compareAndSet = (...args: Parameters<Right['compareAndSet']>) =>
        super.compareAndSet(...args).catch(() => super.compareAndSet(...args))
    },
  ],
  'asks again, without the condition': [
    /are lost/,
    class extends Right {
      override compareAndSet = (id: string, expected: number, next: StoredRecord) =>
        super
          .compareAndSet(id, expected, next)
          .catch(() => this.server.ask(() => this.server.write(id, next)))
    },
  ],
  'says that there is no row': [
    /get\(\) answered null for an account that has a row/,
    class extends Right {
      override get = (id: string) => super.get(id).catch(() => null)
    },
  ],
  'writes in two steps': [
    /holds what nobody has written|the last version is|are lost|yet happened/,
    class extends Right {
      override compareAndSet = async (id: string, expected: number, next: StoredRecord) => {
        const there = await this.get(id)
        const half = { ...next, sealed: there?.sealed ?? next.sealed }
        if (!(await super.compareAndSet(id, expected, half))) return false
        return this.server.ask(() => this.server.write(id, next))
      }
    },
  ],
  'forgets what it has answered': [
    /are lost/,
    class extends Right {
      constructor(server: Server) {
        super(server)
        const [id] = [...server.rows.keys()]
        let saved: StoredRecord | undefined
        server.on('cut', () => {
          const [key = id] = server.rows.keys()
          if (key && saved) server.rows.set(key, saved)
          saved = key ? server.rows.get(key) : undefined
        })
      }
    },
  ],
}

test.each(Object.entries(wrong))('a store that %s is found', async (_name, [words, Store]) => {
  // Where a cut meets a write is a matter of chance: of a hundred runs one or two find nothing.
  const found = async () => {
    for (let times = 0; times < 5; times++) await run(Store)
  }
  await expect(found()).rejects.toThrow(words)
})

describe('a store that does not come back', () => {
  afterEach(() => {
    jest.restoreAllMocks()
    jest.useRealTimers()
  })

  test('is found, and says what it rejects with', async () => {
    let time = 0
    jest.spyOn(performance, 'now').mockImplementation(() => {
      time += 1000
      return time
    })
    class Gone extends Right {
      #gone = false
      constructor(server: Server) {
        super(server)
        server.on('cut', () => {
          this.#gone = true
        })
      }
      override get = async (id: string) => {
        if (this.#gone) throw new Error('no connection')
        return super.get(id)
      }
    }
    await expect(run(Gone)).rejects.toThrow(
      /^30 seconds after the last cut the store does not work again: get\(.*\) rejected: no connection$/,
    )
  })

  test('is found when it does not even reject', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'performance', 'queueMicrotask'] })
    class Silent extends Right {
      #cut = false
      constructor(server: Server) {
        super(server)
        server.on('cut', () => {
          this.#cut = true
        })
      }
      override get = (id: string) => (this.#cut ? new Promise<never>(() => {}) : super.get(id))
    }
    let over = false
    const running = run(Silent).finally(() => {
      over = true
    })
    running.catch(() => {})
    while (!over) {
      await jest.advanceTimersByTimeAsync(1000)
      await later()
    }
    await expect(running).rejects.toThrow(/^get\([^)]*\) came to no end in 30 seconds\. A login would hang\./)
  })
})

test('the errors of `cut` itself come out', async () => {
  const open = () => ({ store: new Right(new Server()), close() {} })
  const cut = () => {
    throw new Error('the server does not start again')
  }
  const one = storeConformance({ open, cut }).find(({ name }) => name.startsWith('cut'))
  await expect(one?.run()).rejects.toThrow('the server does not start again')
})

// Jest itself fails on such an error, and so this is tried without it.
test.each([
  ['an unhandled rejection', 'Promise.reject(new Error("nobody hears it"))'],
  ['an error event', 'new (require("node:events"))().emit("error", new Error("nobody hears it"))'],
])('%s is found', (_name, error) => {
  const script = `
    require(${JSON.stringify(join(__dirname, 'typescript.cjs'))})
    const { storeConformance } = require(${JSON.stringify(join(__dirname, '../../lib/stores/conformance/index.ts'))})
    const { MemoryStore } = require(${JSON.stringify(join(__dirname, '../../lib/stores/memory.ts'))})
    const store = new MemoryStore()
    const cut = () => { setImmediate(() => { ${error} }) }
    const one = storeConformance({ open: () => ({ store, close() {} }), cut }).find(({ name }) => name.startsWith('cut'))
    one.run().then(() => console.log('passed'), ({ message }) => console.log(message))`
  const said = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  expect(said).toMatch(/An error that nobody handles .* would end your process: nobody hears it/)
})
