import passport from 'passport'
import { type Duration, milliseconds } from '../../lib/duration'
import { ConfigurationError } from '../../lib/errors'
import type { SecondFactorOptions } from '../../lib/options'
import { createSecondFactor } from '../../lib/second-factor'
import { readOptions } from '../../lib/settings'
import { MemoryStore } from '../../lib/stores/memory'

const KEY = Buffer.from('0123456789abcdef0123456789abcdef')
type Options = SecondFactorOptions<{ id: unknown; email?: unknown }>

const needed: Options = {
  issuer: 'Acme',
  account: (user) => ({ id: user.id, name: user.email }) as ReturnType<Options['account']>,
  keys: [KEY],
  store: new MemoryStore(),
}

const notify = { transport: { sendMail() {} }, from: 'a@b.example', recipients: () => [] }

const csrf = { token: () => 'a', verify: 'before' }

/** The code of the complaint, whose message names the option and ends in the code. */
function complaint(act: () => unknown): string | null {
  try {
    act()
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    const { code, message } = error as ConfigurationError
    expect(message).toMatch(new RegExp(`\\(${code}\\)$`))
    return code
  }
}

test('four options are enough, and these are the others', () => {
  const { account, now, onUnavailable, eventOrigin, ...settings } = readOptions(needed)
  expect(settings).toEqual({
    issuer: 'Acme',
    store: needed.store,
    path: '/two-factor',
    loginUrl: '/login',
    loginPaths: [],
    logoutUrl: '/logout',
    notify: null,
    recovery: null,
    challengeUrl: null,
    onVerified: null,
    onCancelled: null,
    returnTo: '/',
    verifyPassword: null,
    policy: null,
    skip: null,
    trustAge: 0,
    disable: 'code',
    audit: null,
    revalidateAfter: 60_000,
    storeTimeout: 5000,
    isEnrolled: null,
    backupCodes: 5,
    csrf: null,
    passport,
  })
  // Not the keys: whoever logs a part of the plugin logs its settings.
  expect(settings).not.toHaveProperty('keys')
  expect(onUnavailable).toBeInstanceOf(Function)
  expect(eventOrigin).toBeInstanceOf(Function)
  expect(now).toBe(Date.now)
  expect(account({ id: 'u-1', email: 'a@example.com' })).toEqual({ id: 'u-1', name: 'a@example.com' })
})

