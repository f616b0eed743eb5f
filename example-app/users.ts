import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { type Db, unlessThere } from './database'

/** An account of the example app. */
export interface User {
  id: number
  username: string
  name: string
  firstName: string
  lastName: string
  email: string
  phone: string
}

/** The password of every account that is made on first start. This is a demonstration. */
export const DEMO_PASSWORD = 'correct horse battery staple'

const demoUsers = [
  ['alice', 'Alice', 'Liddell', '+44 20 7946 0101'],
  ['bob', 'Bob', 'Marsh', '+44 20 7946 0102'],
  ['carol', 'Carol', 'Danvers', '+44 20 7946 0103'],
  ['admin', 'Ada', 'Admin', '+44 20 7946 0104'],
] as const

const columns = ['id', 'username', 'first_name', 'last_name', 'email', 'phone'] as const

export interface UsersTable {
  id: number
  username: string
  first_name: string
  last_name: string
  email: string
  phone: string
  /** Salt and scrypt hash. */
  password: string
}

/** A table of its own: databases of before the app spoke languages go on as they are. */
export interface UserLanguagesTable {
  user_id: number
  lang: string
}

/** The accounts, in one table. */
export class Users {
  private constructor(private readonly db: Db) {}

  /** Creates the table, and on first start the accounts of the demonstration. */
  static async open(db: Db): Promise<Users> {
    await unlessThere(() =>
      db.schema
        .createTable('users')
        .ifNotExists()
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('username', 'varchar(100)', (column) => column.notNull().unique())
        .addColumn('first_name', 'varchar(100)', (column) => column.notNull())
        .addColumn('last_name', 'varchar(100)', (column) => column.notNull())
        .addColumn('email', 'varchar(200)', (column) => column.notNull().unique())
        .addColumn('phone', 'varchar(50)', (column) => column.notNull())
        .addColumn('password', 'varchar(200)', (column) => column.notNull())
        .execute(),
    )
    await unlessThere(() =>
      db.schema
        .createTable('user_languages')
        .ifNotExists()
        .addColumn('user_id', 'integer', (column) => column.primaryKey())
        .addColumn('lang', 'varchar(10)', (column) => column.notNull())
        .execute(),
    )
    const anybody = await db.selectFrom('users').select('id').limit(1).executeTakeFirst()
    if (!anybody) await seed(db)
    return new Users(db)
  }

  async findByUsername(username: string): Promise<User | null> {
    const row = await this.db
      .selectFrom('users')
      .select(columns)
      .where('username', '=', username)
      .executeTakeFirst()
    // MySQL compares without regard to case.
    return row?.username === username ? toUser(row) : null
  }

  async findById(id: unknown): Promise<User | null> {
    if (!Number.isSafeInteger(id)) return null
    const row = await this.db
      .selectFrom('users')
      .select(columns)
      .where('id', '=', id as number)
      .executeTakeFirst()
    return row ? toUser(row) : null
  }

  /** Whom to tell what happens to the account, in the language last chosen at login. */
  async recipientsOf(id: number): Promise<{ address: string; language?: string | undefined }[]> {
    const user = await this.findById(id)
    return user ? [{ address: user.email, language: await this.#languageOf(id) }] : []
  }

  /** What somebody who asks support must know, by the names of the form's fields. */
  async registeredOf(id: number): Promise<{ firstName: string; lastName: string; phone: string } | null> {
    const user = await this.findById(id)
    if (!user) return null
    const { firstName, lastName, phone } = user
    return { firstName, lastName, phone }
  }

  /** Names in any case, phone numbers by their digits: people write them in many ways. */
  async matches(id: number, answers: Record<string, string>): Promise<boolean> {
    const registered = await this.registeredOf(id)
    if (!registered) return false
    const plain = (text = '') => text.normalize('NFKC').toLocaleLowerCase('en').replace(/\s+/g, ' ').trim()
    const digits = (text = '') => text.normalize('NFKC').replace(/\D/g, '')
    return (
      plain(answers.firstName) === plain(registered.firstName) &&
      plain(answers.lastName) === plain(registered.lastName) &&
      digits(answers.phone) === digits(registered.phone)
    )
  }

  async setLanguage(id: number, lang: string): Promise<void> {
    const before = await this.#languageOf(id)
    if (before === lang) return
    const row = { user_id: id, lang }
    if (before) await this.db.updateTable('user_languages').set({ lang }).where('user_id', '=', id).execute()
    else await unlessThere(() => this.db.insertInto('user_languages').values(row).execute())
  }

  async #languageOf(id: number): Promise<string | undefined> {
    const row = await this.db
      .selectFrom('user_languages')
      .select('lang')
      .where('user_id', '=', id)
      .executeTakeFirst()
    return row?.lang
  }

  /** Takes as long for an account that does not exist: the time says nothing of who has one. */
  async verifyPassword(user: User | null, password: string): Promise<boolean> {
    const row = await this.db
      .selectFrom('users')
      .select('password')
      .where('id', '=', user?.id ?? 0)
      .executeTakeFirst()
    const right = await matches(password, row?.password ?? `${'00'.repeat(16)}:${'00'.repeat(32)}`)
    return right && user !== null
  }
}

async function seed(db: Db): Promise<void> {
  const passwords = await Promise.all(demoUsers.map(() => hash(DEMO_PASSWORD)))
  for (const [i, [username, first_name, last_name, phone]] of demoUsers.entries()) {
    const email = `${username}@example.com`
    const row = { id: i + 1, username, first_name, last_name, email, phone, password: passwords[i] as string }
    await unlessThere(() => db.insertInto('users').values(row).execute())
  }
}

function toUser(row: Omit<UsersTable, 'password'>): User {
  const { id, username, first_name, last_name, email, phone } = row
  const name = `${first_name} ${last_name}`
  return { id, username, name, firstName: first_name, lastName: last_name, email, phone }
}

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)
const cost = { N: 2 ** 14, r: 8, p: 1 }

async function hash(password: string): Promise<string> {
  const salt = randomBytes(16)
  return `${salt.toString('hex')}:${(await derive(password, salt, 32, cost)).toString('hex')}`
}

async function matches(password: string, stored: string): Promise<boolean> {
  const [salt = '', expected = ''] = stored.split(':')
  const actual = await derive(password, Buffer.from(salt, 'hex'), 32, cost)
  return timingSafeEqual(actual, Buffer.from(expected, 'hex'))
}
