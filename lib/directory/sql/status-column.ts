import { type Kysely, sql } from 'kysely'
import { ConfigurationError } from '../../errors'
import type { Dialect, Tables } from '../../stores/sql/dialects'
import { type Layout, quoted } from './layout'

/** PostgreSQL: the column's type and a number cannot be compared. */
const OTHER_TYPE = new Set(['42883', '22P02'])

/**
 * Sees that the column which the plugin keeps holds nothing but 0 and 1.
 *
 * @throws ConfigurationError `SF_DIRECTORY_COLUMN`
 */
export async function assertStatusColumn(
  db: Kysely<Tables>,
  { name }: Dialect,
  { table, statusColumn }: Layout,
): Promise<void> {
  const column = sql.raw(quoted(name, statusColumn as string))
  // By the index, except on MySQL, which takes any text for a number.
  const other =
    name === 'mysql' ? sql`cast(${column} as char) not in ('0', '1')` : sql`(${column} < 0 or ${column} > 1)`
  const query = sql`select 1 from ${sql.raw(quoted(name, table))} where ${other} limit 1`
  const found = await query.execute(db).then(
    ({ rows }) => rows.length > 0,
    (error) => {
      if (OTHER_TYPE.has(String((error as { code?: unknown }).code))) return true
      throw error
    },
  )
  if (!found) return
  throw new ConfigurationError(
    'SF_DIRECTORY_COLUMN',
    `The column ${statusColumn} of ${table} holds something else than 0 and 1, so it is yours: name one of its own as ` +
      'statusColumn, such as two_factor, which migrate() adds',
  )
}
