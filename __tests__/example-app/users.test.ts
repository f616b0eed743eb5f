import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../example-app/database'
import { DEMO_PASSWORD, Users } from '../../example-app/users'

// As the app has it.
jest.unmock('node:crypto')

const dataDir = mkdtempSync(join(tmpdir(), 'users-'))
const db = openDatabase({ dataDir, databaseUrl: null })
afterAll(async () => {
  await db.destroy()
  rmSync(dataDir, { recursive: true })
})

test('the accounts are made on first start only', async () => {
  const users = await Users.open(db)
  for (const username of ['alice', 'bob', 'carol', 'admin']) {
    expect(await users.findByUsername(username)).toMatchObject({ username, email: `${username}@example.com` })
  }
  await db.deleteFrom('users').where('username', '=', 'carol').execute()
  expect(await (await Users.open(db)).findByUsername('carol')).toBeNull()
})

test('passwords are checked, also of nobody', async () => {
  const users = await Users.open(db)
  const alice = await users.findByUsername('alice')
  expect(await users.verifyPassword(alice, DEMO_PASSWORD)).toBe(true)
  expect(await users.verifyPassword(alice, `${DEMO_PASSWORD} `)).toBe(false)
  expect(await users.verifyPassword(null, DEMO_PASSWORD)).toBe(false)
  expect(JSON.stringify(await db.selectFrom('users').selectAll().execute())).not.toContain(DEMO_PASSWORD)
})

test.each(['Alice', 'alice ', '', "' or 1=1 --"])('nobody is called %j', async (username) => {
  expect(await (await Users.open(db)).findByUsername(username)).toBeNull()
})

test.each([0, -1, 1.5, '1', null, undefined, {}])('no account has the id %j', async (id) => {
  expect(await (await Users.open(db)).findById(id)).toBeNull()
})

test('who asks support must know names and phone number, in whatever way they are written', async () => {
  const users = await Users.open(db)
  const right = { firstName: 'Alice', lastName: 'Liddell', phone: '+44 20 7946 0101' }
  expect(await users.registeredOf(1)).toEqual(right)
  expect(await users.matches(1, right)).toBe(true)
  expect(
    await users.matches(1, { firstName: 'ALICE', lastName: ' liddell ', phone: '+44-(20)-79460101' }),
  ).toBe(true)
  expect(await users.matches(1, { ...right, phone: '+44 20 7946 0102' })).toBe(false)
  expect(await users.matches(1, { ...right, lastName: 'Marsh' })).toBe(false)
  expect(await users.matches(1, {})).toBe(false)
  expect(await users.matches(99, right)).toBe(false)
})
