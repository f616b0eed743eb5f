import { type Kysely, sql } from 'kysely'
import type { Dialect, Tables } from '../../stores/sql/dialects'
import { nameOf, schemaOf } from '../../stores/sql/migration'
import type { Layout } from './layout'
import { stepsOf } from './statements'

/** Adds to the host's table what is missing of columns and indexes. Any number of processes may do so at once. */
export async function migrateDirectory(db: Kysely<Tables>, dialect: Dialect, layout: Layout): Promise<void> {
  // Looked at first without the lock: a role that may not alter anything need not, once it is done.
  if ((await missingSteps(db, dialect, layout)).length === 0) return
  await dialect.migrating(db, async (migrating) => {
    for (const { statement } of await missingSteps(migrating, dialect, layout)) {
      await sql.raw(statement).execute(migrating).catch(unlessThere)
    }
  })
}

async function missingSteps(db: Kysely<Tables>, dialect: Dialect, layout: Layout) {
  const there = await namesIn(db, dialect, layout)
  return stepsOf(dialect.name, layout).filter(
    ({ makes }) => !there.has('column' in makes ? `column ${makes.column}` : `index ${makes.index}`),
  )
}

/** The columns and the indexes of the host's table. */
async function namesIn(db: Kysely<Tables>, dialect: Dialect, { table }: Layout): Promise<Set<string>> {
  const [schema, name] = [schemaOf(table), nameOf(table)]
  const query = {
    sqlite: () => sql<Found>`
      select 'column' as kind, name from pragma_table_xinfo(${name}, ${schema ?? 'main'})
      union all select 'index', name from pragma_index_list(${name}, ${schema ?? 'main'})`,
    postgres: () => sql<Found>`
      select 'column' as kind, column_name::text as name from information_schema.columns
        where table_schema = coalesce(${schema}::text, current_schema()) and table_name = ${name}
      union all select 'index', indexname::text from pg_indexes
        where schemaname = coalesce(${schema}::text, current_schema()) and tablename = ${name}`,
    mysql: () => sql<Found>`
      select 'column' as kind, column_name as name from information_schema.columns
        where table_schema = coalesce(${schema}, database()) and table_name = ${name}
      union all select distinct 'index', index_name from information_schema.statistics
        where table_schema = coalesce(${schema}, database()) and table_name = ${name}`,
  }[dialect.name]()
  const { rows } = await query.execute(db)
  return new Set(rows.map(({ kind, name: found }) => `${kind} ${found}`))
}

interface Found {
  kind: string
  name: string
}

/** Another process was there first: SQLite and MySQL have no lock for it, and say so in these words. */
function unlessThere(error: unknown): void {
  const { code, message } = error as { code?: unknown; message?: unknown }
  const known = ['ER_DUP_FIELDNAME', 'ER_DUP_KEYNAME'].includes(String(code))
  if (!known && !/duplicate column name|already exists/.test(String(message))) throw error
}
