import Database from 'libsql'
import { DEMO_PASSWORD, Users } from '../../example-app/users'

const db = new Database(':memory:')
afterAll(() => db.close())

test('the accounts are made on first start only', async () => {
  const users = await Users.open(db)
  for (const username of ['alice', 'bob', 'carol', 'admin']) {
    expect(users.findByUsername(username)).toMatchObject({ username, email: `${username}@example.com` })
  }
  db.exec("delete from users where username = 'carol'")
  expect((await Users.open(db)).findByUsername('carol')).toBeNull()
})

test('passwords are checked, also of nobody', async () => {
  const users = await Users.open(db)
  const alice = users.findByUsername('alice')
  expect(await users.verifyPassword(alice, DEMO_PASSWORD)).toBe(true)
  expect(await users.verifyPassword(alice, `${DEMO_PASSWORD} `)).toBe(false)
  expect(await users.verifyPassword(null, DEMO_PASSWORD)).toBe(false)
  expect(JSON.stringify(db.prepare('select * from users').all())).not.toContain(DEMO_PASSWORD)
})

test.each(['Alice', 'alice ', '', "' or 1=1 --"])('nobody is called %j', async (username) => {
  expect((await Users.open(db)).findByUsername(username)).toBeNull()
})

test.each([0, -1, 1.5, '1', null, undefined, {}])('no account has the id %j', async (id) => {
  expect((await Users.open(db)).findById(id)).toBeNull()
})
