import type { Request, Response } from 'express'
import { hashOfToken } from '../../lib/account/devices'
import { deviceHashes, rememberDevice } from '../../lib/session/device-cookie'
import { deviceLabel } from '../../lib/session/device-label'

const token = (letter: string) => letter.repeat(43)
const request = (cookie: string | undefined, secure = false) => ({ headers: { cookie }, secure }) as Request
const tokens = (cookie: string | undefined, secure = false) =>
  deviceHashes(request(cookie, secure)).map(
    (hash) => [...'abcdefg'].find((letter) => hashOfToken(token(letter)) === hash) ?? '?',
  )

test.each<[string | undefined, boolean, string]>([
  [undefined, false, ''],
  [`second-factor-device=${token('a')}`, false, 'a'],
  [`sid=1; second-factor-device=${token('a')}.${token('b')};x`, false, 'ab'],
  [`__Host-second-factor-device=${token('a')}`, false, ''],
  [`second-factor-device=${token('a')}`, true, ''],
  [`x=2;  __Host-second-factor-device=${token('c')}`, true, 'c'],
  // The first is the browser's answer to which is meant.
  [`second-factor-device=${token('a')}; second-factor-device=${token('b')}`, false, 'a'],
  [`second-factor-device=${token('a')}x.${token('b')}.short.${token('c')}`, false, 'bc'],
  [`second-factor-device=${[...'abcdefg'].map(token).join('.')}`, false, 'abcde'],
  ['second-factor-device', false, ''],
])('of the cookies %p, over HTTPS %p, count %p', (cookie, secure, letters) => {
  expect(tokens(cookie, secure).join('')).toBe(letters)
})

test.each([false, true])('the newest comes first, and five are kept, over HTTPS: %p', (secure) => {
  const name = secure ? '__Host-second-factor-device' : 'second-factor-device'
  const cookie = jest.fn()
  const present = `${name}=${[...'abcde'].map(token).join('.')}`
  rememberDevice(request(present, secure), { cookie } as unknown as Response, token('f'), 60_000)
  expect(cookie.mock.calls).toEqual([
    [
      name,
      [...'fabcd'].map(token).join('.'),
      { httpOnly: true, secure, sameSite: 'lax', path: '/', maxAge: 60_000 },
    ],
  ])
})

test('what nobody knows has no name', () => {
  expect([deviceLabel(undefined), deviceLabel(''), deviceLabel('curl/8')]).toEqual(['', '', ''])
})
