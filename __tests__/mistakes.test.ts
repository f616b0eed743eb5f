import express from 'express'
import {
  ConfigurationError,
  createSecondFactor,
  MemoryStore,
  RedisStore,
  type SecondFactor,
  SqlAuditLog,
  SqlDirectory,
  SqlStore,
  TotpStrategy,
} from 'express-second-factor'
import session from 'express-session'
import Database from 'libsql'
import { Keyring } from '../lib/crypto/keyring'
import { warnOfFailedMails } from '../lib/mail/warn-of-failed-mails'
import { didYouMean } from '../lib/nearest'
import { createTestApp, hostPassport, KEY, type User } from './support/app'
import { Client } from './support/client'
import { Clock } from './support/clock'
import { putEnrolled } from './support/enrolled'

/** What a new user of the package writes wrongly, and what is said. */

const needed = {
  issuer: 'Acme',
  account: ({ id }: User) => ({ id }),
  keys: [KEY],
  store: new MemoryStore(),
}
const make = (options: object = {}) => createSecondFactor<User>({ ...needed, ...options })
const database = () => new Database(':memory:') as never
const redis = () => ({ isOpen: true, sendCommand: async () => null })

/** The code of the complaint, then its message without it. */
function complaint(act: () => unknown): [string, string] {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    const { code, message } = error as ConfigurationError
    return [code, message.replace(` (${code})`, '')]
  }
  throw new Error('Nobody complained')
}

afterEach(() => jest.restoreAllMocks())

/** The process warnings from now on, as [text, code]. */
function warnings(): [text: string, code: string][] {
  const told: [string, string][] = []
  jest
    .spyOn(process, 'emitWarning')
    .mockImplementation(((text: string, { code }: { code: string }) => told.push([text, code])) as never)
  return told
}

describe('the name that was meant', () => {
  const names = ['table', 'migrate', 'maxAge', 'loginUrl', 'logoutUrl', 'statusColumn']

  test.each([
    ['tabel', 'table'],
    ['tables', 'table'],
    ['maxage', 'maxAge'],
    ['max_age', 'maxAge'],
    ['loginURL', 'loginUrl'],
    ['statuscolum', 'statusColumn'],
  ])('%s is %s', (typed, meant) => {
    expect(didYouMean(typed, names)).toBe(` Did you mean ${meant}?`)
  })

  test.each(['', 'x', 'ttl', 'prefix', 'constructor', 'e'.repeat(10_000)])('%j is none of them', (typed) => {
    expect(didYouMean(typed, names)).toBe('')
  })
})

describe('an option that there is not is refused, with the one that was meant', () => {
  test.each<[string, () => unknown, string]>([
    ['createSecondFactor', () => make({ isuer: 'Acme' }), 'isuer. Did you mean issuer?'],
    [
      'createSecondFactor, where it was needed',
      () =>
        createSecondFactor({
          issuer: 'Acme',
          account: needed.account,
          key: [KEY],
          store: needed.store,
        } as never),
      'key. Did you mean keys?',
    ],
    [
      'SqlStore',
      () => new SqlStore(database(), { tabel: 'x' } as object),
      'SqlStore.tabel. Did you mean table?',
    ],
    [
      'RedisStore',
      () => new RedisStore(redis(), { prefx: 'x' } as object),
      'RedisStore.prefx. Did you mean prefix?',
    ],
    [
      'SqlAuditLog',
      () => new SqlAuditLog(database(), { Table: 'x' } as object),
      'SqlAuditLog.Table. Did you mean table?',
    ],
    [
      'SqlDirectory',
      () => new SqlDirectory(database(), { statusColum: 'x' } as object),
      'SqlDirectory.statusColum. Did you mean statusColumn?',
    ],
    ['notify', () => make({ notify: { form: 'a@b.example' } }), 'notify.form. Did you mean from?'],
    [
      'trustedDevices',
      () => make({ trustedDevices: { maxage: '1d' } }),
      'trustedDevices.maxage. Did you mean maxAge?',
    ],
    ['recovery', () => make({ recovery: { aprovals: 2 } }), 'recovery.aprovals. Did you mean approvals?'],
  ])('%s', (_what, act, said) => {
    const [code, message] = complaint(act)
    expect(code).toBe('SF_OPTIONS')
    expect(message).toContain(`There is no option ${said} The options are: `)
  })

  test('the options of MemoryStore and of strategies, too', () => {
    const Memory = MemoryStore as unknown as new (options: object) => MemoryStore
    expect(complaint(() => new Memory({ ttl: 5 }))[0]).toBe('SF_OPTIONS')
    expect(complaint(() => new TotpStrategy(make(), { codefield: 'pin' } as object))).toEqual([
      'SF_STRATEGY',
      expect.stringContaining('TotpStrategy.codefield. Did you mean codeField?'),
    ])
  })

  test.each<[unknown, string]>([
    ['my_table', 'a text'],
    [null, 'null'],
    [['my_table'], 'an array'],
    [7, 'a number'],
  ])('%j in the place of the options', (given, name) => {
    for (const act of [
      () => new SqlStore(database(), given as object),
      () => new RedisStore(redis(), given as object),
      () => new SqlAuditLog(database(), given as object),
      () => new SqlDirectory(database(), given as object),
      () => createSecondFactor(given as never),
    ]) {
      const [code, message] = complaint(act)
      expect([code, message]).toEqual([
        'SF_OPTIONS',
        expect.stringContaining(`an object of options, not ${name}.`),
      ])
      expect(message).not.toContain('my_table')
    }
  })

  test('and what is right passes', () => {
    new SqlStore(database(), { table: 'x', migrate: false })
    new SqlStore(database(), {})
    new RedisStore(redis(), { prefix: 'x:' })
    new SqlAuditLog(database(), { table: 'x', migrate: false })
    new MemoryStore()
  })
})

