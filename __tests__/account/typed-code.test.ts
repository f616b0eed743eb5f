import fc from 'fast-check'
import { readTypedCode } from '../../lib/account/typed-code'
import { anyCharacter } from '../support/any-text'

test.each(['123456', '123 456', '123-456', ' 123456 ', '1 2 3 4 5 6', '-123--456-', '000000'])(
  '"%s" is a code of an authenticator app',
  (input) => {
    expect(readTypedCode(input)).toEqual({ method: 'totp', code: input.replace(/\D/g, '') })
  },
)

test.each<[string, unknown]>([
  ['nothing', ''],
  ['only spaces and hyphens', ' - '],
  ['five digits', '12345'],
  ['seven digits', '1234567'],
  ['fullwidth digits', '１２３４５６'],
  ['Arabic digits', '١٢٣٤٥٦'],
  ['digits among ASCII ones', '12345６'],
  ['a sign', '+12345'],
  ['an exponent', '1e5'],
  ['an exponent of six characters', '1e0005'],
  ['hexadecimal', '0x1234'],
  ['a decimal point', '1234.5'],
  ['a line break', '123456\n'],
  ['a tab', '123\t456'],
  ['a no-break space', '123\u00a0456'],
  ['a dash that is no hyphen', '123–456'],
  ['a null byte', '123456\0'],
  ['a letter', '12345a'],
  ['65 characters', `${' '.repeat(59)}123456`],
  ['a million characters', '1'.repeat(1_000_000)],
  ['a number', 123456],
  ['an array', ['123456']],
  ['an array of digits', ['1', '2', '3', '4', '5', '6']],
  ['an object', { toString: () => '123456', length: 6 }],
  ['a String object', new String('123456')],
  ['null', null],
  ['undefined', undefined],
  ['true', true],
])('%s is no code', (_what, input) => {
  expect(readTypedCode(input)).toBeNull()
})

test.each([
  ['S0ABCDEFG4', 'S0ABCDEFG4'],
  ['s0abc-defg4', 'S0ABCDEFG4'],
  [' s0abc defg4 ', 'S0ABCDEFG4'],
  ['SOABC-DEFG4', 'S0ABCDEFG4'],
  ['abcdefghIs', 'ABCDEFGH1S'],
  ['abcdefghls', 'ABCDEFGH1S'],
])('"%s" is a backup code', (input, code) => {
  expect(readTypedCode(input)).toEqual({ method: 'backup-code', code })
})

test.each([
  ['with a typo', 'S0ABC-DEFG5'],
  ['with two characters swapped', 'S0ACB-DEFG4'],
  ['cut short', 'S0ABC-DEFG'],
  ['with one too many', 'S0ABC-DEFG44'],
  // Its capital is an S of ASCII.
  ['with a long s in front', 'ſ0ABC-DEFG4'],
  ['with a long s in the middle', 'Kſ7T1-V0XW0'],
  ['with a long s at the end', 'ABCDE-FGH1ſ'],
])('a backup code %s is no code', (_what, input) => {
  expect(readTypedCode(input)).toBeNull()
})

test('64 characters are read', () => {
  expect(readTypedCode(`${' '.repeat(58)}123456`)).toEqual({ method: 'totp', code: '123456' })
})

test('whatever is sent, what is read is six ASCII digits, ten of the backup code alphabet, or nothing', () => {
  const anything = fc.oneof(
    fc.anything(),
    fc.string({ unit: anyCharacter }),
    fc.stringMatching(/^[0-9 -]{0,12}$/),
    fc.stringMatching(/^[0-9A-Za-z]{10}$/),
  )
  fc.assert(
    fc.property(anything, (input) => {
      const read = readTypedCode(input)
      if (read) {
        expect(read.code).toMatch(read.method === 'totp' ? /^[0-9]{6}$/ : /^[0-9ABCDEFGHJKMNPQRSTVWXYZ]{10}$/)
        expect(String(input).replace(/[ -]/g, '')).toHaveLength(read.code.length)
      }
    }),
    { numRuns: 500 },
  )
})
