import { ConfigurationError } from '../../errors'

/** The databases that SqlStore and SqlAuditLog speak to; MariaDB is `mysql`. */
export type SqlDialect = 'sqlite' | 'postgres' | 'mysql'

/** The table of the records, where nobody says otherwise. */
export const DEFAULT_TABLE = 'second_factor_accounts'

/**
 * The statements that create the table of the records, or bring an older one up to date; any of them may be run
 * again. `SqlStore` runs them by itself, unless it is told `migrate: false`.
 *
 * Account ids are compared and sorted byte by byte: `alice` is not `Alice`. `version` outgrows 32 bits.
 *
 * @throws ConfigurationError `SF_SQL_TABLE`
 */
export function migrationSql(dialect: SqlDialect, table: string = DEFAULT_TABLE): string[] {
  checkTable(table)
  const index = indexName(table)
  switch (dialect) {
    case 'sqlite':
      return [
        `create table if not exists ${table} (
  account_id text not null primary key,
  version integer not null,
  activated integer not null,
  sealed text not null
)`,
        `create index if not exists ${inSchemaOf(table, index)} on ${nameOf(table)} (activated, account_id)`,
        `drop index if exists ${inSchemaOf(table, `${nameOf(table)}_activated`)}`,
      ]
    case 'postgres':
      return [
        // A row is written again and again: with room in its page no index needs to know.
        `create table if not exists ${table} (
  account_id text collate "C" not null primary key,
  version bigint not null,
  activated smallint not null,
  sealed text not null
) with (fillfactor = 80)`,
        `create index if not exists ${index} on ${table} (activated, account_id)`,
      ]
    case 'mysql':
      return [
        `create table if not exists ${table} (
  account_id varbinary(1020) not null primary key,
  version bigint not null,
  activated tinyint not null,
  sealed mediumtext character set ascii collate ascii_bin not null,
  index ${index} (activated, account_id)
) engine = InnoDB`,
      ]
  }
}

/** A name that needs no quotes, with its schema if need be. @throws ConfigurationError `SF_SQL_TABLE` */
export function checkTable(table: string): void {
  if (/^([A-Za-z_]\w*\.)?[A-Za-z_]\w*$/.test(table)) return
  throw new ConfigurationError('SF_SQL_TABLE', `"${table}" is no table name: letters, digits and _ only`)
}

/** The index by which lists find who has it on. */
export function indexName(table: string): string {
  return `${nameOf(table)}_by_activated`
}

export function nameOf(table: string): string {
  return table.split('.').at(-1) as string
}

/** Null: the one that the connection is in. */
export function schemaOf(table: string): string | null {
  return table.includes('.') ? (table.split('.')[0] as string) : null
}

/** A name in the table's schema. */
export function inSchemaOf(table: string, name: string): string {
  return [schemaOf(table), name].filter(Boolean).join('.')
}