describe('keys', () => {
  test.each<[unknown, string, string]>([
    [
      undefined,
      'SF_KEYS_MISSING',
      'Option keys is missing (undefined); write keys: [process.env.SECOND_FACTOR_KEY]',
    ],
    [
      KEY,
      'SF_KEYS_MISSING',
      'Option keys is an array, not a text; write keys: [process.env.SECOND_FACTOR_KEY]',
    ],
    [Buffer.from(KEY, 'base64'), 'SF_KEYS_MISSING', 'Option keys is an array, not bytes'],
    [[], 'SF_KEYS_MISSING', 'Option keys is an empty array'],
    [[undefined], 'SF_KEYS_MISSING', 'a variable of the environment that is not set'],
    [[''], 'SF_KEYS_MISSING', 'a variable of the environment that is not set'],
    [
      [KEY, undefined],
      'SF_KEY_INVALID',
      'Option keys[1] is undefined: is its variable of the environment set?',
    ],
    [['secret'], 'SF_KEY_INVALID', 'Option keys[0] is not 32 random bytes in base64'],
  ])('%j: %s', (keys, code, said) => {
    const complaints = [complaint(() => make({ keys })), complaint(() => new Keyring(keys as never))]
    for (const [found, message] of complaints) {
      expect(found).toBe(code)
      expect(message).toContain(said)
      expect(message).toContain('npx express-second-factor keygen')
      expect(message).not.toMatch(/MDEyMz|'secret/)
    }
  })
})

describe('notify', () => {
  const right = { transport: { sendMail: async () => {} }, from: 'Acme <a@b.example>', recipients: () => [] }

  test.each<[string, unknown, string]>([
    ['a text', 'smtp://geheim@h', 'Option notify is { transport, from, recipients }, not a text'],
    [
      'no transport',
      { ...right, transport: undefined },
      'notify.transport is what sends mails: nodemailer.createTransport(',
    ],
    ['a URL for it', { ...right, transport: 'smtp://geheim@h' }, 'not a text'],
    ['its options', { ...right, transport: { host: 'geheim' } }, 'not an object without sendMail()'],
    [
      'no from',
      { ...right, from: undefined },
      "notify.from is the sender's address: 'Acme <security@acme.example>', not undefined",
    ],
    ['a name for it', { ...right, from: 'geheim' }, 'not a text without one'],
    [
      'an array of recipients',
      { ...right, recipients: ['geheim@b.example'] },
      "notify.recipients is a function from an account's id",
    ],
    ['no recipients', { ...right, recipients: undefined }, 'not undefined'],
    ['a language that is none', { ...right, language: ['de'] }, 'notify.language is the language of mails'],
    [
      'a path for settingsUrl',
      { ...right, settingsUrl: '/two-factor' },
      'notify.settingsUrl is the whole URL',
    ],
  ])('%s', (_what, notify, said) => {
    const [code, message] = complaint(() => make({ notify }))
    expect([code, message]).toEqual(['SF_NOTIFY', expect.stringContaining(said)])
    expect(message).not.toContain('geheim')
  })

  test('what is right passes', () => {
    make({ notify: { ...right, language: 'de', settingsUrl: 'https://b.example/two-factor' } })
    make({ notify: { ...right, from: 'a@b.example' } })
  })
})

test('option path is a text', () => {
  expect(complaint(() => make({ path: 7 }))).toEqual([
    'SF_OPTION_TYPE',
    'Option path must be a text, not a number',
  ])
})

describe('a gate', () => {
  test.each<[unknown, string]>([
    [{ maxage: '5m' }, 'A gate has no option maxage. Did you mean maxAge?'],
    [{ method: ['totp'] }, 'A gate has no option method. Did you mean methods?'],
    ['5m', 'A gate is not made with a text'],
    [null, 'A gate is not made with null'],
    [{ methods: 'totp' }, "A gate's methods are an array with 'totp', 'backup-code' or both"],
    [{ methods: ['sms'] }, "A gate's methods are an array"],
    [{ returnTo: 'https://evil.example' }, "A gate's returnTo is a path of your app"],
  ])('%j', (options, said) => {
    const [code, message] = complaint(() => make().requireSecondFactor(options as object))
    expect(code).toBe('SF_REQUIREMENT')
    expect(message).toContain(said)
    expect(message).toContain("requireSecondFactor() takes nothing, or { maxAge: '5m'")
  })
})

describe('what is mounted without being called', () => {
  const written = {
    session: 'Write app.use(secondFactor.session()), with the parentheses',
    router: "Write app.use('/two-factor', secondFactor.router()), with the parentheses",
    adminRouter:
      'Write app.use(path, secondFactor.adminRouter({ authorize, directory })), with the parentheses',
    requireSecondFactor: 'Write secondFactor.requireSecondFactor(), with the parentheses',
  }

  test.each(Object.entries(written))('%s: nothing goes on', async (name, said) => {
    const app = express()
    app.use(make()[name as keyof typeof written] as unknown as express.RequestHandler)
    app.get('/', (_req, res) => {
      res.send('reached')
    })
    app.use(((error, _req, res, _next) =>
      res.status(500).json([error.code, error.message])) as express.ErrorRequestHandler)
    expect((await new Client(app).get('/')).body).toEqual(['SF_NOT_CALLED', `${said} (SF_NOT_CALLED)`])
  })
})

describe('an event that there is not', () => {
  const on = (name: string, listener: unknown = () => {}) =>
    make().events.on(name as '*', listener as () => void)

  test('is refused, with the one that was meant and all of them', () => {
    const [code, message] = complaint(() => on('enable'))
    expect(code).toBe('SF_EVENT')
    expect(message).toMatch(
      /^There is no event enable\. Did you mean enabled\? The events are: challenged, .*'\*'/,
    )
    expect(complaint(() => on('mail_failed'))[1]).toContain('Did you mean mail-failed?')
    expect(complaint(() => on('login'))[1]).toContain('There is no event login. The events are')
    expect(complaint(() => on('toString'))[0]).toBe('SF_EVENT')
  })

  test('nor is there a listener that is no function', () => {
    expect(complaint(() => on('enabled', null))).toEqual([
      'SF_EVENT',
      expect.stringContaining('is a function, not null'),
    ])
  })
})

describe('one place for second factors and for recovery', () => {
  const notify = {
    transport: { sendMail: async () => {} },
    from: 'a@b.example',
    recipients: () => [],
    settingsUrl: 'https://b.example/two-factor',
  }
  /** Nobody asks them how they are set up: that is another test's. */
  const both = (store: object, requests: object) => () => {
    for (const one of [store, requests]) Object.assign(one, { inspect: undefined })
    return make({ store, notify, recovery: { store: requests } })
  }
  const [db, other, pool, client] = [database(), database(), { getConnection() {} }, redis()]
  const mysql = (table?: string) => new SqlStore(pool as never, table === undefined ? {} : { table })
  const memory = new MemoryStore()

  test.each<[string, () => unknown]>([
    ['one object', both(memory, memory)],
    ['one table of one connection', both(new SqlStore(db), new SqlStore(db))],
    [
      'the same in upper case, on SQLite',
      both(new SqlStore(db, { table: 'a' }), new SqlStore(db, { table: 'main.A' })),
    ],
    ['one table of a pool', both(mysql('x'), mysql('x'))],
    ['and of its other half', both(mysql(), new SqlStore({ pool, getConnection() {} } as never))],
    ['one prefix', both(new RedisStore(client), new RedisStore(client))],
    [
      'a prefix in the other',
      both(new RedisStore(client), new RedisStore(client, { prefix: 'second-factor:recovery:' })),
    ],
    [
      'or the other way round',
      both(new RedisStore(client, { prefix: 'a:b:' }), new RedisStore(client, { prefix: 'a:' })),
    ],
  ])('is refused at the start: %s', (_what, act) => {
    expect(complaint(act)).toEqual([
      'SF_RECOVERY',
      expect.stringContaining('is the same place as option store'),
    ])
  })

  test.each<[string, () => unknown]>([
    ['two tables', both(new SqlStore(db), new SqlStore(db, { table: 'second_factor_recoveries' }))],
    ['two databases in memory', both(new SqlStore(db), new SqlStore(other))],
    ['two tables of a pool', both(mysql(), mysql('second_factor_recoveries'))],
    [
      'two prefixes',
      both(new RedisStore(client), new RedisStore(client, { prefix: 'second-factor-recovery:' })),
    ],
    ['two stores in memory', both(new MemoryStore(), new MemoryStore())],
  ])('but not: %s', (_what, act) => {
    expect(act).not.toThrow()
  })
})

describe('the router that was forgotten', () => {
  /** An app without the router: alice has a second factor, bob has none. */
  async function forgetful(options: object = {}) {
    const store = new MemoryStore()
    const clock = new Clock()
    await putEnrolled(store, clock)
    const secondFactor = make({ store, now: clock.now, passport: hostPassport, ...options })
    const app = mount(secondFactor)
    const login = async (username: string, kind: 'person' | 'program' = 'person') => {
      const client = new Client(app, kind)
      await client.login(username)
      return client
    }
    return { secondFactor, login }
  }

  test('is one warning of the process, at the first login that is sent to it', async () => {
    const told = warnings()
    const { login } = await forgetful()
    expect(told).toEqual([])
    await login('alice')
    expect(told).toEqual([
      [
        expect.stringMatching(/sent to \/two-factor.*app\.use\('\/two-factor', secondFactor\.router\(\)\)/),
        'SF_ROUTER_MISSING',
      ],
    ])
    await login('alice')
    await (await login('bob')).get('/vault')
    expect(told).toHaveLength(1)
  })

  test('also at a gate that sends to enrolment, and for a program', async () => {
    const told = warnings()
    await (await (await forgetful()).login('bob')).get('/vault')
    expect(told).toHaveLength(1)
    await (await forgetful()).login('alice', 'program')
    expect(told).toHaveLength(2)
  })

  test("not where the app's own page takes the code, or somebody is sent to the login", async () => {
    const told = warnings()
    const { login, secondFactor } = await forgetful({ challengeUrl: '/my-code' })
    await login('alice')
    await new Client(mount(secondFactor), 'person').get('/vault')
    expect(told).toEqual([])
  })

  test('not where it is there', async () => {
    const told = warnings()
    const { app } = createTestApp()
    const client = new Client(app, 'person')
    await client.login('bob')
    expect((await client.get('/vault')).headers.location).toBe('/two-factor/enable')
    expect(told).toEqual([])
  })
})

describe('two instances in the place of one', () => {
  test.each<[string, (own: SecondFactor, other: SecondFactor, app: express.Express) => void]>([
    ['a gate', (_own, other, app) => app.get('/x', other.requireSecondFactor())],
    ['a router', (_own, other, app) => app.use('/two-factor', other.router())],
    [
      "an administrator's router",
      (_own, other, app) =>
        app.use(
          '/x',
          other.adminRouter({
            authorize: () => true,
            directory: { list: async () => ({ users: [], next: null }) },
          }),
        ),
    ],
    [
      'a strategy',
      (_own, other, app) => {
        const passport = new (hostPassport.constructor as new () => typeof hostPassport)()
        passport.use(new TotpStrategy(other))
        app.get('/x', passport.authenticate('totp'))
      },
    ],
  ])('%s of the other one lets nobody pass', async (what, add) => {
    const [own, other] = [make({ passport: hostPassport }), make({ passport: hostPassport })]
    const client = new Client(mount(own, (app) => add(own, other, app)))
    await client.login('bob')
    const { status, body } = await client.get(
      what === 'a router' ? '/two-factor' : what.startsWith('an') ? '/x/users' : '/x',
    )
    expect([status, body.code]).toEqual([500, 'SF_TWO_INSTANCES'])
    expect(body.message).toContain('call createSecondFactor() once')
  })

  test('each with a session() of its own, at paths of their own, is right', async () => {
    const app = express()
    for (const name of ['a', 'b']) {
      const secondFactor = make({ passport: hostPassport })
      app.use(
        `/${name}`,
        mount(secondFactor, (own) => own.use('/two-factor', secondFactor.router())),
      )
    }
    for (const name of ['a', 'b']) {
      expect((await new Client(app).get(`/${name}/vault`)).body.code).toBe('not_authenticated')
    }
  })
})

describe('mails that are not sent', () => {
  test('are a warning at the first, and then at most one a minute', () => {
    const told = warnings()
    const clock = jest.spyOn(performance, 'now').mockReturnValue(5)
    const warn = warnOfFailedMails()
    warn('enabled', 'EAUTH 535')
    warn('disabled', 'EAUTH 535')
    clock.mockReturnValue(60_004)
    warn('disabled', 'EAUTH 535')
    expect(told).toEqual([
      [expect.stringContaining('event enabled was not sent (EAUTH 535)'), 'SF_MAIL_FAILED'],
    ])
    clock.mockReturnValue(60_005)
    warn('reset', 'failed')
    expect(told.map(([text]) => text)).toEqual([
      expect.anything(),
      expect.stringContaining('event reset was not sent (failed)'),
    ])
  })

  test.each(['alice@example.com', 'E 1 alice@example.com', 'x'.repeat(90), ''])(
    'a code of %j, which a transport of your own may have, is not repeated',
    (reason) => {
      const told = warnings()
      warnOfFailedMails()('enabled', reason)
      expect(told[0]?.[0]).toContain('was not sent (failed)')
    },
  )

  test('whether the transport fails or nobody knows the addresses, besides the event', async () => {
    for (const wrong of [
      { transport: { sendMail: () => Promise.reject(new Error('alice@example.com: geheim')) } },
      { recipients: () => Promise.reject(new Error('alice@example.com: geheim')) },
    ]) {
      const told = warnings()
      const notify = {
        transport: { sendMail: async () => {} },
        from: 'a@b.example',
        recipients: () => ['alice@example.com'],
      }
      const secondFactor = make({ notify: { ...notify, ...wrong } })
      const failed = new Promise((heard) => secondFactor.events.on('mail-failed', heard))
      await secondFactor.revokeSessions('u-alice')
      expect(await failed).toMatchObject({ mail: 'sessions-revoked', reason: 'failed' })
      await new Promise(setImmediate)
      expect(told.map(([, code]) => code)).toEqual(['SF_MAIL_FAILED'])
      expect(told[0]?.[0]).not.toMatch(/alice|geheim/)
      jest.restoreAllMocks()
    }
  })
})

/** An app with Passport and this instance's session(), whose errors are JSON. */
function mount(secondFactor: SecondFactor, more: (app: express.Express) => void = () => {}): express.Express {
  const app = express()
  app.use(session({ secret: 'test', resave: false, saveUninitialized: false }), hostPassport.session())
  app.use(secondFactor.session(), express.json(), express.urlencoded({ extended: false }))
  app.post('/login', hostPassport.authenticate('local', { successRedirect: '/' }))
  app.get('/vault', secondFactor.requireSecondFactor(), (_req, res) => {
    res.send('open')
  })
  more(app)
  app.use(((error, _req, res, _next) =>
    res.status(500).json({ code: error.code, message: error.message })) as express.ErrorRequestHandler)
  return app
}
