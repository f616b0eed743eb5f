import { type Kysely, sql } from 'kysely'
import { mustBeKnown, type NamesOf } from '../checks'
import { ConfigurationError } from '../errors'
import { rowsOf } from '../stores/rows'
import { connect, type SqlDatabase } from '../stores/sql/connect'
import { type Dialect, dialectOf, type Tables } from '../stores/sql/dialects'
import { patiently } from '../stores/sql/patiently'
import type { SecondFactorStore } from '../stores/store'
import { cursorOf, placeOf } from './cursor'
import {
  BadCursorError,
  type DirectoryPage,
  type DirectoryQuery,
  type DirectoryTotals,
  type DirectoryUser,
  type UserDirectory,
} from './directory'
import { type Layout, layoutOf, type SqlDirectoryColumns } from './sql/layout'
import { migrateDirectory } from './sql/migrate'
import { prefixesOf } from './sql/prefixes'
import { assertStatusColumn } from './sql/status-column'
import { type FoundUser, type Part, UsersTable } from './sql/users-table'
import { type DirectorySync, type SyncOptions, syncDirectory } from './sync'

export interface SqlDirectoryOptions extends SqlDirectoryColumns {
  /** The factor store, for `sync()`. */
  store?: SecondFactorStore
}

const NAMES: NamesOf<SqlDirectoryOptions> = {
  table: true,
  id: true,
  name: true,
  email: true,
  search: true,
  statusColumn: true,
  accounts: true,
  store: true,
}

/**
 * Finds the host's users in their table, on the databases that `SqlStore` takes.
 *
 * ```ts
 * const directory = new SqlDirectory(pool, { table: 'users', name: 'name', statusColumn: 'two_factor', store })
 * await directory.migrate() // or run directorySql('postgres', options) yourself
 * await directory.sync()    // once, where users have second factors already
 * ```
 */
export class SqlDirectory implements UserDirectory {
  readonly #db: Kysely<Tables>
  readonly #committed: ReturnType<typeof connect>['committed']
  readonly #dialect: Dialect
  readonly #layout: Layout
  readonly #users: UsersTable
  readonly #store: SecondFactorStore | null
  #knowsAllLetters: Promise<boolean> | null = null
  #checked: Promise<void> | null = null
  /** Only where there is a column to keep. */
  readonly note?: (id: string, activated: boolean) => Promise<void>

