import { checkTable, inSchemaOf, nameOf, type SqlDialect } from '../stores/sql/migration'

/** The table of the events, where nobody says otherwise. */
export const DEFAULT_AUDIT_TABLE = 'second_factor_events'

/**
 * The statements that create the table of a `SqlAuditLog`; any of them may be run again. It runs them by itself,
 * unless it is told `migrate: false`.
 *
 * @throws ConfigurationError `SF_SQL_TABLE`
 */
export function auditSql(dialect: SqlDialect, table: string = DEFAULT_AUDIT_TABLE): string[] {
  checkTable(table)
  const byAccount = `${nameOf(table)}_by_account`
  const byTime = timeIndexName(table)
  switch (dialect) {
    case 'sqlite':
      return [
        // "autoincrement": what is erased for its age does not give its id to what comes later.
        `create table if not exists ${table} (
  id integer primary key autoincrement, at integer not null,
  name text not null, account_id text not null,
  method text, ip text, request_id text, details text
)`,
        `create index if not exists ${inSchemaOf(table, byAccount)} on ${nameOf(table)} (account_id, id)`,
        `create index if not exists ${inSchemaOf(table, byTime)} on ${nameOf(table)} (at)`,
      ]
    case 'postgres':
      return [
        // "identity": unlike with serial, who may insert needs no right to a sequence.
        `create table if not exists ${table} (
  id bigint generated always as identity primary key, at bigint not null,
  name text not null, account_id text collate "C" not null,
  method text, ip text, request_id text, details text
)`,
        `create index if not exists ${byAccount} on ${table} (account_id, id)`,
        `create index if not exists ${byTime} on ${table} (at)`,
      ]
    case 'mysql':
      return [
        `create table if not exists ${table} (
  id bigint not null auto_increment primary key, at bigint not null,
  name varchar(64) not null, account_id varbinary(1020) not null,
  method varchar(64), ip varchar(64), request_id varchar(200), details text,
  index ${byAccount} (account_id, id),
  index ${byTime} (at)
) engine = InnoDB character set ascii collate ascii_bin`,
      ]
  }
}

/** Made last: where it is, the rest is. */
export function timeIndexName(table: string): string {
  return `${nameOf(table)}_by_at`
}
