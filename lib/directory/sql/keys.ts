import { type RawBuilder, sql } from 'kysely'
import type { SqlDialect } from '../../stores/sql/migration'
import { type Layout, quoted, sortColumnName } from './layout'

/** Greater than any character that a text may go on with. */
const LAST = '\u{10ffff}'

/**
 * What a searched column is sorted and compared by, as in its index: in lower case, byte by byte. The order is that
 * of the characters' numbers, the same in every database, and one that an index can serve.
 */
export function keyText(
  dialect: SqlDialect,
  { statusColumn }: Layout,
  column: string,
  alias?: string,
): string {
  const at = (name: string) => (alias ? `${alias}.` : '') + quoted(dialect, name)
  switch (dialect) {
    case 'sqlite':
      return `lower(coalesce(${at(column)}, ''))`
    case 'postgres':
      return `lower(coalesce(${at(column)}, '')) collate "C"`
    case 'mysql':
      if (statusColumn) return at(sortColumnName(column))
      return `lower(convert(coalesce(${at(column)}, '') using utf8mb4)) collate utf8mb4_bin`
  }
}

/** The same of a text that somebody has entered, or that a cursor has. */
function textKey(dialect: SqlDialect, text: string): RawBuilder<string> {
  switch (dialect) {
    case 'sqlite':
      return sql<string>`${text}`
    case 'postgres':
      return sql<string>`${text}::text collate "C"`
    case 'mysql':
      return sql<string>`convert(${text} using utf8mb4) collate utf8mb4_bin`
  }
}

/** Keys that begin with a text, in any case that the database knows, as a range that an index can serve. */
export function beginsWith(
  dialect: SqlDialect,
  key: RawBuilder<unknown>,
  prefix: string,
): RawBuilder<boolean> {
  // In lower case as the column is, by the database's own rules, and only then byte by byte.
  const lower = sql`lower(${dialect === 'postgres' ? sql`${prefix}::text` : textKey(dialect, prefix)})`
  const from = dialect === 'postgres' ? sql`${lower} collate "C"` : lower
  const to = dialect === 'mysql' ? sql`concat(${from}, ${textKey(dialect, LAST)})` : sql`${from} || ${LAST}`
  return sql<boolean>`${key} >= ${from} and ${key} <= ${to}`
}

/** Rows after a place: only PostgreSQL finds it by index where the two are compared as a pair. */
export function isAfter(
  dialect: SqlDialect,
  key: RawBuilder<unknown>,
  id: RawBuilder<unknown>,
  place: { key: string; id: string },
): RawBuilder<boolean> {
  const from = textKey(dialect, place.key)
  if (dialect === 'postgres') return sql<boolean>`(${key}, ${id}) > (${from}, ${place.id})`
  return sql<boolean>`${key} >= ${from} and (${key} > ${from} or ${id} > ${place.id})`
}
