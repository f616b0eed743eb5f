import { accountId, knownAccountId } from '../../lib/account/account-id'
import { ConfigurationError } from '../../lib/errors'

test.each<[unknown, string]>([
  ['alice', 'alice'],
  ['0', '0'],
  [' ', ' '],
  [0, '0'],
  [-7, '-7'],
  [9_007_199_254_740_991, '9007199254740991'],
  [2n ** 64n, '18446744073709551616'],
  ['a'.repeat(255), 'a'.repeat(255)],
  ['ѫ😀', 'ѫ😀'],
])('%s is an account id', (id, text) => {
  expect(accountId(id)).toBe(text)
  expect(knownAccountId(id)).toBe(text)
})

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['null', null],
  ['an empty text', ''],
  ['256 characters', 'a'.repeat(256)],
  ['half of a surrogate pair', 'a\ud800'],
  ['a text with a NUL', 'a\0b'],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a fraction', 1.5],
  ['a number that others round to', 2 ** 53],
  ['true', true],
  ['a list', ['alice']],
  ['an object', { toString: () => 'alice' }],
  ['a String object', new String('alice')],
  ['a symbol', Symbol('alice')],
])('%s is none', (_what, id) => {
  const refused = () => accountId(id)
  expect(refused).toThrow(ConfigurationError)
  expect(refused).toThrow(expect.objectContaining({ code: 'SF_ACCOUNT_ID' }))
  expect(refused).toThrow('An account id is a whole number or a text of 1 to 255 characters')
  expect(knownAccountId(id)).toBeNull()
})
