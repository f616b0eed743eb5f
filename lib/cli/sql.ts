import { ConfigurationError } from '../errors'
import { DEFAULT_TABLE, migrationSql, type SqlDialect } from '../stores/sql/migration'
import { type Command, DONE, Misuse } from './command'

const DIALECTS: Record<string, SqlDialect> = {
  sqlite: 'sqlite',
  postgres: 'postgres',
  postgresql: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
}

export const sql: Command = {
  name: 'sql',
  usage: 'DIALECT [--table NAME]',
  summary: 'print the SQL that creates the table',
  help: `Prints the statements that create the table of the second factors, for a migration of your own: SqlStore runs them by
itself, unless it is told migrate: false. DIALECT is sqlite, postgres (postgresql) or mysql (mariadb).

  --table NAME   the table, with its schema if need be; ${DEFAULT_TABLE} by default`,
  options: { table: { type: 'string' } },
  positionals: ['DIALECT'],
  async run({ options, positionals }, { stdout }) {
    const typed = (positionals[0] as string).toLowerCase()
    const dialect = Object.hasOwn(DIALECTS, typed) ? DIALECTS[typed] : undefined
    if (!dialect) {
      throw new Misuse(
        `There is no dialect ${JSON.stringify(positionals[0])}: one of ${Object.keys(DIALECTS).join(', ')}`,
      )
    }
    const table = (options.table as string | undefined) ?? DEFAULT_TABLE
    stdout.write(
      statements(dialect, table)
        .map((statement) => `${statement};\n`)
        .join('\n'),
    )
    return DONE
  },
}

function statements(dialect: SqlDialect, table: string): string[] {
  try {
    return migrationSql(dialect, table)
  } catch (error) {
    throw error instanceof ConfigurationError ? new Misuse(error.message) : error
  }
}
