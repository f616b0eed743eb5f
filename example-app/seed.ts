import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { MemoryStore, type SecondFactorStore, SqlStore, type StoredRecord } from 'express-second-factor'
import { type Db, unlessThere } from './database'

/** Users in one statement: SQLite takes 32,766 parameters at most. */
const BATCH = 500
const DAY = 86_400_000

// Names of many countries, so that lists show what they must bear.
const GIVEN =
  'Ada Aisha Ålesund Alejandro Amélie Andrzej Anh Anja Arthur Béla Björn Carmen Chiara Chloë Daan Dmitri Ebru Elif Émile ' +
  'Fatima Felix Gökçe Grace Hana Håkon Ines Ivan Jacek Jürgen Kaito Katarzyna Kofi Lars Leïla Lucía Mae Márta Mei Miguel ' +
  'Noah Nuno Oksana Olu Paweł Priya Rachel Renée Sami Seán Siobhán Søren Tadeusz Tomás Uma Vera Wei Ximena Yusuf Zoë ' +
  'Žofia 明 美咲 محمد ליאור Георгий'
const FAMILY =
  'Abe Ahmadi Andersson Bąk Bauer Björk Brown Çelik Costa Czerny Díaz Dubois Eriksen Farouk Fischer García Gómez ' +
  'Großmann Haddad Hernández Hoang Ito Ivanova Jansen Johansson Kaya Kim Kowalski Lefèvre Lindqvist López Łukasik MacLeod ' +
  'Martin Müller Nakamura Nguyễn Novák Nwosu Öberg O’Brien Okafor Olsen Özdemir Papadopoulos Patel Petit Quinn Rossi ' +
  'Sánchez Şahin Schmidt Silva Smith Suzuki Szabó Tanaka Tkachenko Ueda van-Dijk Vasquez Weiß Wójcik Xu Yılmaz Zhang ' +
  '李 佐藤 الخطيب כהן Иванов'

/** What of a record is told. @see lib/account/record.ts */
interface SeededRecord {
  epoch: number
  totp: { secret: string; clockSide: 0; lastStep: number; since: number } | null
  backupCodes: { salt: string; hashes: string[]; total: number; generatedAt: number } | null
  failures: Record<string, { count: number; lockedUntil: number }>
  lastUsedAt: number | null
}

/**
 * Users to look at lists with: so many, about a third of them with a second factor. Their codes are nobody's, and
 * their password is that of the demonstration. A database that has seeded users is left as it is.
 */
export async function seedUsers(
  db: Db,
  store: SecondFactorStore,
  keys: string[],
  count: number,
): Promise<void> {
  const first = await db.selectFrom('users').select('password').limit(1).executeTakeFirstOrThrow()
  const there = await db
    .selectFrom('users')
    .select('id')
    .where('username', '=', usernameOf(1))
    .executeTakeFirst()
  if (there) return
  const highest = await db
    .selectFrom('users')
    .select('id')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  const random = numbersFrom(20_260_501)
  const given = GIVEN.split(' ')
  const family = FAMILY.split(' ')
  const pick = (all: string[]) => all[Math.floor(random() * all.length)] as string
  for (let from = 1; from <= count; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, count - from + 1) }, (_, i) => from + i)
    const rows = numbers.map((number) => {
      const [first_name, last_name] = [pick(given), pick(family).replace('-', ' ')]
      const ascii = `${first_name}.${last_name}`
        .normalize('NFKD')
        .replace(/[^A-Za-z.]/g, '')
        .toLowerCase()
      return {
        id: highest.id + number,
        username: usernameOf(number),
        first_name,
        last_name,
        email: `${ascii.replace(/^\.|\.$/g, '') || 'mail'}.${number}@example.com`,
        phone: `+44 20 7946 ${String(1000 + (number % 9000))}`,
        // One for all: each of its own would take minutes.
        password: first.password,
      }
    })
    await unlessThere(() => db.insertInto('users').values(rows).execute())
    const enrolled = rows.filter(() => random() < 0.34)
    await write(
      db,
      store,
      await sealed(
        keys,
        enrolled.map(({ id }) => String(id)),
        random,
      ),
    )
  }
}

const usernameOf = (number: number) => `user${number}`

/** Records as the plugin writes them, sealed with the app's keys. */
async function sealed(
  keys: string[],
  ids: string[],
  random: () => number,
): Promise<{ accountId: string; record: StoredRecord }[]> {
  const { Keyring, AccountRecords, EMPTY_RECORD } = internals()
  const kept = new MemoryStore()
  const now = Date.now()
  const records = new AccountRecords(kept, new Keyring(keys), () => now)
  for (const id of ids) {
    const since = Math.floor(now - random() * 700 * DAY)
    const used = random() < 0.9 ? Math.floor(since + random() * (now - since)) : null
    const left = random() < 0.7 ? 5 : Math.floor(random() * 5)
    const rare = random()
    const record: SeededRecord = {
      ...EMPTY_RECORD,
      epoch: 1,
      totp: { secret: randomBytes(20).toString('base64'), clockSide: 0, lastStep: 0, since },
      backupCodes: {
        salt: randomBytes(16).toString('base64'),
        hashes: Array.from({ length: left }, () => randomBytes(32).toString('base64')),
        total: 5,
        generatedAt: since,
      },
      lastUsedAt: used,
      failures: {
        ...EMPTY_RECORD.failures,
        ...(rare < 0.01 && { totp: { count: 9, lockedUntil: now + 40 * 60_000 } }),
        ...(rare > 0.996 && { totp: { count: 100, lockedUntil: 0 } }),
      },
    }
    await records.transact(id, () => ({ record, outcome: null }))
  }
  const rows = await kept.getMany(ids)
  return ids.map((accountId, i) => ({ accountId, record: rows[i] as StoredRecord }))
}

/** Into the table in one statement, where there is one; other stores take one after the other. */
async function write(
  db: Db,
  store: SecondFactorStore,
  rows: { accountId: string; record: StoredRecord }[],
): Promise<void> {
  if (rows.length === 0) return
  if (!(store instanceof SqlStore)) {
    await Promise.all(rows.map(({ accountId, record }) => store.compareAndSet(accountId, 0, record)))
    return
  }
  await store.migrate()
  const inBytes = db.getExecutor().adapter.constructor.name.startsWith('Mysql')
  const values = rows.map(({ accountId, record: { version, activated, sealed } }) => ({
    account_id: inBytes ? Buffer.from(accountId) : accountId,
    version,
    activated: activated ? 1 : 0,
    sealed,
  }))
  await unlessThere(() => db.insertInto('second_factor_accounts').values(values).execute())
}

interface Internals {
  Keyring: new (keys: string[]) => object
  AccountRecords: new (
    store: SecondFactorStore,
    keyring: object,
    now: () => number,
  ) => { transact(id: string, rule: () => { record: SeededRecord; outcome: null }): Promise<null> }
  EMPTY_RECORD: SeededRecord
}

/** What the package does not export, since no app needs it: to seal a record without a code. */
function internals(): Internals {
  const require = createRequire(__filename)
  const dist = join(dirname(require.resolve('express-second-factor/package.json')), 'dist')
  const load = (name: string) => require(join(dist, name))
  return { ...load('crypto/keyring.js'), ...load('account/records.js'), ...load('account/record.js') }
}

/** The same numbers from 0 to 1 each time, so that the users are the same, too (xorshift, 32 bits). */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
