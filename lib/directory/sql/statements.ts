import type { SqlDialect } from '../../stores/sql/migration'
import { keyText } from './keys'
import {
  type Layout,
  layoutOf,
  quoted,
  type SqlDirectoryColumns,
  searchIndexName,
  sortColumnName,
} from './layout'

/** A statement of the migration, and what is there once it has been run. */
export interface Step {
  statement: string
  makes: { column: string } | { index: string }
}

/**
 * The statements that prepare the host's table for a `SqlDirectory` that keeps a column in it, in their order; each
 * may be run once. `migrate()` of the directory runs those that are missing.
 *
 * On a large table that is in use, PostgreSQL's `create index` becomes `create index concurrently`, in a migration of
 * yours without a transaction.
 *
 * @throws ConfigurationError `SF_DIRECTORY_NAME`, `SF_DIRECTORY_MODE`
 */
export function directorySql(dialect: SqlDialect, options: SqlDirectoryColumns): string[] {
  return stepsOf(dialect, layoutOf(options)).map(({ statement }) => statement)
}

/** None where nothing is kept in the host's table. */
export function stepsOf(dialect: SqlDialect, layout: Layout): Step[] {
  const { statusColumn, search } = layout
  if (statusColumn === null) return []
  const [table, status, id] = [layout.table, statusColumn, layout.id].map((name) => quoted(dialect, name))
  const type = { sqlite: 'integer', postgres: 'smallint', mysql: 'tinyint' }[dialect]
  const steps: Step[] = [
    {
      statement: `alter table ${table} add column ${status} ${type} not null default 0`,
      makes: { column: statusColumn },
    },
  ]
  for (const column of dialect === 'mysql' ? search : []) {
    const name = sortColumnName(column)
    const of = `lower(left(coalesce(${quoted(dialect, column)}, ''), 255))`
    steps.push({
      statement:
        `alter table ${table} add column ${quoted(dialect, name)} varchar(255) character set utf8mb4 ` +
        `collate utf8mb4_bin generated always as (${of}) virtual`,
      makes: { column: name },
    })
  }
  for (const column of search) {
    const index = searchIndexName(layout, column)
    const key = keyText(dialect, layout, column)
    const columns = `${status}, ${dialect === 'postgres' ? `(${key})` : key}, ${id}`
    const schema = dialect === 'sqlite' && layout.table.includes('.') ? `${layout.table.split('.')[0]}.` : ''
    const on = dialect === 'sqlite' ? quoted(dialect, layout.table.split('.').at(-1) as string) : table
    steps.push({
      statement: `create index ${quoted(dialect, schema + index)} on ${on} (${columns})`,
      makes: { index },
    })
  }
  return steps
}
