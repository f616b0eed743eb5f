import type { Connection } from './clients'

/** How long the ids of a walk are kept for its next page. */
const KEPT_FOR = 60_000

/** The account ids of one moment, from where a page begins. */
export class Walk {
  /** Sorted; each id as its UTF-8 bytes, one character a byte, so that sorting is by byte. */
  readonly #ids: string[]
  #next: number

  constructor(
    ids: string[],
    after: string | null,
    /** Counts the fetches: which one these ids are from. */
    readonly fetch: number,
  ) {
    this.#ids = ids
    this.#next = after === null ? 0 : firstAfter(ids, bytesOf(after))
  }

  /** The next so many ids, fewer at the end. */
  take(count: number): string[] {
    const taken = this.#ids.slice(this.#next, this.#next + count)
    this.#next += taken.length
    return taken.map(idOf)
  }

  /** The same ids from elsewhere. */
  from(after: string): Walk {
    return new Walk(this.#ids, after, this.fetch)
  }
}

/**
 * The account ids in the order of their bytes. Redis keeps no order, so all of them are fetched and sorted; for
 * the pages of one walk only once: who asks for what comes after the page before gets it from the same ids.
 */
export class AccountIds {
  readonly #connection: Connection
  readonly #prefix: string
  #fetches = 0
  #kept: { walk: Walk; last: string } | null = null
  #forgetting: NodeJS.Timeout | undefined

  constructor(connection: Connection, prefix: string) {
    this.#connection = connection
    this.#prefix = prefix
  }

  /** From the first id after this one (null: from the first). */
  async after(after: string | null): Promise<Walk> {
    if (after !== null && this.#kept?.last === after) return this.#kept.walk.from(after)
    this.#fetches += 1
    const fetch = this.#fetches
    return new Walk(await this.#fetch(), after, fetch)
  }

  /** A page of this walk ended with `last`. */
  keep(walk: Walk, last: string): void {
    // Older ids may lack what another walk that is at the same place was to find.
    if (walk.fetch !== this.#fetches) return
    this.#kept = { walk, last }
    clearTimeout(this.#forgetting)
    // A walk that is over, or was given up, holds neither its ids nor the process.
    this.#forgetting = setTimeout(() => {
      this.#kept = null
    }, KEPT_FOR).unref()
  }

  async #fetch(): Promise<string[]> {
    const prefix = await this.#prefixOnServer()
    const pattern = `${prefix.replace(/[\\*?[\]^-]/g, '\\$&')}*`
    const masters = await this.#connection.masters()
    const found = await Promise.all(masters.map((master) => scan(master.send, pattern)))
    // SCAN may name a key twice, and so may two masters while slots move.
    const ids = new Set(found.flat().map((key) => bytesOf(key.slice(prefix.length))))
    return [...ids].sort()
  }

  /** The client may put a prefix of its own before keys, and not before patterns: the server says what it sees. */
  async #prefixOnServer(): Promise<string> {
    const prefix = this.#prefix
    const seen = text(await this.#connection.send(prefix, 'eval', 'return KEYS[1]', '1', prefix))
    if (!seen?.endsWith(prefix)) throw new TypeError('Redis did not answer with the key it was asked for')
    return seen
  }
}

async function scan(
  send: (command: string, ...args: string[]) => Promise<unknown>,
  pattern: string,
): Promise<string[]> {
  const keys: string[] = []
  let cursor = '0'
  do {
    const reply = await send('scan', cursor, 'MATCH', pattern, 'COUNT', '1000')
    const [next, page] = Array.isArray(reply) ? reply : []
    const found = Array.isArray(page) ? page.map(text) : [null]
    if (text(next) === null || found.includes(null))
      throw new TypeError('Redis did not answer SCAN with keys')
    keys.push(...(found as string[]))
    cursor = text(next) as string
  } while (cursor !== '0')
  return keys
}

/** A reply that is a text; some clients are set up to hand out bytes. */
export function text(reply: unknown): string | null {
  if (typeof reply === 'string') return reply
  return reply instanceof Uint8Array ? Buffer.from(reply).toString() : null
}

function bytesOf(id: string): string {
  return Buffer.from(id).toString('latin1')
}

function idOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** The place of the first id after `after` in sorted ids. */
function firstAfter(ids: string[], after: string): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as string) > after) high = middle
    else low = middle + 1
  }
  return low
}
