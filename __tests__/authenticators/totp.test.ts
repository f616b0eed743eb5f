import fc from 'fast-check'
import { base32 } from '../../lib/authenticators/base32'
import { codeAt, findStep, newSecret, stepAt } from '../../lib/authenticators/totp'
import { Authenticator } from '../support/authenticator'

/** The secret of both RFCs. */
const rfcSecret = new TextEncoder().encode('12345678901234567890')

test.each([
  [59, '94287082'],
  [1111111109, '07081804'],
  [1111111111, '14050471'],
  [1234567890, '89005924'],
  [2000000000, '69279037'],
  [20000000000, '65353130'],
])('RFC 6238 appendix B, SHA-1: second %i has the last six digits of %s', (seconds, eightDigits) => {
  expect(codeAt(rfcSecret, stepAt(seconds * 1000))).toBe(eightDigits.slice(-6))
})

test.each([
  [0, '755224'],
  [1, '287082'],
  [2, '359152'],
  [3, '969429'],
  [4, '338314'],
  [5, '254676'],
  [6, '287922'],
  [7, '162583'],
  [8, '399871'],
  [9, '520489'],
])('RFC 4226 appendix D: counter %i has %s', (counter, code) => {
  expect(codeAt(rfcSecret, counter)).toBe(code)
})

test('any phone shows the code that we expect, at any second of the next thousand years', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.integer({ min: 0, max: 32_503_680_000 }),
      (secret, seconds) => {
        const now = seconds * 1000
        expect(codeAt(secret, stepAt(now))).toBe(new Authenticator(base32(secret), () => now).code())
      },
    ),
  )
})

test('a step begins on the second and lasts 30 seconds', () => {
  expect([0, 29_999, 30_000, 59_999, 60_000].map(stepAt)).toEqual([0, 0, 1, 1, 2])
})

test('a new secret has 160 bits, and there are no two alike', () => {
  const secrets = Array.from({ length: 1000 }, newSecret)
  expect(new Set(secrets.map((secret) => secret.length))).toEqual(new Set([20]))
  expect(new Set(secrets.map(base32)).size).toBe(1000)
})

describe('findStep', () => {
  test('finds the first of the steps that has the code', () => {
    expect(findStep(rfcSecret, '969429', [1, 2, 3, 4])).toBe(3)
    expect(findStep(rfcSecret, '969429', [1, 2, 4])).toBeNull()
    expect(findStep(rfcSecret, '969429', [])).toBeNull()
  })

  test('knows step 0 and nothing before 1970', () => {
    expect(findStep(rfcSecret, '755224', [-2, -1, 0])).toBe(0)
    expect(findStep(rfcSecret, '755224', [-2, -1])).toBeNull()
  })

  test('takes no part of a code and nothing longer for the code', () => {
    for (const code of ['', '75522', '7552244', ' 755224', '755224\0', '７55224']) {
      expect(findStep(rfcSecret, code, [0])).toBeNull()
    }
  })
})
