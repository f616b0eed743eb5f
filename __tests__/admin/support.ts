import Database from 'libsql'
import { SqlDirectory } from '../../lib/directory/sql-directory'
import { type AdminOptions, MemoryStore, type SecondFactorStore, SqlStore } from '../../lib/index'
import { type TestApp, type TestAppOptions, userOf, users } from '../support/app'
import { Client } from '../support/client'
import { createEnrolledApp, type Factor, signIn } from '../support/enrolled'

export const ADMIN = '/admin/two-factor'

export interface AdminApp extends TestApp, Factor {
  directory: SqlDirectory
  mails: { to: string; subject: string; text: string }[]
  /** A program as alice, the administrator, whose code was accepted just now. */
  admin(): Promise<Client>
}

export interface AdminAppOptions extends TestAppOptions {
  admin?: Partial<AdminOptions>
  /** More users than alice and bob. */
  more?: { id: string; name: string | null; email: string }[]
  /** What the router sees of the store, where that is not the store itself. */
  behind?: (store: SqlStore) => SecondFactorStore
}

/** The test app with administration, on SQLite: alice administers, and has a second factor; bob has none. */
export async function createAdminApp(options: AdminAppOptions = {}): Promise<AdminApp> {
  const database = new Database(':memory:')
  database.exec('create table people (id text primary key, name text, email text not null)')
  const insert = database.prepare('insert into people values (?, ?, ?)')
  const known = Object.entries(users).map(([name, { id, email }]) => ({ id, name, email }))
  for (const { id, name, email } of [...known, ...(options.more ?? [])]) insert.run([id, name, email])
  const store = new SqlStore(database)
  // That it is in memory is meant so.
  Object.assign(store, { inspect: undefined })
  const mails: AdminApp['mails'] = []
  const directory = new SqlDirectory(database, { table: 'people', statusColumn: 'two_factor', store })
  await directory.migrate()

  const enrolled = await createEnrolledApp({
    ...options,
    store: options.behind?.(store) ?? store,
    secondFactor: {
      // With it all routes are there.
      recovery: { store: new MemoryStore() },
      notify: {
        transport: { sendMail: async (mail) => mails.push(mail) },
        from: 'Acme <security@acme.example>',
        recipients: (id) => known.filter((user) => user.id === id).map(({ email }) => email),
        settingsUrl: 'https://acme.example/two-factor',
      },
      ...options.secondFactor,
    },
    routes: (app, secondFactor) => {
      app.use(
        ADMIN,
        secondFactor.adminRouter({
          authorize: (req) => userOf(req.user).id === 'u-alice',
          directory,
          ...options.admin,
        }),
      )
      options.routes?.(app, secondFactor)
    },
  })
  await directory.sync()
  return {
    ...enrolled,
    directory,
    mails,
    async admin() {
      const client = new Client(enrolled.app)
      await signIn(client, enrolled.phone, enrolled.clock)
      enrolled.clock.nextStep()
      return client
    },
  }
}
