import { createHash } from 'node:crypto'
import { ConfigurationError } from '../../errors'
import type { SqlDialect } from '../../stores/sql/migration'

export interface SqlDirectoryColumns {
  /** The table of the host's users, with its schema if need be. Default `users`. */
  table?: string
  /** The column of the account's id: a whole number, a UUID or a text. Default `id`. */
  id?: string
  /** The column of the name, or several that make it, with spaces between them. Default `name`. */
  name?: string | readonly string[]
  /** The column of the e-mail address. Default `email`. */
  email?: string
  /**
   * The columns that are searched; the list is in the order of the first one. Default: the last of `name`, then
   * `email`.
   */
  search?: readonly string[]
  /**
   * A column of the users' table that the plugin keeps: 1 for users with a second factor, else 0. With its indexes the
   * list is as quick for a million users as for a thousand. `directorySql` has the statements that create them.
   */
  statusColumn?: string
  /**
   * In the place of a column: the table of the `SqlStore`, where it is in the same database, such as
   * `second_factor_accounts`. Nothing is added to the users' table, and lists of many users take their time.
   */
  accounts?: string
}

/** The host's table, its names checked. */
export interface Layout {
  table: string
  id: string
  name: readonly string[]
  email: string
  search: readonly string[]
  statusColumn: string | null
  accounts: string | null
}

/** @throws ConfigurationError `SF_DIRECTORY_NAME`, `SF_DIRECTORY_MODE` */
export function layoutOf(given: SqlDirectoryColumns = {}): Layout {
  const { table = 'users', id = 'id', email = 'email', statusColumn = null, accounts = null } = given
  const name = typeof given.name === 'string' ? [given.name] : (given.name ?? ['name'])
  const search = [...new Set(given.search ?? [name.at(-1) as string, email])]
  for (const text of [table, accounts])
    if (text !== null) check(text, /^([A-Za-z_][\w$]*\.)?[A-Za-z_][\w$]*$/)
  for (const text of [id, email, statusColumn, ...name, ...search]) {
    if (text !== null) check(text, /^[A-Za-z_][\w$]*$/)
  }
  if (name.length === 0 || search.length === 0 || (statusColumn === null) === (accounts === null)) {
    throw new ConfigurationError(
      'SF_DIRECTORY_MODE',
      'A SqlDirectory has columns to show and to search, and either statusColumn, a column that it keeps in your ' +
        "users' table, or accounts, the table of the SqlStore in the same database",
    )
  }
  return { table, id, name, email, search, statusColumn, accounts }
}

/** A name in the database's own quotes: it may be a word that SQL keeps for itself, or in upper case. */
export function quoted(dialect: SqlDialect, name: string): string {
  const mark = dialect === 'mysql' ? '`' : '"'
  return name
    .split('.')
    .map((part) => `${mark}${part}${mark}`)
    .join('.')
}

/** The index that serves one of the searched columns. */
export function searchIndexName({ table }: Layout, column: string): string {
  return short(`${table.split('.').at(-1)}_second_factor_${column}`)
}

/** MySQL and MariaDB sort by a column that they keep themselves, since not all of them have indexes of expressions. */
export function sortColumnName(column: string): string {
  return short(`second_factor_sort_${column}`)
}

/** Databases take 63 characters. */
function short(name: string): string {
  if (name.length <= 60) return name
  return `${name.slice(0, 51)}_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}

/** What is checked is never interpolated otherwise. */
function check(name: string, pattern: RegExp): void {
  if (typeof name === 'string' && pattern.test(name)) return
  throw new ConfigurationError(
    'SF_DIRECTORY_NAME',
    `${JSON.stringify(name)} is no name of a table or column: letters, digits and _ only`,
  )
}
