import type { Request } from 'express'
import {
  hasPassportUser,
  keyOf,
  passportKey,
  passportUser,
  putPassportUser,
  removePassportUser,
  setUser,
  userOf,
} from '../../lib/session/passport-session'

const request = (session: Record<string, unknown>, parts: object = {}) =>
  ({ session, ...parts }) as unknown as Request

test('the key is the one that Passport was given, and "passport" where none is known', () => {
  expect(passportKey(request({}, { _sessionManager: { _key: 'mine' } }))).toBe('mine')
  expect([passportKey(request({})), passportKey(request({}, { _sessionManager: {} }))]).toEqual([
    'passport',
    'passport',
  ])
  expect([keyOf({ _key: 'mine' }), keyOf({})]).toEqual(['mine', 'passport'])
})

test.each<[unknown, boolean]>([
  ['u-alice', true],
  [7, true],
  [{ id: 7 }, true],
  // Passport's own test lets the number through, and nothing else that is false.
  [0, true],
  ['', false],
  [false, false],
  [null, false],
  [undefined, false],
])('a serialized user of %p: somebody is logged in: %p', (user, is) => {
  expect(hasPassportUser(request({ passport: { user } }))).toBe(is)
})

test('a session without an entry of Passport has nobody', () => {
  expect(hasPassportUser(request({}))).toBe(false)
  expect(passportUser(request({}))).toBeUndefined()
})

test('what else Passport keeps there stays, and an empty entry does not', () => {
  const req = request({ passport: { user: 'u-alice', authInfo: 1 } })
  removePassportUser(req)
  expect(req.session).toEqual({ passport: { authInfo: 1 } })
  putPassportUser(req, 'u-bob')
  expect(req.session).toEqual({ passport: { authInfo: 1, user: 'u-bob' } })
  const only = request({ passport: { user: 'u-alice' } })
  removePassportUser(only)
  expect(only.session).toEqual({})
  removePassportUser(only)
  expect(only.session).toEqual({})
})

test("the request's user is where this Passport puts it", () => {
  const req = request({}, { _userProperty: 'member', user: 'another' })
  setUser(req, { id: 'u-alice' } as Express.User)
  expect(req).toMatchObject({ member: { id: 'u-alice' }, user: 'another' })
  expect(userOf(req)).toEqual({ id: 'u-alice' })
  expect(userOf(request({}, { user: 'a' }))).toBe('a')
})
