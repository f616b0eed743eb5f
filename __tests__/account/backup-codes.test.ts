import { scryptSync } from 'node:crypto'
import fc from 'fast-check'
import { hashBackupCode, newBackupCodes, readBackupCode, withoutCode } from '../../lib/account/backup-codes'
import { readTypedCode } from '../../lib/account/typed-code'

// What it costs is part of what is tested.
jest.unmock('node:crypto')

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

const nine = fc
  .array(fc.constantFrom(...ALPHABET), { minLength: 9, maxLength: 9 })
  .map((characters) => characters.join(''))

/** The ten characters that begin with these nine, whatever way the last is found. */
const complete = (nine: string) => [...ALPHABET].map((last) => nine + last).filter(readBackupCode)
const anyCode = nine.map((start) => complete(start)[0] as string)

test('to any nine characters there is exactly one check character', () => {
  fc.assert(fc.property(nine, (start) => void expect(complete(start)).toHaveLength(1)))
})

test('the check character is what it always was: printed codes go on', () => {
  // Worked out by hand: the sum of x^9 ... x^1 times the characters, in GF(32) of x^5 + x^2 + 1.
  const known = ['0000000000', '0000000012', '1234567890', 'ZZZZZZZZZX', 'ABCDEFGHJT']
  expect(known.flatMap((code) => complete(code.slice(0, 9)))).toEqual(known)
})

test('every single wrong character is detected', () => {
  fc.assert(
    fc.property(anyCode, (code) => {
      for (let place = 0; place < 10; place++) {
        for (const wrong of ALPHABET) {
          const typo = code.slice(0, place) + wrong + code.slice(place + 1)
          expect(readBackupCode(typo)).toBe(typo === code ? code : null)
        }
      }
    }),
    { numRuns: 5 },
  )
})

test('every swap of two different characters is detected, wherever they are', () => {
  fc.assert(
    fc.property(anyCode, (code) => {
      for (let one = 0; one < 10; one++) {
        for (let other = one + 1; other < 10; other++) {
          const characters = [...code]
          characters[one] = code[other] as string
          characters[other] = code[one] as string
          const typo = characters.join('')
          expect(readBackupCode(typo)).toBe(typo === code ? code : null)
        }
      }
    }),
    { numRuns: 30 },
  )
})

test('lower case, look-alikes, spaces and hyphens do not matter', () => {
  fc.assert(
    fc.property(anyCode, fc.infiniteStream(fc.nat(3)), (code, choices) => {
      const typed = [...code].map((character) => {
        const choice = choices.next().value as number
        if (character === '0') return '0oO0'[choice]
        if (character === '1') return 'iIlL'[choice]
        return [character, character.toLowerCase(), ` ${character}`, `${character}-`][choice]
      })
      expect(readTypedCode(typed.join(''))).toEqual({ method: 'backup-code', code })
    }),
  )
})

test('nine or eleven characters, a U, and letters beyond ASCII make no backup code', () => {
  const [code] = complete('ABCDEFGHJ') as [string]
  for (const typed of [code.slice(0, 9), `${code}0`, `U${code.slice(1)}`, `Å${code.slice(1)}`, `${code}\n`]) {
    expect(readTypedCode(typed)).toBeNull()
  }
})

describe('a new set', () => {
  let made: Awaited<ReturnType<typeof newBackupCodes>>
  beforeAll(async () => {
    made = await newBackupCodes(5, 1_777_000_000_000)
  })

  test('shows as many different codes as asked for, in two groups of five that can be typed back', () => {
    expect(new Set(made.codes).size).toBe(5)
    for (const code of made.codes) {
      expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/)
      expect(readTypedCode(code)).toEqual({ method: 'backup-code', code: code.replace('-', '') })
    }
  })

  test('keeps hashes only, under a salt of its own', async () => {
    expect(made.set).toEqual({
      salt: expect.any(String),
      hashes: expect.any(Array),
      total: 5,
      generatedAt: 1_777_000_000_000,
    })
    expect(new Set(made.set.hashes).size).toBe(5)
    const kept = JSON.stringify(made.set)
    for (const code of made.codes) {
      expect(kept).not.toContain(code)
      expect(kept).not.toContain(code.replace('-', ''))
    }
    expect((await newBackupCodes(1, 0)).set.salt).not.toBe(made.set.salt)
    expect(Buffer.from(made.set.salt, 'base64')).toHaveLength(16)
  })

  test('is hashed by scrypt at its interactive cost', async () => {
    const expected = scryptSync('ABCDEFGHJT', Buffer.from(made.set.salt, 'base64'), 32, {
      N: 16_384,
      r: 8,
      p: 1,
    })
    expect(await hashBackupCode('ABCDEFGHJT', made.set.salt)).toEqual(expected)
  })

  test('each code opens once, and takes no other code with it', async () => {
    let set = made.set
    for (const shown of made.codes.slice(0, 3)) {
      const hash = await hashBackupCode(shown.replace('-', ''), set.salt)
      const left = withoutCode(set, hash)
      expect(left?.hashes).toHaveLength(set.hashes.length - 1)
      expect(left?.hashes).not.toContain(hash.toString('base64'))
      expect(left).toMatchObject({ salt: set.salt, total: 5, generatedAt: set.generatedAt })
      set = left as typeof set
      expect(withoutCode(set, hash)).toBeNull()
    }
  })

  test('the codes of another set are worth nothing', async () => {
    const other = await newBackupCodes(1, 0)
    const hash = await hashBackupCode((other.codes[0] as string).replace('-', ''), made.set.salt)
    expect(withoutCode(made.set, hash)).toBeNull()
  })
})
