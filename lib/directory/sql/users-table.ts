import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Dialect, Tables } from '../../stores/sql/dialects'
import type { Place } from '../cursor'
import type { DirectoryStatus, DirectoryUser } from '../directory'
import { beginsWith, isAfter, keyText } from './keys'
import { type Layout, quoted } from './layout'

/** One part of a list: the users whose `column` begins with `prefix`, in the order of that column. */
export interface Part {
  column: string
  /** Null: all users. */
  prefix: string | null
  /** Users who are in these parts are not in this one. */
  unless: { column: string; prefix: string }[]
}

/** A user as a list finds one. */
export interface FoundUser extends DirectoryUser {
  /** What it is sorted by. */
  key: string
}

interface Row extends Record<string, unknown> {
  sf_id: unknown
  sf_email: unknown
  sf_key?: unknown
  sf_activated: unknown
}

/** The statements on the host's table, and on the factor store's where the two are joined. */
export class UsersTable {
  constructor(
    private readonly dialect: Dialect,
    private readonly layout: Layout,
  ) {}

  /** Users of a part, after a place (null: from the first), at most `limit`. */
  async read(
    db: Kysely<Tables>,
    part: Part,
    status: DirectoryStatus | null,
    after: Omit<Place, 'part'> | null,
    limit: number,
  ): Promise<FoundUser[]> {
    const { rows } = await this.query(part, status, after, limit).execute(db)
    return rows.map((row) => ({ ...this.#user(row), key: String(row.sf_key) }))
  }

  /** The one statement behind a page. */
  query(
    part: Part,
    status: DirectoryStatus | null,
    after: Omit<Place, 'part'> | null,
    limit: number,
  ): RawBuilder<Row> {
    const { name } = this.dialect
    const key = this.#key(part.column)
    const where = [
      ...(part.prefix === null ? [] : [beginsWith(name, key, part.prefix)]),
      ...part.unless.map(({ column, prefix }) => sql`not (${beginsWith(name, this.#key(column), prefix)})`),
      ...(after === null ? [] : [isAfter(name, key, this.#column(this.layout.id), after)]),
    ]
    const of = (one: DirectoryStatus | null) => sql<Row>`
      select ${this.#columns(key)} from ${this.#tables()}
      where ${sql.join([...this.#hasStatus(one), ...where, sql`1 = 1`], sql` and `)}
      order by ${key}, ${this.#column(this.layout.id)} limit ${sql.lit(limit)}`
    if (status !== null || this.layout.statusColumn === null) return of(status)
    // The indexes begin with the status: each is read as far as the page needs, and the two are merged.
    return sql<Row>`
      select * from (
        select * from (${of('activated')}) sf_on union all select * from (${of('not-activated')}) sf_off
      ) sf_all order by ${this.#inKeyOrder()}, sf_id limit ${sql.lit(limit)}`
  }

  async get(db: Kysely<Tables>, id: string): Promise<DirectoryUser | null> {
    const { rows } = await sql<Row>`
      select ${this.#columns(null)} from ${this.#tables()} where ${this.#column(this.layout.id)} = ${id}`.execute(
      db,
    )
    return rows[0] ? this.#user(rows[0]) : null
  }

  async totals(db: Kysely<Tables>): Promise<{ activated: number; notActivated: number }> {
    const { rows } = await sql<{ activated: unknown; total: unknown }>`
      select ${this.#activated()} as activated, count(*) as total from ${this.#tables()}
      group by ${this.#activated()}`.execute(db)
    const of = (activated: number) =>
      rows.reduce((sum, row) => sum + (Number(row.activated) === activated ? Number(row.total) : 0), 0)
    return { activated: of(1), notActivated: of(0) }
  }

  /** Ids in their order, with what the column says of them. */
  async walk(
    db: Kysely<Tables>,
    after: string | null,
    limit: number,
  ): Promise<{ id: string; activated: boolean }[]> {
    const id = this.#column(this.layout.id)
    const { rows } = await sql<Row>`
      select ${id} as sf_id, ${this.#activated()} as sf_activated from ${this.#tables()}
      where ${after === null ? sql`1 = 1` : sql`${id} > ${after}`}
      order by ${id} limit ${sql.lit(limit)}`.execute(db)
    return rows.map((row) => ({ id: String(row.sf_id), activated: Number(row.sf_activated) === 1 }))
  }

  /** What the column is to say of these users, where it does not yet. */
  note(ids: readonly string[], activated: boolean): RawBuilder<unknown> {
    const { name } = this.dialect
    const { table, id, statusColumn } = this.layout
    const status = sql.raw(quoted(name, statusColumn as string))
    const value = sql.lit(activated ? 1 : 0)
    return sql`
      update ${sql.raw(quoted(name, table))} set ${status} = ${value}
      where ${sql.raw(quoted(name, id))} in (${sql.join(ids)}) and ${status} <> ${value}`
  }

  #user(row: Row): DirectoryUser {
    const names = this.layout.name.map((_column, i) => row[`sf_name_${i}`])
    return {
      id: String(row.sf_id),
      name: names.filter((part) => part !== null && part !== '').join(' '),
      email: row.sf_email === null ? '' : String(row.sf_email),
      ...(this.layout.statusColumn !== null && { activated: Number(row.sf_activated) === 1 }),
    }
  }

  #columns(key: RawBuilder<unknown> | null): RawBuilder<unknown> {
    const { id, name, email } = this.layout
    return sql.join([
      sql`${this.#column(id)} as sf_id`,
      ...name.map((column, i) => sql`${this.#column(column)} as ${sql.raw(`sf_name_${i}`)}`),
      sql`${this.#column(email)} as sf_email`,
      sql`${this.#activated()} as sf_activated`,
      ...(key ? [sql`${key} as sf_key`] : []),
    ])
  }

  #tables(): RawBuilder<unknown> {
    const { name } = this.dialect
    const users = sql`${sql.raw(quoted(name, this.layout.table))} sf_user`
    if (this.layout.accounts === null) return users
    const id = quoted(name, this.layout.id)
    const text = {
      sqlite: `cast(sf_user.${id} as text)`,
      postgres: `sf_user.${id}::text collate "C"`,
      mysql: `cast(convert(cast(sf_user.${id} as char) using utf8mb4) as binary)`,
    }[name]
    // As the store has created it: without quotes.
    const accounts = sql.raw(this.layout.accounts)
    return sql`${users} left join ${accounts} sf_account on sf_account.account_id = ${sql.raw(text)}`
  }

  #activated(): RawBuilder<unknown> {
    const { statusColumn } = this.layout
    return statusColumn ? this.#column(statusColumn) : sql.raw('coalesce(sf_account.activated, 0)')
  }

  #hasStatus(status: DirectoryStatus | null): RawBuilder<unknown>[] {
    return status === null ? [] : [sql`${this.#activated()} = ${sql.lit(status === 'activated' ? 1 : 0)}`]
  }

  #inKeyOrder(): RawBuilder<unknown> {
    return sql.raw(this.dialect.name === 'postgres' ? 'sf_key collate "C"' : 'sf_key')
  }

  #key(column: string): RawBuilder<unknown> {
    return sql.raw(keyText(this.dialect.name, this.layout, column, 'sf_user'))
  }

  #column(name: string): RawBuilder<unknown> {
    return sql.raw(`sf_user.${quoted(this.dialect.name, name)}`)
  }
}
