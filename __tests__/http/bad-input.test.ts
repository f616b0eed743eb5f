import { gzipSync } from 'node:zlib'
import { type expresses as all, expresses, PASSWORD, type TestAppOptions, type User } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client, hiddenFields } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { dump, FaultyStore } from '../support/faulty-store'
import type { Answer } from '../support/quick-request'
import { serve } from '../support/server'
import { read, sessionIdOf } from '../support/sessions'

type ExpressKind = (typeof all)[keyof typeof all]

const EVIL = '"><script>alert(1)</script>'

/** The routes that take a code, each with a session that may use it. */
const routes = ['/two-factor/challenge', '/two-factor/disable', '/two-factor/enable/confirm'] as const

async function visit(express: ExpressKind, path: (typeof routes)[number], options: TestAppOptions = {}) {
  const store = new FaultyStore()
  const made = await createEnrolledApp({ express, store, ...options })
  const client = new Client(made.app)
  let phone = made.phone
  if (path === '/two-factor/challenge') await client.login()
  else if (path === '/two-factor/disable') await signIn(client, made.phone, made.clock)
  else {
    await client.login('bob')
    const { secret } = (await client.post('/two-factor/enable', {}, '/two-factor')).body
    phone = new Authenticator(secret, made.clock.now)
  }
  made.clock.nextStep()
  const page = path === '/two-factor/enable/confirm' ? '/two-factor/enable' : path
  const { csrfToken } = (await client.get(page)).body
  const state = async () => [
    await dump(store),
    JSON.stringify(await read(made.sessionStore, sessionIdOf(client))),
  ]
  return {
    ...made,
    store,
    client,
    phone,
    path,
    page,
    csrfToken,
    headers: { 'x-csrf-token': csrfToken as string },
    state,
  }
}

const values: [string, unknown][] = [
  ['nothing', undefined],
  ['null', null],
  ['true', true],
  ['a number', 123456],
  ['zero', 0],
  ['a list of a code', ['123456']],
  ['an empty list', []],
  ['an object', {}],
  ['a query of a database', { $gt: '' }],
  ['an object with a length', { length: 6, 0: '1' }],
  ['an object with toString', { toString: '123456' }],
  ['an empty text', ''],
  ['a space', ' '],
  ['hyphens', '------'],
  ['five digits', '12345'],
  ['seven digits', '1234567'],
  ['eight digits', '12345678'],
  ['a sign', '+12345'],
  ['a minus', '-12345'],
  ['an exponent', '1e5'],
  ['six characters of an exponent', '1234e1'],
  ['a hexadecimal number', '0x1234'],
  ['a decimal point', '12345.'],
  ['fullwidth digits', '１２３４５６'],
  ['Arabic digits', '١٢٣٤٥٦'],
  ['one Devanagari digit', '12345६'],
  ['a no-break space', '123\u00a0456'],
  ['a zero-width space', '123\u200b456'],
  ['a tab', '123\t456'],
  ['a line break', '123456\n'],
  ['a header', '123456\r\nSet-Cookie: x=y'],
  ['a NUL', '123456\u0000'],
  ['half of a surrogate pair', '\ud800'],
  ['markup', EVIL],
  ['SQL', "' OR 1=1 --"],
  ['__proto__', '__proto__'],
  ['65 characters', `123456${' '.repeat(59)}`],
  ['10 000 digits', '1'.repeat(10_000)],
]

