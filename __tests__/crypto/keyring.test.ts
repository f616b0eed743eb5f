import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { Keyring } from '../../lib/crypto/keyring'
import { ConfigurationError, UnavailableError } from '../../lib/errors'

const OLD = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')
const NEW = Buffer.from('another key of 32 random bytes..').toString('base64')
const ring = new Keyring([OLD])

/** Takes what was sealed apart, changes its bytes and puts it together again. */
function alter(sealed: string, change: (bytes: Buffer) => Uint8Array): string {
  const [format, key, data] = sealed.split('.') as [string, string, string]
  return [format, key, Buffer.from(change(Buffer.from(data, 'base64url'))).toString('base64url')].join('.')
}

describe('what was sealed', () => {
  const text = fc.string({ unit: 'grapheme' })

  test('opens for the same subject and context', () => {
    fc.assert(
      fc.property(text, text, text, (subject, context, secret) => {
        expect(ring.open(subject, context, ring.seal(subject, context, secret))).toBe(secret)
      }),
    )
  })

  test('opens when it was sealed by the platform, with AES-256-GCM under a key that its HKDF derived', () => {
    fc.assert(
      fc.property(text, text, (subject, secret) => {
        const info = Buffer.concat([
          Buffer.from('express-second-factor 1 '),
          createHash('sha256').update(subject).digest(),
        ])
        const key = hkdfSync('sha256', Buffer.from(OLD, 'base64'), Buffer.alloc(0), info, 32)
        const nonce = Buffer.from('nonce of 12.')
        const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), nonce)
        cipher.setAAD(Buffer.from('context'))
        const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
        const data = Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')
        expect(ring.open(subject, 'context', `1.${ring.ids[0]}.${data}`)).toBe(secret)
      }),
    )
  })

  test('opens for no other subject and in no other context', () => {
    fc.assert(
      fc.property(text, text, text, text, (subject, context, otherSubject, otherContext) => {
        const sealed = ring.seal(subject, context, 'secret')
        if (otherSubject !== subject) {
          expect(() => ring.open(otherSubject, context, sealed)).toThrow(UnavailableError)
        }
        if (otherContext !== context) {
          expect(() => ring.open(subject, otherContext, sealed)).toThrow(UnavailableError)
        }
      }),
    )
  })

  test('opens with no byte changed: nonce, tag or text', () => {
    const sealed = ring.seal('a', 'c', 'a secret of some length')
    let bytes = 0
    alter(sealed, (data) => {
      bytes = data.length
      return data
    })
    expect(bytes).toBe(12 + 16 + 23)
    for (let place = 0; place < bytes; place++) {
      for (const bit of [1, 128]) {
        const changed = alter(sealed, (data) =>
          data.map((byte, index) => (index === place ? byte ^ bit : byte)),
        )
        expect(() => ring.open('a', 'c', changed)).toThrow(UnavailableError)
      }
    }
  })

  test('opens neither cut short, down to nothing, nor with something added', () => {
    const sealed = ring.seal('a', 'c', 'secret')
    for (let length = 0; length < 12 + 16 + 6; length++) {
      expect(() =>
        ring.open(
          'a',
          'c',
          alter(sealed, (data) => data.subarray(0, length)),
        ),
      ).toThrow(UnavailableError)
    }
    expect(() =>
      ring.open(
        'a',
        'c',
        alter(sealed, (data) => Buffer.concat([data, Buffer.alloc(1)])),
      ),
    ).toThrow(UnavailableError)
    expect(() => ring.open('a', 'c', `${sealed}.x`)).toThrow(UnavailableError)
  })

  test('changed in any one character gives the same text or none', () => {
    const sealed = ring.seal('a', 'c', 'secret')
    fc.assert(
      fc.property(
        fc.nat(sealed.length - 1),
        fc.string({ minLength: 1, maxLength: 1 }),
        (place, character) => {
          const changed = sealed.slice(0, place) + character + sealed.slice(place + 1)
          let opened: string | null = null
          try {
            opened = ring.open('a', 'c', changed)
          } catch (error) {
            expect(error).toBeInstanceOf(UnavailableError)
          }
          expect([null, 'secret']).toContain(opened)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test.each([
    '',
    '.',
    '..',
    '1',
    '1..',
    'null',
    '2.abc.def',
    '1.000000000000.',
    '[object Object]',
    '{"v":1}',
  ])('is not "%s"', (garbage) => {
    expect(() => ring.open('a', 'c', garbage)).toThrow(UnavailableError)
  })

  test('does not open in another form, and says what is wrong', () => {
    const [, id, data] = ring.seal('a', 'c', 'secret').split('.')
    const open = (sealed: string) => () => ring.open('a', 'c', sealed)
    expect(open(`2.${id}.${data}`)).toThrow('A sealed record has an unknown form')
    expect(open(`1.${id}`)).toThrow('A sealed record has an unknown form')
    expect(open(`1.${id}.${data}.`)).toThrow('A sealed record has an unknown form')
    expect(open(`1.${id}.AAAA`)).toThrow('A sealed record is cut short')
    expect(open(`1.${id}.${'A'.repeat(40)}`)).toThrow(
      expect.objectContaining({
        message: 'A sealed record does not open: it was altered or belongs to another account',
        cause: expect.anything(),
      }),
    )
  })

  test('opens when it was sealed long ago: what lies in stores keeps its form', () => {
    const sealed = '1.b0bb24734e59.iy33F4Kv_a5cyFr_J2FI9qs8do2q24Nyra8FRgaY6_wbPc0'
    expect(new Keyring([OLD]).open('u-alice', '["u-alice",1,true]', sealed)).toBe('{"v":1}')
  })

  test('never looks the same twice, and says nothing of its text', () => {
    const sealed = Array.from({ length: 1000 }, () => ring.seal('a', 'c', 'secret'))
    expect(new Set(sealed).size).toBe(1000)
    expect(sealed[0]).toMatch(/^1\.[0-9a-f]{12}\.[A-Za-z0-9_-]+$/)
  })
})

describe('rotating keys', () => {
  const sealedBefore = ring.seal('a', 'c', 'secret')
  const both = new Keyring([NEW, OLD])
  const newOnly = new Keyring([NEW])

  test('a new key in front opens what the old one sealed', () => {
    expect(both.open('a', 'c', sealedBefore)).toBe('secret')
  })

  test('and seals what is new', () => {
    const sealed = both.seal('a', 'c', 'secret')
    expect(newOnly.open('a', 'c', sealed)).toBe('secret')
    expect(() => ring.open('a', 'c', sealed)).toThrow(UnavailableError)
  })

  test('also for whom it has just opened something of the old one, and the other way round', () => {
    const one = new Keyring([NEW, OLD])
    expect(one.open('a', 'c', sealedBefore)).toBe('secret')
    const sealed = one.seal('a', 'c', 'secret')
    expect(newOnly.open('a', 'c', sealed)).toBe('secret')
    expect(one.open('a', 'c', sealedBefore)).toBe('secret')
    const other = one.seal('b', 'c', 'secret')
    expect(newOnly.open('b', 'c', other)).toBe('secret')
  })

  test('tells what the first key sealed from what older ones did', () => {
    expect(both.isCurrent(sealedBefore)).toBe(false)
    expect(both.isCurrent(both.seal('a', 'c', 'secret'))).toBe(true)
    expect(both.isCurrent('')).toBe(false)
  })

  test('without the old key what it sealed does not open, and the error names the key but shows none', () => {
    const keyId = sealedBefore.split('.')[1] as string
    const failed = () => newOnly.open('a', 'c', sealedBefore)
    expect(failed).toThrow(UnavailableError)
    expect(failed).toThrow(keyId)
    expect(failed).not.toThrow(OLD)
    expect(Buffer.from(OLD, 'base64').toString('hex')).not.toContain(keyId)
  })

  test("another key's id on it does not help", () => {
    const [, newId] = newOnly.seal('a', 'c', 'x').split('.') as [string, string]
    const [format, , data] = sealedBefore.split('.')
    expect(() => both.open('a', 'c', [format, newId, data].join('.'))).toThrow(UnavailableError)
  })
})

describe('keys', () => {
  const bytes = Buffer.from(OLD, 'base64')
  const sealed = ring.seal('a', 'c', 'secret')

  test.each<[string, string | Uint8Array]>([
    ['base64', OLD],
    ['base64url', bytes.toString('base64url')],
    ['base64 with a line break around it', ` ${OLD}\n`],
    ['a Buffer', bytes],
    ['a Uint8Array', new Uint8Array(bytes)],
  ])('may be given as %s', (_what, key) => {
    expect(new Keyring([key]).open('a', 'c', sealed)).toBe('secret')
  })

  test('may be several in one text, with commas between them', () => {
    expect(new Keyring([` ${NEW}, ${OLD}`]).ids).toEqual(new Keyring([NEW, OLD]).ids)
  })

  const code = (keys: unknown) => {
    try {
      new Keyring(keys as string[])
      return 'accepted'
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigurationError)
      return (error as ConfigurationError).code
    }
  }

  test.each<[string, unknown]>([
    ['no list', undefined],
    ['null', null],
    ['a key without its list', OLD],
    ['an empty list', []],
    ['a variable that is not set', [undefined]],
    ['a setting that is null', [null]],
    ['an empty variable', ['']],
    ['nothing twice', [undefined, '']],
  ])('missing: %s', (_what, keys) => {
    expect(code(keys)).toBe('SF_KEYS_MISSING')
  })

  test.each<[string, unknown]>([
    ['31 bytes', [Buffer.alloc(31, 'ab').toString('base64')]],
    ['33 bytes', [Buffer.alloc(33, 'ab').toString('base64')]],
    ['64 characters of hex', [bytes.toString('hex')]],
    ['a password', ['correct horse battery staple!!']],
    ['zeros', [Buffer.alloc(32)]],
    ['one byte 32 times', [Buffer.alloc(32, 'a').toString('base64')]],
    ['characters that are no base64', [`${OLD.slice(0, -4)}!?#=`]],
    ['a good key after a character that is no base64', [`!${OLD}`]],
    ['a good key before one', [`${OLD}!`]],
    ['a good key and then one that is not set', [OLD, undefined]],
    ['a good key and then null', [OLD, null]],
    ['a good key and then a short one', [OLD, 'abcd']],
    ['a number', [42]],
    ['an object', [{}]],
  ])('invalid: %s', (_what, keys) => {
    expect(code(keys)).toBe('SF_KEY_INVALID')
  })

  test.each([[[]], [['']], [['too short']]])(
    '%j: where there are accounts, the old key is needed',
    (keys) => {
      expect(() => new Keyring(keys)).toThrow(
        /keygen; if accounts exist already, it is the old key that is needed/,
      )
    },
  )

  test('that are refused are not shown', () => {
    expect(() => new Keyring(['a-secret-that-is-too-short'])).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('a-secret') }),
    )
  })
})