  /**
   * @throws ConfigurationError `SF_OPTIONS`, `SF_SQL_DATABASE`, `SF_SQL_DIALECT`, `SF_DIRECTORY_NAME`,
   *   `SF_DIRECTORY_MODE`
   */
  constructor(database: SqlDatabase, options: SqlDirectoryOptions) {
    mustBeKnown(options, NAMES, 'SqlDirectory.')
    const { db, committed } = connect(database)
    this.#db = db
    this.#committed = committed
    this.#dialect = dialectOf(db)
    this.#layout = layoutOf(options)
    this.#users = new UsersTable(this.#dialect, this.#layout)
    this.#store = options.store ?? null
    if (this.#layout.statusColumn !== null) this.note = (id, activated) => this.#note([id], activated)
  }

  async list({ status, search, after, limit }: DirectoryQuery): Promise<DirectoryPage> {
    const parts = search === null ? [ALL(this.#layout)] : await this.#partsOf(search)
    const place = after === null ? null : placeOf(after)
    if (place && place.part >= parts.length) throw new BadCursorError('That is no cursor of this search')
    const found: (FoundUser & { part: number })[] = []
    for (let part = place?.part ?? 0; part < parts.length && found.length <= limit; part++) {
      const from = place?.part === part ? place : null
      // One more than are shown tells whether there is a next page.
      const more = limit + 1 - found.length
      const users = await this.#asked(() =>
        this.#users.read(this.#db, parts[part] as Part, status, from, more),
      )
      found.push(...users.map((user) => ({ ...user, part })))
    }
    const shown = found.slice(0, limit)
    const last = shown.at(-1)
    return {
      users: shown.map(({ key: _key, part: _part, ...user }) => user),
      next: last && found.length > limit ? cursorOf({ ...last, id: String(last.id) }) : null,
    }
  }

  async get(id: string): Promise<DirectoryUser | null> {
    try {
      const user = await this.#patiently(() => this.#users.get(this.#db, id))
      // MySQL takes '7 or so' for 7.
      return user?.id === id ? user : null
    } catch (error) {
      // What the column's type cannot hold is nobody's id.
      if (isNoSuchValue(error)) return null
      throw error
    }
  }

  totals(): Promise<DirectoryTotals> {
    return this.#patiently(() => this.#users.totals(this.#db))
  }

  /**
   * Adds the column and its indexes where they are missing; any number of processes may do so at once.
   *
   * @throws ConfigurationError `SF_DIRECTORY_COLUMN` where the column is the host's own
   */
  async migrate(): Promise<void> {
    await this.#patiently(() => migrateDirectory(this.#db, this.#dialect, this.#layout))
    if (this.#layout.statusColumn !== null) await this.#isOurs()
  }

  /**
   * Fills the column from the factor store: once when it is added, and whenever it may be wrong. The app may go on
   * meanwhile. What is wrong in spite of it is put right when it is next shown.
   *
   * @throws DirectorySyncError with what was reached, to go on from
   * @throws ConfigurationError `SF_DIRECTORY_SYNC`
   */
  async sync(options: SyncOptions = {}): Promise<DirectorySync> {
    const store = this.#store
    if (!store || this.#layout.statusColumn === null) {
      throw new ConfigurationError(
        'SF_DIRECTORY_SYNC',
        'sync() fills a statusColumn from a store: give SqlDirectory both options',
      )
    }
    return syncDirectory(options, {
      users: (after, limit) => this.#asked(() => this.#users.walk(this.#db, after, limit)),
      activated: async (ids) => (await rowsOf(store, ids)).map((row) => row?.activated === true),
      note: (ids, activated) => this.#note(ids, activated),
    })
  }

  async #note(ids: readonly string[], activated: boolean): Promise<void> {
    await this.#isOurs()
    await this.#patiently(() => this.#committed((db) => this.#users.note(ids, activated).execute(db)))
  }

  /**
   * Nothing is written into a column that says something else: `status` is a name that many tables have.
   *
   * @throws ConfigurationError `SF_DIRECTORY_COLUMN`
   */
  #isOurs(): Promise<void> {
    this.#checked ??= this.#patiently(() => assertStatusColumn(this.#db, this.#dialect, this.#layout)).catch(
      (error) => {
        this.#checked = null
        throw error
      },
    )
    return this.#checked
  }

  /** First all that match by the first column, then those that match by the next one and by none before. */
  async #partsOf(search: string): Promise<Part[]> {
    this.#knowsAllLetters ??= this.#askForLetters().catch((error) => {
      this.#knowsAllLetters = null
      throw error
    })
    const prefixes = prefixesOf(search, await this.#knowsAllLetters)
    return this.#layout.search.flatMap((column, i) => {
      const unless = this.#layout.search
        .slice(0, i)
        .flatMap((before) => prefixes.map((prefix) => ({ column: before, prefix })))
      return prefixes.map((prefix) => ({ column, prefix, unless }))
    })
  }

  async #askForLetters(): Promise<boolean> {
    const lower = { sqlite: sql`lower('Ä')`, postgres: sql`lower('Ä')`, mysql: sql`lower(_utf8mb4'Ä')` }
    const { rows } = await this.#patiently(() =>
      sql<{ letter: string }>`select ${lower[this.#dialect.name]} as letter`.execute(this.#db),
    )
    return rows[0]?.letter === 'ä'
  }

  /** A cursor whose id is of another kind than the column's is none. */
  async #asked<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await this.#patiently(question)
    } catch (error) {
      throw isNoSuchValue(error) ? new BadCursorError('That is no cursor of this list') : error
    }
  }

  #patiently<T>(work: () => Promise<T>): Promise<T> {
    return patiently(this.#dialect, work)
  }
}

const ALL = ({ search }: Layout): Part => ({ column: search[0] as string, prefix: null, unless: [] })

/** PostgreSQL on a text that is no integer or UUID, or an integer that is too large. */
function isNoSuchValue(error: unknown): boolean {
  return ['22P02', '22003'].includes(String((error as { code?: unknown } | null)?.code))
}