test.each<[string, string, unknown]>([
  ['SF_OPTIONS', 'nothing', undefined],
  ['SF_OPTIONS', 'null', null],
  ['SF_OPTIONS', 'a text', 'Acme'],
  ['SF_ISSUER', 'no issuer', { ...needed, issuer: undefined }],
  ['SF_ISSUER', 'an empty issuer', { ...needed, issuer: '' }],
  ['SF_ISSUER', 'spaces for an issuer', { ...needed, issuer: '  ' }],
  ['SF_ISSUER', 'nothing that a URI may hold', { ...needed, issuer: ' : ' }],
  ['SF_OPTION_TYPE', 'a word for a function', { ...needed, policy: 'required' }],
  ['SF_PATH', 'a path that leads elsewhere', { ...needed, path: '/..' }],
  ['SF_ISSUER', 'a number for an issuer', { ...needed, issuer: 1 }],
  ['SF_ACCOUNT', 'no account', { ...needed, account: undefined }],
  ['SF_ACCOUNT', 'a text for account', { ...needed, account: 'id' }],
  ['SF_STORE', 'no store', { ...needed, store: undefined }],
  ['SF_STORE', 'null for a store', { ...needed, store: null }],
  ['SF_STORE', 'a store without get', { ...needed, store: { compareAndSet() {} } }],
  ['SF_STORE', 'a store without compareAndSet', { ...needed, store: { get() {} } }],
  ['SF_PATH', 'an empty path', { ...needed, path: '' }],
  ['SF_PATH', 'the root', { ...needed, path: '/' }],
  ['SF_PATH', 'a path without its slash', { ...needed, path: 'two-factor' }],
  ['SF_PATH', 'two slashes', { ...needed, path: '//evil.example' }],
  ['SF_PATH', 'a parameter', { ...needed, path: '/:tenant' }],
  ['SF_PATH', 'a query', { ...needed, path: '/two-factor?a' }],
  ['SF_PATH', 'a URL', { ...needed, path: 'https://example.com/two-factor' }],
  ['SF_BACKUP_CODES', 'no backup codes', { ...needed, backupCodes: 0 }],
  ['SF_BACKUP_CODES', '21 backup codes', { ...needed, backupCodes: 21 }],
  ['SF_BACKUP_CODES', 'two and a half backup codes', { ...needed, backupCodes: 2.5 }],
  ['SF_BACKUP_CODES', 'a text for their number', { ...needed, backupCodes: '5' }],
  [
    'SF_OPTIONS',
    'an option of trustedDevices that is none',
    { ...needed, trustedDevices: { maxAge: 1, age: 2 } },
  ],
  [
    'SF_OPTIONS',
    'an option of csrf that is none',
    { ...needed, csrf: { token() {}, verify: 'before', name: 'x' } },
  ],
  ['SF_OPTIONS', 'an option of notify that is none', { ...needed, notify: { ...notify, settingsURL: 'x' } }],
  [
    'SF_NOTIFY',
    'a settingsUrl without a host',
    { ...needed, notify: { ...notify, settingsUrl: 'https://' } },
  ],
  [
    'SF_NOTIFY',
    'a settingsUrl with a word before',
    { ...needed, notify: { ...notify, settingsUrl: 'httpsx:/a' } },
  ],
  ['SF_OPTION_TYPE', 'a number for a path', { ...needed, path: 5 }],
  ['SF_URL', 'a number for loginUrl', { ...needed, loginUrl: 42 }],
  ['SF_URL', 'a loginUrl without its slash', { ...needed, loginUrl: 'login' }],
  ['SF_URL', 'a path for loginPaths', { ...needed, loginPaths: '/auth' }],
  ['SF_URL', 'loginPaths without a slash', { ...needed, loginPaths: ['/auth', 'callback'] }],
  ['SF_URL', 'loginPaths of another host', { ...needed, loginPaths: ['//evil.example'] }],
  ['SF_URL', 'a whole URL in loginPaths', { ...needed, loginPaths: ['https://acme.example/auth'] }],
  ['SF_URL', 'a logoutUrl of another host', { ...needed, logoutUrl: '//evil.example' }],
  ['SF_URL', 'a challengeUrl that is a script', { ...needed, challengeUrl: 'javascript:alert(1)' }],
  ['SF_URL', 'an object for returnTo', { ...needed, returnTo: {} }],
  ['SF_SUPPORT', 'a number for support', { ...needed, support: 5 }],
  ['SF_SUPPORT', 'a support without its text', { ...needed, support: { href: '/help' } }],
  ['SF_CSRF', 'a number for csrf.field', { ...needed, csrf: { ...csrf, field: 5 } }],
  ['SF_CSRF', 'a csrf.field that our forms have', { ...needed, csrf: { ...csrf, field: 'code' } }],
  [
    'SF_CSRF',
    'a csrf.field that recovery asks for',
    {
      ...needed,
      csrf: { ...csrf, field: 'phone' },
      notify: { ...notify, settingsUrl: 'https://acme.example/two-factor' },
      recovery: { store: new MemoryStore() },
    },
  ],
  ['SF_DURATION', 'a revalidateAfter without end', { ...needed, revalidateAfter: Number.POSITIVE_INFINITY }],
  ['SF_DURATION', 'a revalidateAfter of a month', { ...needed, revalidateAfter: '30d' }],
  ['SF_DURATION', 'a revalidateAfter without a unit', { ...needed, revalidateAfter: '60' }],
  ['SF_DURATION', 'a revalidateAfter in seconds', { ...needed, revalidateAfter: 60 }],
  ['SF_CSRF', 'a csrf.token that is a text', { ...needed, csrf: { ...csrf, token: 'x' } }],
  ['SF_CSRF', 'csrf that checks nothing', { ...needed, csrf: {} }],
])('%s: %s', (code, _what, options) => {
  expect(complaint(() => readOptions(options as Options))).toBe(code)
})

test('null is refused for each option, and undefined is its default', () => {
  const type = 'SF_OPTION_TYPE'
  const codes: Record<keyof Options, string> = {
    issuer: 'SF_ISSUER',
    account: 'SF_ACCOUNT',
    keys: 'SF_KEYS_MISSING',
    store: 'SF_STORE',
    path: type,
    loginUrl: type,
    loginPaths: type,
    logoutUrl: type,
    challengeUrl: type,
    returnTo: type,
    support: type,
    verifyPassword: type,
    policy: type,
    skip: type,
    trustedDevices: type,
    disable: type,
    audit: type,
    notify: type,
    recovery: type,
    eventOrigin: type,
    onVerified: type,
    onCancelled: type,
    onUnavailable: type,
    revalidateAfter: type,
    storeTimeout: type,
    isEnrolled: type,
    backupCodes: type,
    language: type,
    locales: type,
    views: type,
    layout: type,
    stylesheets: type,
    csrf: type,
    nonce: type,
    contentSecurityPolicy: type,
    formAction: type,
    passport: type,
    now: type,
  }
  const { issuer, account, keys, store, ...others } = codes
  const complaints = Object.keys(codes).map((name) => [
    name,
    complaint(() => createSecondFactor({ ...needed, [name]: null } as Options)),
  ])
  expect(Object.fromEntries(complaints)).toEqual(codes)
  const nothing = Object.fromEntries(Object.keys(others).map((name) => [name, undefined]))
  expect(complaint(() => createSecondFactor({ ...needed, ...nothing } as Options))).toBeNull()
})

