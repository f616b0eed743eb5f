import fc from 'fast-check'

const SURROGATES = 0x800

/**
 * A character: what `unit: 'binary'` of fast-check is, without the table of a million characters that it makes for each
 * arbitrary, in two seconds, to find out which they are.
 */
export const anyCharacter = fc
  .integer({ min: 0, max: 0x10ffff - SURROGATES })
  .map((index) => String.fromCodePoint(index < 0xd800 ? index : index + SURROGATES), indexOf)

function indexOf(character: unknown): number {
  const [only, ...more] = [...String(character)]
  const point = only?.codePointAt(0)
  if (point === undefined || more.length > 0 || !only?.isWellFormed()) throw new Error('not one character')
  return point < 0xd800 ? point : point - SURROGATES
}

const UNRESERVED = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@"]
const inPath = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(...UNRESERVED) },
  {
    weight: 1,
    arbitrary: anyCharacter.map((character) => {
      const encoded = encodeURIComponent(character)
      return encoded === character ? `%${character.charCodeAt(0).toString(16)}` : encoded
    }),
  },
)

/** `fc.webUrl()`, which makes such a table for its paths. */
export const anyWebUrl = fc
  .tuple(
    fc.constantFrom('http', 'https'),
    fc.webAuthority(),
    fc.array(fc.string({ unit: inPath, maxLength: 5 }), { maxLength: 5 }),
  )
  .map(([scheme, authority, segments]) => `${scheme}://${authority}${segments.map((s) => `/${s}`).join('')}`)
