import { type SecondFactorStore, SqlDirectory } from 'express-second-factor'
import type { Db } from './database'

/** A directory of the users table, and how to leave it alone when the app closes. */
export interface OpenDirectory {
  directory: SqlDirectory
  close(): Promise<void>
}

/**
 * Where administrators find users. Databases of before get the column and its indexes here, and the app begins while
 * it is filled: what is wrong until then is put right when it is shown.
 */
export async function openDirectory(db: Db, store: SecondFactorStore): Promise<OpenDirectory> {
  const directory = new SqlDirectory(db, {
    table: 'users',
    name: ['first_name', 'last_name'],
    search: ['last_name', 'first_name', 'email'],
    statusColumn: 'two_factor',
    store,
  })
  await directory.migrate()
  const closing = new AbortController()
  const synced = directory.sync({ signal: closing.signal }).catch((error) => console.error(error.message))
  return {
    directory,
    async close() {
      closing.abort()
      await synced
    },
  }
}
