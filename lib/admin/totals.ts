import type { Accounts } from '../account/accounts'
import type { DirectoryTotals, UserDirectory } from '../directory/directory'
import { Lookup } from './lookup'

/** How old they may be, milliseconds: counting a million users takes longer than showing fifty. */
const LIFE = 60_000
/** Where counting takes long it is done less often: so many times as long as it took. */
const REST = 10
/** How long a page waits for them, milliseconds. */
const PATIENCE = 1500

/** How many users there are, remembered for a minute; counted once at a time, however many ask. */
export class Totals {
  #known: { totals: DirectoryTotals | null; until: number; since: number } | null = null
  #counting: { promise: Promise<DirectoryTotals | null>; of: number } | null = null
  /** Raised whenever somebody's status changes: what was counted before is not remembered. */
  #changes = 0

  constructor(
    private readonly directory: UserDirectory,
    private readonly accounts: Accounts,
    private readonly now: () => number,
  ) {}

  /** Null: this directory does not count, or has not done so in time; the next page may have them. */
  async read(): Promise<DirectoryTotals | null> {
    if (!this.directory.totals) return null
    const now = this.now()
    // A clock that was set back must not keep them alive.
    if (this.#known && now >= this.#known.since && now < this.#known.until) return this.#known.totals
    if (this.#counting?.of !== this.#changes) this.#begin()
    return inTime(this.#counting?.promise as Promise<DirectoryTotals | null>)
  }

  /** Somebody's status has changed: they are counted anew. */
  forget(): void {
    this.#known = null
    this.#changes += 1
  }

  #begin(): void {
    const before = this.#counting?.promise.catch(() => null) ?? Promise.resolve()
    const counting = { promise: before.then(() => this.#count()), of: this.#changes }
    this.#counting = counting
    const leave = () => {
      if (this.#counting === counting) this.#counting = null
    }
    counting.promise.then(leave, leave)
  }

  async #count(): Promise<DirectoryTotals | null> {
    const [since, begun, changes] = [this.now(), performance.now(), this.#changes]
    const answer = await this.directory.totals?.(new Lookup(this.accounts))
    const totals = answer ? { activated: answer.activated, notActivated: answer.notActivated } : null
    const until = since + Math.max(LIFE, REST * (performance.now() - begun))
    if (changes === this.#changes) this.#known = { totals, since, until }
    return totals
  }
}

async function inTime<T>(work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE)
  })
  try {
    return await Promise.race([work, end])
  } finally {
    clearTimeout(timer)
  }
}
