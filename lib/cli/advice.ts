import { UnavailableError } from '../errors'
import { reasonOf } from './words'

const NO_TABLE = { codes: /^(42P01|ER_NO_SUCH_TABLE)$/, messages: /no such table/i }

/** What to do about a store that fails, by what databases and connections call it. */
const ADVICE: [codes: RegExp, messages: RegExp, advice: string][] = [
  [
    NO_TABLE.codes,
    NO_TABLE.messages,
    "The second factors' table is not there. Is this the right database? A first deployment makes the table: " +
      'npx express-second-factor sql postgres | psql (or sqlite, mysql), or in code await store.migrate(). A table of ' +
      'another name is told by a config file.',
  ],
  [
    /^(3D000|ER_BAD_DB_ERROR|SQLITE_NOTADB)$/,
    /file is not a database/i,
    'There is no such database there: look at its URL.',
  ],
  [
    /^(28P01|28000|ER_ACCESS_DENIED_ERROR|ER_DBACCESS_DENIED_ERROR)$/,
    /WRONGPASS|NOAUTH|SASL/,
    'The server refuses this user or password: look at the URL.',
  ],
  [
    /^(42501|ER_TABLEACCESS_DENIED_ERROR|SQLITE_READONLY|SQLITE_CANTOPEN|EACCES)$/,
    /NOPERM|permission denied/i,
    'This user may not do that there: run it as the user that your app runs as.',
  ],
  [
    /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ECONNRESET|ETIMEDOUT|PROTOCOL_CONNECTION_LOST)$/,
    /connection is closed|startup nodes|root ?nodes|connection terminated|max retries per request|timed? ?out|in time/i,
    'Is the store running, and can this machine reach it?',
  ],
  [/^SQLITE_BUSY/, /database is locked/i, 'Somebody else is writing to this database for long: try again.'],
]

/** Why it failed and, where it is the store that failed, what to do about it. */
export function explained(error: unknown, hidden: readonly string[]): string {
  const advice = error instanceof UnavailableError ? adviceOn(error) : ''
  return [reasonOf(error, hidden), advice].filter(Boolean).join('\n')
}

/** Whether the database answered that there is no such table. */
export function isMissingTable(error: unknown): boolean {
  if (!error) return false
  const { message, code, cause } = error as NodeJS.ErrnoException
  return NO_TABLE.codes.test(String(code)) || NO_TABLE.messages.test(String(message)) || isMissingTable(cause)
}

/** Empty where nothing is known of it. What lies deepest says most. */
function adviceOn(error: unknown): string {
  if (!error) return ''
  const { message, code, cause, errors } = error as NodeJS.ErrnoException & { errors?: unknown[] }
  const found = ADVICE.find(([codes, messages]) => codes.test(String(code)) || messages.test(String(message)))
  return adviceOn(cause ?? errors?.[0]) || (found?.[2] ?? '')
}