describe.each(Object.entries(expresses))('%s', (_name, express) => {
  describe.each(routes)('POST %s', (path) => {
    test('what JSON can hold: 400, and nothing is changed or counted', async () => {
      const { client, headers, state } = await visit(express, path)
      const before = await state()
      for (const [what, code] of values) {
        const answer = await client.send('POST', path, { code }, headers)
        expect([what, answer.status, answer.body.code, answer.body.status]).toEqual([
          what,
          400,
          'malformed',
          400,
        ])
        expect([what, answer.type]).toEqual([what, 'application/problem+json'])
        expect([what, await state()]).toEqual([what, before])
      }
    })

    test('what a form can hold: 400, and nothing is shown unescaped', async () => {
      const { client, csrfToken, state } = await visit(express, path)
      const before = await state()
      const person = client.as('person')
      const forms = [
        ...values
          .filter(([, value]) => typeof value === 'string')
          .map(([, value]) => new URLSearchParams({ code: (value as string).toWellFormed() }).toString()),
        '',
        'code',
        'code=',
        'code[]=123456',
        'code%5B%5D=123456',
        'code=123456&code=654321',
        'code[$gt]=',
        'code.toString=123456',
        '__proto__[code]=123456',
        'constructor[prototype][code]=123456',
        'Code=123456',
        'code=%ff%fe',
        'code=%',
        '&&&&',
      ]
      for (const form of forms) {
        const answer = await person.send('POST', path, `${form}&_csrf=${csrfToken}`)
        expect([form, answer.status, answer.type]).toEqual([form, 400, 'text/html'])
        expect(answer.text).toContain('role="alert"')
        expect(answer.text).not.toContain('<script>alert')
      }
      expect(await state()).toEqual(before)
      expect(({} as Record<string, unknown>).code).toBeUndefined()
    })

    test('bodies that are not what they say: 400 or 413, and the right code afterwards', async () => {
      const { app, client, phone, headers, state } = await visit(express, path)
      const server = await serve(app)
      const code = phone.code()
      const json = JSON.stringify({ code })
      const megabyte = '1'.repeat(1_000_000)
      const bodies: [string, string | Buffer, Record<string, string>, number][] = [
        ['malformed JSON', `{"code":"${code}"`, {}, 400],
        ['JSON with a comma too many', `{"code":"${code}",}`, {}, 400],
        ['a list', `["${code}"]`, {}, 400],
        ['a text', `"${code}"`, {}, 400],
        ['null', 'null', {}, 400],
        ['a number', code, {}, 400],
        ['nothing', '', {}, 400],
        ['__proto__', `{"__proto__":{"code":"${code}"}}`, {}, 400],
        ['constructor', `{"constructor":{"prototype":{"code":"${code}"}}}`, {}, 400],
        ['deep lists', `{"code":${'['.repeat(8000)}${']'.repeat(8000)}}`, {}, 400],
        ['deep objects', `${'{"code":'.repeat(1500)}1${'}'.repeat(1500)}`, {}, 400],
        ['a code twice, the last a list', `{"code":"${code}","code":["${code}"]}`, {}, 400],
        ['a charset that there is not', json, { 'content-type': 'application/json; charset=nonsense' }, 400],
        ['JSON in latin1', json, { 'content-type': 'application/json; charset=latin1' }, 400],
        ['plain text', json, { 'content-type': 'text/plain' }, 400],
        ['XML', `<code>${code}</code>`, { 'content-type': 'application/xml' }, 400],
        ['no such type', json, { 'content-type': 'nonsense' }, 400],
        ['a form said to be JSON', `code=${code}`, {}, 400],
        ['JSON said to be a form', json, { 'content-type': 'application/x-www-form-urlencoded' }, 400],
        [
          'multipart',
          `--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n${code}\r\n--x--\r\n`,
          { 'content-type': 'multipart/form-data; boundary=x' },
          400,
        ],
        ['no gzip', json, { 'content-encoding': 'gzip' }, 400],
        ['gzip cut short', gzipSync(json).subarray(0, 12), { 'content-encoding': 'gzip' }, 400],
        ['an encoding that there is not', json, { 'content-encoding': 'nonsense' }, 400],
        ['a megabyte of JSON', JSON.stringify({ code: megabyte }), {}, 413],
        ['a megabyte beside the code', JSON.stringify({ code, x: megabyte }), {}, 413],
        [
          'a megabyte of a form',
          `code=${megabyte}`,
          { 'content-type': 'application/x-www-form-urlencoded' },
          413,
        ],
        [
          'a thousand fields',
          `code=${code}&${'a=1&'.repeat(1001)}`,
          { 'content-type': 'application/x-www-form-urlencoded' },
          413,
        ],
        [
          'a megabyte in a few bytes of gzip',
          gzipSync(JSON.stringify({ code, x: megabyte })),
          { 'content-encoding': 'gzip' },
          413,
        ],
      ]
      const before = await state()
      for (const [what, body, more, status] of bodies) {
        const answer = await server.post(client, path, body, { ...headers, ...more })
        expect([what, answer.status]).toEqual([what, status])
        expect(JSON.parse(answer.text).code).toBe(status === 400 ? 'malformed' : 'too_large')
        expect(answer.headers.get('cache-control')).toBe('no-store')
      }
      expect(await state()).toEqual(before)
      expect(
        (await server.post(client, path, gzipSync(json), { ...headers, 'content-encoding': 'gzip' })).status,
      ).toBe(200)
    })

    test('a megabyte without a token is too large, not unread', async () => {
      const { client, state } = await visit(express, path)
      const before = await state()
      const page = await client.as('person').send('POST', path, { code: '1'.repeat(1_000_000) })
      expect([page.status, page.type]).toEqual([413, 'text/html'])
      expect(await state()).toEqual(before)
    })

    test.each(['123 456', '12-34-56', ' 123456 ', '1 2 3 4 5 6'])(
      '%j has the shape of a code',
      async (pattern) => {
        const { client, phone, headers, path: to } = await visit(express, path)
        const digits = phone.code()
        let next = 0
        const code = pattern.replace(/\d/g, () => digits[next++] as string)
        expect((await client.send('POST', to, { code }, headers)).status).toBe(200)
      },
    )

    test('a code in the query or a header is ignored', async () => {
      const { client, phone, headers, state } = await visit(express, path)
      const before = await state()
      const code = phone.code()
      for (const query of [`?code=${code}`, `?code=${code}&method=totp`]) {
        const answer = await client.send('POST', path + query, {}, { ...headers, code, 'x-code': code })
        expect([answer.status, answer.body.code]).toEqual([400, 'malformed'])
      }
      expect((await client.get(`${path}?code=${code}`)).status).not.toBe(500)
      expect(await state()).toEqual(before)
    })

    test('a token that is missing, foreign, old or no text: 403, and nothing is changed', async () => {
      const { app, client, phone, state, headers } = await visit(express, path)
      const before = await state()
      const other = new Client(app)
      await other.login()
      const foreign = (await other.get('/two-factor/challenge')).body.csrfToken
      const own = headers['x-csrf-token'] as string
      const [nonce, mac] = own.split('.')
      const code = phone.code()
      const tokens = [
        '',
        'x',
        '.',
        foreign,
        `${own}.`,
        `${own}x`,
        `.${mac}`,
        `${nonce}.`,
        `x${own}`,
        own.toUpperCase(),
        nonce as string,
      ]
      for (const token of tokens) {
        for (const answer of [
          await client.send('POST', path, { code }, { 'x-csrf-token': token }),
          await client.send('POST', path, { code, _csrf: token }),
          // The header decides.
          await client.send('POST', path, { code, _csrf: own }, { 'x-csrf-token': token || 'x' }),
        ]) {
          expect([token, answer.status, answer.body.code]).toEqual([token, 403, 'csrf'])
        }
      }
      for (const _csrf of [null, 7, [own], { own }, undefined]) {
        expect((await client.send('POST', path, { code, _csrf })).body.code).toBe('csrf')
      }
      for (const where of [`?_csrf=${own}`, `?x-csrf-token=${own}`]) {
        expect((await client.send('POST', path + where, { code })).body.code).toBe('csrf')
      }
      const page = await client.as('person').send('POST', path, { code, _csrf: foreign })
      expect([page.status, page.type]).toEqual([403, 'text/html'])
      expect(await state()).toEqual(before)
      expect((await client.send('POST', path, { code, _csrf: own })).status).toBe(200)
    })

    test('order of checks: session, then token', async () => {
      const { app, path: to } = await visit(express, path)
      const answer = await new Client(app).send('POST', to, { code: 'x' })
      expect([answer.status, answer.body.code]).toEqual([401, 'not_authenticated'])
      const page = await new Client(app, 'person').send('POST', to, { code: 'x' })
      expect([page.status, page.headers.location]).toEqual([303, '/login'])
    })

    test('order of checks: token, then shape', async () => {
      const { app, client, path: to } = await visit(express, path)
      expect((await client.send('POST', to, { code: 'x' })).body.code).toBe('csrf')
      const server = await serve(app)
      expect(JSON.parse((await server.post(client, to, '{"code":')).text).code).toBe('csrf')
      expect(JSON.parse((await server.post(client, to, '{"code":', { 'x-csrf-token': 'x' })).text).code).toBe(
        'csrf',
      )
    })
  })

  describe('order of checks', () => {
    test('session, then token: a pending session elsewhere', async () => {
      const { client } = await visit(express, '/two-factor/challenge')
      for (const path of [
        '/two-factor/disable',
        '/two-factor/enable',
        '/two-factor/enable/confirm',
        '/two-factor/backup-codes',
      ]) {
        expect([path, (await client.send('POST', path, { code: 'x' })).body.code]).toEqual([
          path,
          'second_factor_required',
        ])
      }
    })

    test('session, then token: a session that must enrol', async () => {
      const { app } = await visit(express, '/two-factor/challenge', {
        secondFactor: { policy: () => 'required' },
      })
      const client = new Client(app)
      await client.login('bob')
      for (const path of ['/two-factor/disable', '/two-factor/challenge', '/two-factor/backup-codes']) {
        expect([path, (await client.send('POST', path, { code: 'x' })).body.code]).toEqual([
          path,
          'enrolment_required',
        ])
      }
    })

    test('session, then token: a proof that is not fresh', async () => {
      const { client, clock } = await visit(express, '/two-factor/disable')
      clock.forward(301)
      expect((await client.send('POST', '/two-factor/backup-codes')).body.code).toBe('step_up_required')
    })

    test('shape, then state', async () => {
      const { client, headers } = await visit(express, '/two-factor/enable/confirm')
      for (const path of ['/two-factor/challenge', '/two-factor/disable']) {
        const send = (code: unknown) => client.send('POST', path, { code }, headers)
        expect((await send('x')).body.code).toBe('malformed')
        const answer = await send('123456')
        expect([answer.status, answer.body.code]).toEqual([409, 'not_enabled'])
      }
      await client.send('POST', '/two-factor/enable/cancel', {}, headers)
      const confirm = (code: unknown) => client.send('POST', '/two-factor/enable/confirm', { code }, headers)
      expect((await confirm('x')).body.code).toBe('malformed')
      const answer = await confirm('123456')
      expect([answer.status, answer.body.code]).toEqual([409, 'no_enrolment'])
    })

    test('shape, then state: enabled already', async () => {
      const { client, headers } = await visit(express, '/two-factor/disable')
      for (const [path, good, bad] of [
        ['/two-factor/enable/confirm', { code: '123456' }, { code: 'x' }],
        ['/two-factor/enable', {}, { password: ['x'] }],
        ['/two-factor/enable', {}, { password: 'x'.repeat(1025) }],
      ] as const) {
        expect([path, (await client.send('POST', path, bad, headers)).body.code]).toEqual([path, 'malformed'])
        const answer = await client.send('POST', path, good, headers)
        expect([path, answer.status, answer.body.code]).toEqual([path, 409, 'already_enabled'])
      }
    })

    test('shape, then lock', async () => {
      const { client, headers, phone } = await visit(express, '/two-factor/challenge')
      const send = (code: string) => client.send('POST', '/two-factor/challenge', { code }, headers)
      for (let guess = 0; guess < 5; guess++) await send(phone.wrongCode())
      expect((await send('x')).status).toBe(400)
      expect((await send(phone.code())).status).toBe(429)
    })

    test('state, then lock', async () => {
      let policy: 'optional' | 'required' = 'optional'
      const { client, headers, phone } = await visit(express, '/two-factor/disable', {
        secondFactor: { policy: () => policy },
      })
      const send = (code: string) => client.send('POST', '/two-factor/disable', { code }, headers)
      for (let guess = 0; guess < 5; guess++) await send(phone.wrongCode())
      expect((await send(phone.code())).status).toBe(429)
      policy = 'required'
      expect((await send(phone.code())).body.code).toBe('required_by_policy')
    })

    test('lock, then code', async () => {
      const { client, headers, phone, state } = await visit(express, '/two-factor/challenge')
      const send = (code: string) => client.send('POST', '/two-factor/challenge', { code }, headers)
      for (let guess = 0; guess < 5; guess++) await send(phone.wrongCode())
      const before = await state()
      for (const code of [phone.code(), phone.wrongCode()]) {
        const answer = await send(code)
        expect([answer.status, answer.body.code]).toEqual([429, 'locked'])
      }
      expect(await state()).toEqual(before)
    })
  })

  describe('tokens', () => {
    test('that of an older session is foreign after a login', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const client = new Client(app)
      await client.login('bob')
      const old = (await client.get('/two-factor')).body.csrfToken
      await client.login('alice')
      clock.nextStep()
      const answer = await client.send(
        'POST',
        '/two-factor/challenge',
        { code: phone.code() },
        { 'x-csrf-token': old },
      )
      expect([answer.status, answer.body.code]).toEqual([403, 'csrf'])
    })

    test('that of a pending session is foreign after a new login', async () => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const client = new Client(app)
      await client.login()
      const old = (await client.get('/two-factor/challenge')).body.csrfToken
      await client.send('POST', '/logout')
      await client.login()
      clock.nextStep()
      expect(
        (await client.send('POST', '/two-factor/challenge', { code: phone.code() }, { 'x-csrf-token': old }))
          .status,
      ).toBe(403)
    })

    test('those of half a login end with it, and those of a whole one do not with another code', async () => {
      const { client, phone, clock, headers } = await visit(express, '/two-factor/challenge')
      const send = async (path: string, token: object) => {
        clock.nextStep()
        return client.send('POST', `/two-factor/${path}`, { code: phone.code() }, { ...token })
      }
      expect((await send('challenge', headers)).status).toBe(200)
      expect((await send('disable', headers)).body.code).toBe('csrf')
      const open = { 'x-csrf-token': (await client.get('/two-factor/disable')).body.csrfToken }
      expect((await send('challenge', open)).status).toBe(200)
      expect((await send('disable', open)).status).toBe(200)
      // And still after disabling: the session is the same.
      expect((await client.send('POST', '/two-factor/enable', {}, open)).status).toBe(201)
    })

    test('the host’s own protection: its token, its field, its check', async () => {
      const csrf = {
        token: () => 'the-host-says-so',
        field: 'authenticity',
        verify: (req: import('express').Request) =>
          (req.headers['x-authenticity'] ?? req.body?.authenticity) === 'the-host-says-so',
      }
      const { client, headers, phone, state, path } = await visit(express, '/two-factor/challenge', {
        secondFactor: { csrf },
      })
      expect(headers['x-csrf-token']).toBe('the-host-says-so')
      const before = await state()
      expect((await client.send('POST', path, { code: phone.code() }, headers)).body.code).toBe('csrf')
      expect(await state()).toEqual(before)
      const page = await client.as('person').get(path)
      expect(hiddenFields(page.text, path)).toEqual({ authenticity: 'the-host-says-so' })
      const answer = await client.as('person').challenge(phone.code())
      expect(answer.status).toBe(303)
    })

    test('without a check of its own the host has refused before', async () => {
      const { client, phone, path } = await visit(express, '/two-factor/challenge', {
        secondFactor: { csrf: { token: () => 'x', verify: 'before' } },
      })
      expect((await client.send('POST', path, { code: phone.code() })).status).toBe(200)
    })

    test('a body that the host has read before is not read again', async () => {
      const { app, phone, clock } = await createEnrolledApp({
        express,
        before: (host) => host.use(express.json(), express.urlencoded({ extended: true })),
      })
      const person = new Client(app, 'person')
      await person.login()
      clock.nextStep()
      const { _csrf } = hiddenFields(
        (await person.get('/two-factor/challenge')).text,
        '/two-factor/challenge',
      )
      for (const field of ['code[]', 'code[$gt]', 'code[0]']) {
        const form = new URLSearchParams({ [field]: phone.code(), _csrf: _csrf as string }).toString()
        expect((await person.send('POST', '/two-factor/challenge', form)).status).toBe(400)
      }
      expect((await person.challenge(phone.code())).status).toBe(303)
    })
  })

  describe('backup codes', () => {
    test('a typo is malformed and not counted; how it is written does not matter', async () => {
      const { client, headers, backupCodes, state, path } = await visit(express, '/two-factor/challenge')
      const before = await state()
      const [code = ''] = backupCodes
      const send = (typed: string) => client.send('POST', path, { code: typed }, headers)
      const typos = [...code.replace('-', '')].map((character, index, characters) =>
        characters.with(index, character === '7' ? '8' : '7').join(''),
      )
      for (const typed of [...typos, code.slice(1), `${code}0`, `${code.slice(0, -1)}U`]) {
        const answer = await send(typed)
        expect([typed, answer.status, answer.body.code]).toEqual([typed, 400, 'malformed'])
      }
      expect(await state()).toEqual(before)
      expect(
        (await send(` ${code.toLowerCase().replace('-', ' - ').replaceAll('0', 'o').replaceAll('1', 'l')} `))
          .status,
      ).toBe(200)
    })
  })

  describe('ways back', () => {
    test.each([
      '//evil.example',
      '\\evil.example',
      '/\\evil.example',
      'javascript:alert(1)',
      '/%0d%0aSet-Cookie:x=y',
      'https://evil.example',
      '/ok',
    ])('returnTo=%s is not taken from a request', async (target) => {
      const { client, headers, phone, path } = await visit(express, '/two-factor/challenge')
      const query = `?returnTo=${encodeURIComponent(target)}&next=${encodeURIComponent(target)}`
      await client.get(path + query)
      const answer = await client.send(
        'POST',
        path + query,
        { code: phone.code(), returnTo: target, redirectTo: target },
        headers,
      )
      expect(answer.body.redirectTo).toBe('/account')
    })

    test.each([
      ['http://evil.example/form', '/'],
      ['http://HOST//evil.example', '/'],
      ['http://HOST/\\evil.example', '/'],
      ['javascript:alert(1)', '/'],
      ['nonsense', '/'],
      ['http://HOST/transfer?to=1', '/transfer?to=1'],
    ])('after a step-up for a form of %s: %s', async (referer, location) => {
      const { app, phone, clock } = await createEnrolledApp({ express })
      const person = new Client(app, 'person')
      await signIn(person, phone, clock)
      clock.forward(301)
      const headers = { host: 'app.example', referer: referer.replace('HOST', 'app.example') }
      const stopped = await person.send('POST', '/transfer', { to: 'x' }, headers)
      expect([stopped.status, stopped.headers.location]).toEqual([303, '/two-factor/challenge'])
      expect((await person.challenge(phone.code())).headers.location).toBe(location)
    })
  })

  describe('what is shown', () => {
    const names: [string, string, string][] = [
      ['markup', '"><img src=x onerror=alert(1)>@example.com', '<script>alert(1)</script>'],
      ['quotes', `'"\`$&{1}<%= 1 %>`, `'"&amp;<%= 1 %>`],
      ['colons', 'a:b:c%3Ad', 'Ac:me%3A'],
      ['300 characters', `${'x'.repeat(288)}@example.com`, 'y'.repeat(300)],
      ['300 characters of four octets', '😀'.repeat(300), '🏦'.repeat(300)],
      ['another direction', '\u202eevil\u202c@example.com', 'עברית'],
      ['half of a surrogate pair', 'a\ud800@example.com', 'b\udc00'],
      ['line breaks', 'a\r\nb@example.com', 'Ac\r\nme'],
    ]

    test.each(names)('%s in the names of account and issuer', async (_what, name, issuer) => {
      const { app, phone, clock } = await createEnrolledApp({
        express,
        secondFactor: { issuer, account: (user: User) => ({ id: user.id, name }) },
      })
      const pages: Answer[] = []
      const bob = new Client(app, 'person')
      await bob.login('bob')
      pages.push(await bob.get('/two-factor'), await bob.get('/two-factor/enable'))
      await bob.post('/two-factor/enable', {}, '/two-factor')
      pages.push(await bob.get('/two-factor/enable'))
      const begun = (await bob.as('program').get('/two-factor/enable')).body
      const uri = new URL(begun.uri)
      expect(uri.protocol).toBe('otpauth:')
      expect(uri.searchParams.get('secret')).toBe(begun.secret)
      // One colon, between issuer and account, and none encoded but it.
      expect(decodeURIComponent(uri.pathname).split(/:|%3A/i)).toHaveLength(
        issuer.includes('%3A')
          ? 2 + (issuer.match(/%3A/g)?.length ?? 0) + (name.match(/%3A/g)?.length ?? 0)
          : 2,
      )
      expect(begun.uri).not.toMatch(/[<>"\s]/)
      const authenticator = new Authenticator(begun.secret, clock.now)
      pages.push(
        await bob.post('/two-factor/enable/confirm', { code: authenticator.code() }, '/two-factor/enable'),
      )
      const person = new Client(app, 'person')
      await person.login()
      pages.push(await person.get('/two-factor/challenge'), await person.challenge(EVIL))
      clock.nextStep()
      await person.challenge(phone.code())
      for (const page of ['/two-factor', '/two-factor/disable', '/two-factor/backup-codes'])
        pages.push(await person.get(page))
      pages.push(await person.post('/two-factor/disable', { code: EVIL }))
      pages.push(await person.post('/two-factor/backup-codes'))
      expect(pages.map(({ status }) => status)).toEqual([
        200, 200, 200, 200, 200, 400, 200, 200, 200, 400, 200,
      ])
      for (const { text } of pages) {
        expect(text).not.toMatch(/<script>alert|<img src=x|<%/)
        for (const raw of [name, issuer]) if (/[<>]/.test(raw)) expect(text).not.toContain(raw)
        expect(text.match(/<script/g) ?? []).toHaveLength(1)
      }
    })
  })

  describe('headers', () => {
    test('of every answer of the plugin', async () => {
      const store = new FaultyStore()
      const { app, phone, clock } = await createEnrolledApp({
        express,
        store,
        secondFactor: { revalidateAfter: 0 },
      })
      const answers: [string, number, Answer][] = []
      const note = (what: string, status: number, answer: Answer) => answers.push([what, status, answer])
      for (const kind of ['program', 'person'] as const) {
        const program = kind === 'program'
        const anonymous = new Client(app, kind)
        note('anonymous page', program ? 401 : 303, await anonymous.get('/two-factor'))
        note('anonymous gate', program ? 401 : 303, await anonymous.get('/vault'))
        const client = new Client(app, kind)
        note('login', program ? 403 : 303, await client.login())
        note('gate', program ? 403 : 303, await client.get('/vault'))
        note('elsewhere', program ? 403 : 303, await client.get('/two-factor/disable'))
        note('challenge', 200, await client.get('/two-factor/challenge'))
        note('csrf', 403, await client.send('POST', '/two-factor/challenge', { code: '1' }))
        note('malformed', 400, await client.challenge('x'))
        note('wrong', 401, await client.challenge(phone.wrongCode()))
        note(
          'too large',
          413,
          await client.send('POST', '/two-factor/challenge', { code: '1'.repeat(100_000) }),
        )
        for (let guess = 0; guess < 4; guess++) await client.challenge(phone.wrongCode())
        const locked = await client.challenge(phone.code())
        note('locked', 429, locked)
        expect(locked.headers['retry-after']).toBe('30')
        if (program) expect(locked.body.lockedUntil).toBe(new Date(clock.time + 30_000).toISOString())
        clock.nextStep()
        note('verified', program ? 200 : 303, await client.challenge(phone.code()))
        note('settings', 200, await client.get('/two-factor'))
        const { csrfToken } = (await client.as('program').get('/two-factor')).body
        const headers = { 'x-csrf-token': csrfToken }
        note('enabled already', 409, await client.send('POST', '/two-factor/enable', {}, headers))
        clock.forward(301)
        note('step-up', program ? 403 : 303, await client.get('/transfer'))
        note('step-up page', 200, await client.get('/two-factor/challenge'))
        note(
          'cancelled',
          program ? 204 : 303,
          await client.post('/two-factor/challenge/cancel', {}, '/two-factor/challenge'),
        )
        store.fault = 'get rejects'
        note('unavailable', 503, await client.get('/two-factor'))
        note('unavailable gate', 503, await client.get('/vault'))
        note('unavailable login', 503, await new Client(app, kind).login())
        store.fault = null
      }
      for (const [what, status, answer] of answers) {
        const { headers } = answer
        expect([what, answer.status]).toEqual([what, status])
        expect([what, headers['cache-control']]).toEqual([what, 'no-store'])
        expect([what, headers['referrer-policy']]).toEqual([what, 'same-origin'])
        expect([what, headers['x-content-type-options']]).toEqual([what, 'nosniff'])
        const policy = String(headers['content-security-policy'])
        for (const part of [
          "default-src 'none'",
          "form-action 'self'",
          "frame-ancestors 'none'",
          "base-uri 'none'",
        ])
          expect([what, policy]).toEqual([what, expect.stringContaining(part)])
        expect(policy).not.toContain('unsafe')
        if (status >= 400 && answer.type !== 'text/html') {
          expect(answer.type).toBe('application/problem+json')
          expect(answer.body).toMatchObject({
            status,
            title: expect.any(String),
            detail: expect.any(String),
            code: expect.any(String),
          })
        }
      }
      expect(answers).toHaveLength(40)
    })
  })
})

test('a password is as little shown as a code', async () => {
  const { app, clock } = await createEnrolledApp()
  const person = new Client(app, 'person')
  await person.login('bob')
  clock.forward(601)
  const answer = await person.post('/two-factor/enable', { password: `${PASSWORD}${EVIL}` })
  expect(answer.status).toBe(403)
  expect(answer.text).not.toContain(PASSWORD)
})