test.each([
  ['/two-factor/', '/two-factor'],
  ['/2fa', '/2fa'],
  ['/my/two.factor_~', '/my/two.factor_~'],
])('path %s is %s', (path, read) => {
  expect(readOptions({ ...needed, path }).path).toBe(read)
})

test('addresses are of this site, or whole; a token has any name of its own', () => {
  const places = {
    loginUrl: 'https://sso.acme.example/login?from=app',
    loginPaths: ['/auth/google', '/auth/google/callback'],
    logoutUrl: '/bye',
    challengeUrl: '/my-code?lang=de',
    returnTo: '/',
  }
  expect(readOptions({ ...needed, ...places, revalidateAfter: '1d' })).toMatchObject(places)
  for (const support of ['', 'help@acme.example', { text: 'Help', href: '/help' }])
    expect(
      readOptions({ ...needed, support, csrf: { ...csrf, field: 'xsrf' } } as Options).csrf,
    ).not.toBeNull()
})

test.each([1, 20])('%i backup codes may be', (backupCodes) => {
  expect(readOptions({ ...needed, backupCodes }).backupCodes).toBe(backupCodes)
})

test('functions keep the `this` of the options', async () => {
  const options = {
    ...needed,
    policy() {
      return this.issuer === 'Acme' ? ('required' as const) : ('optional' as const)
    },
    verifyPassword(_user: unknown, password: string) {
      return password === this.issuer
    },
    now() {
      return this.issuer.length
    },
  }
  const { policy, verifyPassword, now } = readOptions(options)
  const [user, req] = [{} as Express.User, {} as Parameters<NonNullable<typeof policy>>[1]]
  expect(await policy?.(user, req)).toBe('required')
  expect(await verifyPassword?.(user, 'Acme', req)).toBe(true)
  expect(now()).toBe(4)
})

describe('the account of a user', () => {
  const { account } = readOptions(needed)

  test.each<[string, unknown, string]>([
    ['a text', 'u-1', 'u-1'],
    ['a number', 42, '42'],
    ['zero', 0, '0'],
    ['a bigint', 2n ** 64n, '18446744073709551616'],
    ['255 characters', 'x'.repeat(255), 'x'.repeat(255)],
  ])('has %s for an id', (_what, id, read) => {
    expect(account({ id, email: 'a@example.com' })).toEqual({ id: read, name: 'a@example.com' })
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['256 characters', 'x'.repeat(256)],
    ['half an emoji', 'a\ud83d'],
    ['a null byte', 'a\0'],
    ['an object', { id: 1 }],
    ['true', true],
    ['NaN, which all users without a number would share', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a number beyond 2^53, which stands for several', 2 ** 53],
  ])('SF_ACCOUNT_ID: not %s', (_what, id) => {
    expect(complaint(() => account({ id }))).toBe('SF_ACCOUNT_ID')
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a promise', Promise.resolve({ id: 1 })],
  ])('SF_ACCOUNT_ID: option account answers with %s', (_what, answer) => {
    const { account } = readOptions({ ...needed, account: () => answer as { id: string } })
    expect(complaint(() => account({ id: 1 }))).toBe('SF_ACCOUNT_ID')
  })

  test.each<[string, unknown]>([
    ['no name', undefined],
    ['an empty name', ''],
    ['a name that the database has as null', null],
  ])('is called by its id when it has %s', (_what, email) => {
    expect(account({ id: 42, email })).toEqual({ id: '42', name: '42' })
  })
})

describe('a duration', () => {
  test.each<[Duration, number]>([
    [0, 0],
    [1500, 1500],
    ['0s', 0],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['30d', 2_592_000_000],
  ])('%s is %i milliseconds', (duration, expected) => {
    expect(milliseconds(duration, 'maxAge')).toBe(expected)
  })

  test.each<[unknown]>([
    [-1],
    [Number.NaN],
    [''],
    ['5'],
    ['5 m'],
    ['5min'],
    ['-5m'],
    ['1e3s'],
    ['.5m'],
    ['５m'],
    ['5m\n'],
    [null],
    [undefined],
    [{}],
    [['5m', '6m']],
  ])('is not %j, and the complaint names the option', (duration) => {
    expect(complaint(() => milliseconds(duration as Duration, 'maxAge'))).toBe('SF_DURATION')
    expect(() => milliseconds(duration as Duration, 'maxAge')).toThrow(/^Option maxAge /)
  })
})
