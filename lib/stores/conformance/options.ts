import type { SecondFactorStore } from '../store'

/** A store with a connection of its own. */
export interface StoreClient {
  store: SecondFactorStore
  /** Gives back what the client holds, so that the process can end. */
  close(): unknown
}

export interface ConformanceOptions {
  /**
   * Makes a client of the store. Called many times: each client is another connection to the same data. Rows
   * that are there already are left alone; the suite works on ids of its own, and erases them where it can.
   */
  open(): StoreClient | Promise<StoreClient>
  /** Lets real processes race for the same data. */
  processes?: ProcessOptions | undefined
  /**
   * Breaks all connections to the server, in the middle of whatever they do; resolves when new ones can be made.
   */
  cut?: (() => unknown) | undefined
  /** What the store leaves out on purpose. A method that is neither there nor named here is a failure. */
  without?: OptionalMethod[] | undefined
  /** Clients that race in this process, and in each of the others. Default 4. */
  clients?: number | undefined
  /** How often each of them writes in a race. Default 25. */
  rounds?: number | undefined
}

export interface ProcessOptions {
  /** A module whose export `open`, or default export, makes a client: an absolute path, or a `file:` URL. */
  module: string | URL
  /** Default 3. */
  count?: number | undefined
  /** Handed to `open`: where the data is. A function is asked when the processes start. */
  data?: unknown
  /** Arguments for Node itself, such as `['--import', 'tsx']`. Default none. */
  execArgv?: string[] | undefined
}

/** The methods that a store need not have. */
export type OptionalMethod = 'list' | 'delete'

export interface Sizes {
  clients: number
  rounds: number
}

export function sizesOf({ clients = 4, rounds = 25 }: ConformanceOptions): Sizes {
  // One client alone races with nobody, and every race would pass.
  if (!Number.isInteger(clients) || clients < 2) throw new TypeError('`clients` is an integer from 2')
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError('`rounds` is an integer from 1')
  return { clients, rounds }
}
