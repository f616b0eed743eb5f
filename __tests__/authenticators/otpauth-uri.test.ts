import fc from 'fast-check'
import { otpauthUri } from '../../lib/authenticators/otpauth-uri'
import { qrSvg } from '../../lib/authenticators/qr'

const secret = new TextEncoder().encode('12345678901234567890')
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

/** What an authenticator app makes of the URI. */
function scanned(uri: string) {
  const url = new URL(uri)
  const label = url.pathname.slice(1).split(':').map(decodeURIComponent)
  return {
    type: `${url.protocol}//${url.host}`,
    label,
    secret: url.searchParams.get('secret'),
    issuer: url.searchParams.get('issuer'),
  }
}

/** Side of the square in modules, with the quiet zone. */
async function modules(uri: string): Promise<number> {
  return Number(/viewBox="0 0 (\d+) \1"/.exec(await qrSvg(uri))?.[1])
}

/** What people and attackers call an app or themselves. */
const oddNames: [string, string, string][] = [
  ['a space', 'Acme Corp', 'Acme Corp'],
  ['a plus sign', 'a+b@example.com', 'a+b@example.com'],
  ['colons', 'Acme: the:app', 'Acme the app'],
  ['markup', '<b>"A" & \'B\'</b>', '<b>"A" & \'B\'</b>'],
  ['control characters', 'A\u0000\r\nB\u0007C\u007fD\u0085E', 'A B C D E'],
  ['a query', 'a?secret=AAAA&issuer=Evil#x', 'a?secret=AAAA&issuer=Evil#x'],
  ['an encoded colon', 'Acme%3AEvil', 'Acme%3AEvil'],
  ['slashes and dots', '../../x', '../../x'],
  ['an emoji', '👩‍👩‍👧 & co', '👩‍👩‍👧 & co'],
  ['a lone surrogate', 'a\ud800b', 'a\ufffdb'],
  ['letters of the world', 'Ünïcödé 名前 عربى', 'Ünïcödé 名前 عربى'],
]

test('a plain name makes a plain URI', () => {
  expect(otpauthUri('Acme Corp', 'alice@example.com', secret)).toBe(
    `otpauth://totp/Acme%20Corp:alice%40example.com?secret=${SECRET}&issuer=Acme%20Corp`,
  )
})

describe.each(oddNames)('a name with %s', (_what, name, shown) => {
  test('is read back by the app, as issuer and as account', () => {
    expect(scanned(otpauthUri(name, name, secret))).toEqual({
      type: 'otpauth://totp',
      label: [shown, shown],
      secret: SECRET,
      issuer: shown,
    })
  })
})

test.each([
  ['ASCII', 'x'],
  ['two bytes each', 'é'],
  ['emoji', '😀'],
])('300 characters of %s are cut at a whole character, with an ellipsis', (_what, character) => {
  const { label, issuer } = scanned(otpauthUri(character.repeat(300), character.repeat(300), secret))
  for (const name of [...label, issuer as string]) {
    expect(name).toMatch(new RegExp(`^(${character})+…$`, 'u'))
    expect([...name].length).toBeGreaterThan(5)
  }
  expect(label[0]).toBe(issuer)
})

test('the longest names that fit are not cut', () => {
  const { label } = scanned(otpauthUri('i'.repeat(90), 'a'.repeat(180), secret))
  expect(label).toEqual(['i'.repeat(90), 'a'.repeat(180)])
  const longer = scanned(otpauthUri('i'.repeat(91), 'a'.repeat(181), secret))
  expect(longer.label).toEqual([`${'i'.repeat(81)}…`, `${'a'.repeat(171)}…`])
})

/** Any UTF-16 at all, and what is special in a URI, often. */
const anyName = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom(':', '%', '+', ' ', '&', '#', '?', '/', '\n', '\ud800', '😀', '…'),
    ),
    { maxLength: 400 },
  )
  .map((parts) => `x${parts.join('')}`)

test('whatever the names: two parts in the label, no "+", whole characters, and a QR code that a phone can read', async () => {
  await fc.assert(
    fc.asyncProperty(anyName, anyName, async (issuer, account) => {
      const uri = otpauthUri(issuer, account, secret)
      expect(uri).toMatch(/^otpauth:\/\/totp\/[^:?#+]+:[^:?#+]+\?secret=[A-Z2-7]{32}&issuer=[^:?#+&]+$/)
      const read = scanned(uri)
      expect(read.label).toHaveLength(2)
      expect(read.label[0]).toBe(read.issuer)
      expect(read.secret).toBe(SECRET)
      for (const [given, shown] of [
        [issuer, read.label[0] as string],
        [account, read.label[1] as string],
      ] as const) {
        expect(shown.isWellFormed()).toBe(true)
        expect(shown).not.toMatch(/[:\p{Cc}]/u)
        const plain = given
          .toWellFormed()
          .replace(/[:\p{Cc}\s]+/gu, ' ')
          .trim()
        expect(plain === shown || plain.startsWith(shown.replace(/…$/u, ''))).toBe(true)
      }
      // Version 17: at five centimetres a module is half a millimetre.
      expect(await modules(uri)).toBeLessThanOrEqual(17 + 4 * 17 + 2 * 4)
    }),
    // Drawing QR codes of ever shorter names would take minutes.
    { numRuns: 40, endOnFailure: true },
  )
})

test('the QR code is black on white with the quiet zone, whatever the page around it', async () => {
  const svg = await qrSvg(otpauthUri('Acme', 'alice', secret))
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 (\d+) \1"/)
  expect(svg).toMatch(/<path fill="#ffffff" d="M0 0h(\d+)v\1H0z"\/>/)
  expect(svg).toMatch(/<path stroke="#000000" d="M4 4\.5h7/)
  expect(svg).not.toMatch(/<script|href|on\w+=/)
})
