import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { typeName } from '../checks'
import { ConfigurationError, UnavailableError } from '../errors'

const FORMAT = '1'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** The number of HKDF's only block. */
const FIRST_BLOCK = Buffer.from([1])
/** A new key opens nothing that an old one has sealed. */
const ADVICE =
  'Make one with: npx express-second-factor keygen; if accounts exist already, it is the old key that is needed'

interface Key {
  id: string
  /** What HKDF extracts from the key's bytes (RFC 5869 section 2.2), without salt. */
  extracted: Buffer
}

/**
 * Seals text under AES-256-GCM and opens it again. The first key seals, every key opens, so rotating means
 * putting a new key in front and taking the old one out once nothing is sealed with it any more.
 *
 * Each subject (an account) has a key of its own, derived with HKDF-SHA-256 (RFC 5869): what is sealed for one
 * does not open for another. `context` is authenticated with it, so that a row cannot be altered around it.
 */
export class Keyring {
  readonly #keys: Key[]
  /** The subject's own key that was needed last: whoever has opened something soon seals what comes in its place. */
  #last: { key: Key; subject: string; own: Buffer } | null = null

  /**
   * @param keys 32 bytes each, as base64, base64url or raw bytes; newest first. A text may hold several, with commas
   *   between them.
   * @throws ConfigurationError `SF_KEYS_MISSING`, `SF_KEY_INVALID`
   */
  constructor(keys: readonly (string | Uint8Array | undefined)[]) {
    const missing = whatIsMissing(keys)
    if (missing !== null) {
      throw new ConfigurationError(
        'SF_KEYS_MISSING',
        `${missing}: it needs at least one key of 32 random bytes in base64, kept outside the database. ${ADVICE}`,
      )
    }
    this.#keys = keys
      .flatMap<string | Uint8Array | undefined>((key) => (typeof key === 'string' ? key.split(',') : [key]))
      .map(readKey)
  }

  /** Seals `text` for `subject`, bound to `context`. */
  seal(subject: string, context: string, text: string): string {
    const key = this.#keys[0] as Key
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#ownKey(key, subject), nonce)
    cipher.setAAD(Buffer.from(context))
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return [FORMAT, key.id, Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')].join('.')
  }

  /** Whether the first key sealed it. */
  isCurrent(sealed: string): boolean {
    return sealed.split('.')[1] === this.ids[0]
  }

  /** The names of the keys, which tell nothing of the keys themselves; the first one's first. */
  get ids(): string[] {
    return this.#keys.map(({ id }) => id)
  }

  /**
   * Opens what `seal` made for the same subject and context.
   *
   * @throws UnavailableError when the key is not in the ring, or anything was altered
   */
  open(subject: string, context: string, sealed: string): string {
    const [format, keyId, data, ...rest] = sealed.split('.')
    if (format !== FORMAT || keyId === undefined || data === undefined || rest.length > 0) {
      throw new UnavailableError('A sealed record has an unknown form')
    }
    const key = this.#keys.find((one) => one.id === keyId)
    if (!key)
      throw new UnavailableError(`A record was sealed with key ${keyId}, which option keys does not hold`)
    const bytes = Buffer.from(data, 'base64url')
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new UnavailableError('A sealed record is cut short')
    try {
      const own = this.#ownKey(key, subject)
      const decipher = createDecipheriv('aes-256-gcm', own, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(Buffer.from(context))
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      return (
        decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      )
    } catch (cause) {
      throw new UnavailableError(
        'A sealed record does not open: it was altered or belongs to another account',
        {
          cause,
        },
      )
    }
  }

  #ownKey(key: Key, subject: string): Buffer {
    const last = this.#last
    if (last && last.key === key && last.subject === subject) return last.own
    const own = derive(key, subject)
    this.#last = { key, subject, own }
    return own
  }
}

/**
 * The expanding half of HKDF (RFC 5869 section 2.3), whose one block is the key. `hkdfSync` gives the same in four
 * times the time. The subject is hashed since info is short and account ids need not be.
 */
function derive({ extracted }: Key, subject: string): Buffer {
  return createHmac('sha256', extracted)
    .update('express-second-factor 1 ')
    .update(createHash('sha256').update(subject).digest())
    .update(FIRST_BLOCK)
    .digest()
}

/** How there comes to be no key, without what was given: it may be one. Null: there is one. */
function whatIsMissing(keys: readonly (string | Uint8Array | undefined)[]): string | null {
  const written = 'write keys: [process.env.SECOND_FACTOR_KEY]'
  if (keys === undefined || keys === null) return `Option keys is missing (${keys}); ${written}`
  if (!Array.isArray(keys)) return `Option keys is an array, not ${typeName(keys)}; ${written}`
  if (keys.length === 0) return `Option keys is an empty array; ${written}`
  if (keys.some((key) => key != null && key.length !== 0)) return null
  return 'Option keys has no key in it, as of a variable of the environment that is not set'
}

function readKey(input: string | Uint8Array | undefined, index: number): Key {
  const bytes =
    typeof input === 'string'
      ? fromBase64(input.trim())
      : Buffer.from(input instanceof Uint8Array ? input : [])
  if (input === undefined || input === null) {
    throw new ConfigurationError(
      'SF_KEY_INVALID',
      `Option keys[${index}] is ${input}: is its variable of the environment set? ${ADVICE}`,
    )
  }
  if (bytes.length !== KEY_BYTES || bytes.every((byte) => byte === bytes[0])) {
    throw new ConfigurationError(
      'SF_KEY_INVALID',
      `Option keys[${index}] is not 32 random bytes in base64. ${ADVICE}`,
    )
  }
  const id = createHash('sha256')
    .update('express-second-factor key id')
    .update(bytes)
    .digest('hex')
    .slice(0, 12)
  return { id, extracted: createHmac('sha256', Buffer.alloc(KEY_BYTES)).update(bytes).digest() }
}

function fromBase64(text: string): Buffer {
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0)
}
