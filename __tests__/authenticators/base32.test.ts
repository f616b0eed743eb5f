import fc from 'fast-check'
import { base32 } from '../../lib/authenticators/base32'

test.each([
  ['', ''],
  ['f', 'MY'],
  ['fo', 'MZXQ'],
  ['foo', 'MZXW6'],
  ['foob', 'MZXW6YQ'],
  ['fooba', 'MZXW6YTB'],
  ['foobar', 'MZXW6YTBOI'],
])('RFC 4648 section 10, without padding: "%s" is "%s"', (text, encoded) => {
  expect(base32(Buffer.from(text))).toBe(encoded)
})

test('any bytes are the bits of the text, five a character, filled up with zeros', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
      const ofText = [...base32(bytes)]
        .map((character) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(character))
        .map((value) => value.toString(2).padStart(5, '0'))
        .join('')
      expect(ofText).toBe(bits.padEnd(Math.ceil(bits.length / 5) * 5, '0'))
    }),
  )
})
