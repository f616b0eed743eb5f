import { randomBytes } from 'node:crypto'
import type { StoredRecord } from '../store'
import { Client } from './client'
import { type ConformanceOptions, type Sizes, type StoreClient, sizesOf } from './options'
import { inTime } from './words'

/** What a version starts from in real life: the clock, in seconds. */
export const START = 1_800_000_000

export function record(version: number, sealed = `sealed.${version}`, activated = true): StoredRecord {
  return { version, activated, sealed }
}

/** What one case works with: clients, and account ids that nobody else has. */
export class Bench {
  /** All ids of the case begin so. */
  readonly prefix = `sfc-${randomBytes(6).toString('hex')}-`
  readonly sizes: Sizes
  readonly #opened: StoreClient[] = []
  readonly #ids = new Set<string>()

  constructor(readonly options: ConformanceOptions) {
    this.sizes = sizesOf(options)
  }

  id(suffix = 'account'): string {
    const id = this.prefix + suffix
    this.#ids.add(id)
    return id
  }

  ids(count: number): string[] {
    return Array.from({ length: count }, (_, index) => this.id(`account-${index}`))
  }

  async client(): Promise<Client> {
    return new Client((await this.opened()).store)
  }

  /** Two at least. */
  async clients(): Promise<[Client, Client, ...Client[]]> {
    const clients = [await this.client(), await this.client()] as [Client, Client, ...Client[]]
    while (clients.length < this.sizes.clients) clients.push(await this.client())
    return clients
  }

  async opened(): Promise<StoreClient> {
    const client = await inTime(Promise.resolve(this.options.open()), 'open()')
    if (typeof client?.store?.get !== 'function' || typeof client.close !== 'function') {
      throw new TypeError(
        'open() makes { store, close }: a store, and a function that gives back what it holds',
      )
    }
    this.#opened.push(client)
    return client
  }

  /** Leaves nothing behind, as far as the store can. What fails here is other cases' to find. */
  async end(): Promise<void> {
    await quietly(async () => {
      const { store } = await this.opened()
      for (const id of this.#ids) await store.delete?.(id)
    })
    await Promise.all(this.#opened.map((client) => quietly(async () => client.close())))
  }
}

/** A store that hangs has been waited for long enough. */
async function quietly(task: () => Promise<unknown>): Promise<void> {
  await inTime(task(), 'Clearing up', 5000).catch(() => {})
}

/** One thing that a store must do. */
export interface Case {
  name: string
  /** The option or the method without which there is nothing to check. */
  needs?: 'list' | 'delete' | 'processes' | 'cut'
  check(bench: Bench): Promise<void>
}
