import { inspect } from 'node:util'
import {
  BackupCodeStrategy,
  createSecondFactor,
  MemoryStore,
  type SecondFactor,
  TotpStrategy,
} from 'express-second-factor'
import { hostPassport, type User } from './support/app'

/** What an app logs that logs its objects: nothing that is behind ours. */

const key = Uint8Array.from({ length: 32 }, (_, index) => (index * 37 + 5) % 256)
const olderKey = Buffer.from(key).reverse()
const PASSWORD = 'the password of the mail server'

const secondFactor = createSecondFactor<User>({
  issuer: 'Acme',
  account: ({ id, email }) => ({ id, name: email }),
  keys: [key, olderKey.toString('base64')],
  store: new MemoryStore(),
  passport: hostPassport,
  recovery: { store: new MemoryStore(), check: () => false },
  notify: {
    transport: Object.assign({ sendMail: async () => {} }, { options: { auth: { pass: PASSWORD } } }),
    from: 'Acme <security@acme.example>',
    recipients: () => [],
    settingsUrl: 'https://acme.example/two-factor',
  },
})

const everything = { depth: null, showHidden: true, maxArrayLength: null, maxStringLength: null }

/** Each spelling in which a key could be shown. */
function spellings(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  const octets = [...buffer]
  return [
    ...(['base64', 'base64url', 'hex', 'latin1'] as const).map((encoding) => buffer.toString(encoding)),
    // Of util.inspect: a Buffer, and another array of bytes, a part of a line; then JSON.
    octets
      .slice(0, 8)
      .map((octet) => octet.toString(16).padStart(2, '0'))
      .join(' '),
    ...[', ', ','].map((comma) => octets.slice(0, 4).join(comma)),
  ]
}

/** Every object that can be reached by properties, of any kind. */
function reachable(from: object, found = new Set<object>()): Set<object> {
  if (found.has(from)) return found
  found.add(from)
  const entries = from instanceof Map ? [...from].flat() : from instanceof Set ? [...from] : []
  const values = Reflect.ownKeys(from).map((name) => Object.getOwnPropertyDescriptor(from, name)?.value)
  for (const value of [...entries, ...values]) {
    if (typeof value === 'object' && value !== null) reachable(value, found)
  }
  return found
}

describe.each<[string, object]>([
  ['what createSecondFactor returned', secondFactor],
  ['a strategy', new TotpStrategy(secondFactor)],
  ['a strategy for backup codes', new BackupCodeStrategy(secondFactor, { codeField: 'backup' })],
])('%s', (_what, object) => {
  test('shows no key and no password of the mail server', () => {
    const logged = [inspect(object), inspect(object, everything), JSON.stringify(object)]
    for (const text of logged) {
      for (const spelling of [...spellings(key), ...spellings(olderKey)]) expect(text).not.toContain(spelling)
      expect(text).not.toContain(PASSWORD)
    }
  })

  test('has nothing behind it that holds bytes', () => {
    const bytes = [...reachable(object)].filter((each) => ArrayBuffer.isView(each))
    expect(bytes).toEqual([])
  })
})

test('the object has what its type says, and no more', () => {
  expect(Object.keys(secondFactor).sort()).toEqual([
    'adminRouter',
    'events',
    'forget',
    'previewPolicy',
    'requireSecondFactor',
    'reset',
    'revokeSessions',
    'rotateKeys',
    'router',
    'session',
    'status',
    'verifySession',
  ])
  expect('submission' in secondFactor).toBe(false)
})

test.each<[string, unknown]>([
  ['a copy', { ...secondFactor }],
  ['what inherits from it', Object.create(secondFactor)],
  ['one of its functions', secondFactor.session],
  ['something with rooms of its own', { submission: {}, events: secondFactor.events }],
  ['null', null],
])('a strategy does not take %s', (_what, host) => {
  for (const Strategy of [TotpStrategy, BackupCodeStrategy]) {
    expect(() => new Strategy(host as SecondFactor)).toThrow(/SF_STRATEGY/)
  }
})
