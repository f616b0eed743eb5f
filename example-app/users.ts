import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Database } from 'libsql'

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

const columns = 'id, username, first_name, last_name, email, phone'

interface Row {
  id: number
  username: string
  first_name: string
  last_name: string
  email: string
  phone: string
  password?: string
}

/** The accounts, in one table. */
export class Users {
  private constructor(private readonly db: Database) {}

  /** Creates the table, and on first start the accounts of the demonstration. */
  static async open(db: Database): Promise<Users> {
    db.exec(`create table if not exists users (
      id integer primary key,
      username text not null unique,
      first_name text not null,
      last_name text not null,
      email text not null unique,
      phone text not null,
      password text not null
    )`)
    if (!db.prepare('select 1 from users limit 1').all().length) await seed(db)
    return new Users(db)
  }

  findByUsername(username: string): User | null {
    return toUser(this.db.prepare(`select ${columns} from users where username = ?`).all(username)[0])
  }

  findById(id: unknown): User | null {
    if (!Number.isSafeInteger(id)) return null
    return toUser(this.db.prepare(`select ${columns} from users where id = ?`).all(id)[0])
  }

  /** Takes as long for an account that does not exist: the time says nothing of who has one. */
  async verifyPassword(user: User | null, password: string): Promise<boolean> {
    const [row] = this.db.prepare('select password from users where id = ?').all(user?.id ?? 0) as Row[]
    const right = await matches(password, row?.password ?? `${'00'.repeat(16)}:${'00'.repeat(32)}`)
    return right && user !== null
  }
}

async function seed(db: Database): Promise<void> {
  const passwords = await Promise.all(demoUsers.map(() => hash(DEMO_PASSWORD)))
  // Another process may be doing the same.
  const insert = db.prepare('insert into users values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing')
  for (const [i, [username, first, last, phone]] of demoUsers.entries()) {
    insert.run(i + 1, username, first, last, `${username}@example.com`, phone, passwords[i])
  }
}

function toUser(row: unknown): User | null {
  if (!row) return null
  const { id, username, first_name, last_name, email, phone } = row as Row
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
