import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { OWN_FIELDS } from '../../lib/own-fields'
import { DEFAULT_FIELDS } from '../../lib/recovery/fields'
import { anyCharacter } from '../support/any-text'
import { PASSWORD } from '../support/app'

/** Requests that nobody should send, as the bytes that go over the wire: shaped like real ones, and bent. */
export interface Shot {
  /** The session that it is sent with. */
  state: string
  route: number
  bytes: Buffer
  /** Whoever sends it hangs up in the middle of it. */
  cut: boolean
  /** A byte too many follows, and node may answer that instead of the request. */
  excess: boolean
  /** It has the token of its session's forms, or the ticket where that is enough. */
  genuine: boolean
}

export interface Target {
  method: string
  path: string
  /** The states that come as far as its rule. */
  states: string[]
}

/** What real requests hold, to be put in right places and wrong ones. */
export interface Known {
  states: string[]
  targets: Target[]
  /** The cookies of a state. */
  cookieOf(state: string): string
  /** The tokens of a state's forms: of the plugin's routers, and of the host's own. */
  tokensOf(state: string): Tokens
  /** What stands for `known.code`, `known.ticket` and so on in a request. */
  valueOf(state: string, name: string): string
}

export interface Tokens {
  plugin: string
  host: string
}

const TEXTS = [
  '', ' ', '0', '1', '-1', '000000', '123456', '1234567', '12 34 56', 'ABCDE-FGHJK', '0000000000', '00000-00000',
  'null', 'undefined', 'true', 'NaN', '1e999', '-0', '9007199254740993', '99999999999999999999999', '0x10',
  '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '[object Object]', '$gt', "' OR 1=1 --",
  '"><script>alert(1)</script>', '<%= 7 * 7 %>', '{{7*7}}', '../../../etc/passwd', '%00', '%', '%zz', '%ff',
  '%c0%af', '%u0041', '\0', '\r\nx-injected: 1', '\u2028', '\ufeff', '\ud800', '１２３４５６', '١٢٣٤٥٦', 'ß', 'İ',
  'a'.repeat(65), 'a'.repeat(1025), '1'.repeat(5000), '//evil.example/', '/\\evil.example', 'https://evil.example',
  'javascript:alert(1)', '/two-factor', 'totp', 'backup-code', 'alice', 'bob', 'carol', 'wrong horse',
  'known.code', 'known.backup', 'known.ticket', 'known.recovery', 'known.users', 'known.devices', 'known.set',
] // biome-ignore format: a list
/** What a form may hold, with what somebody would really send. */
const REAL: Record<string, string> = {
  code: 'known.code',
  password: PASSWORD,
  reason: 'Lost the phone',
  enrolment: '1',
  set: 'known.set',
  ticket: 'known.ticket',
  trustDevice: 'on',
  firstName: 'Alice',
  lastName: 'Liddell',
  phone: '+44 20 7946 0101',
  username: 'alice',
  to: 'Bob',
  amount: '5',
  lang: 'de',
}
const NAMES = [
  ...OWN_FIELDS, ...DEFAULT_FIELDS, ...Object.keys(REAL), '_csrf', 'method', 'id', '__proto__', 'constructor', 'prototype', 'code[]', 'code[$gt]', 'code.length', 'toString', 'length',
  'valueOf', 'then', 'toJSON', '', '0', 'Code', '_csrf[]', 'x'.repeat(300),
] // biome-ignore format: a list
const TYPES = [
  'application/json', 'application/json; charset=utf-8', 'application/json; charset=utf-16', 'application/json;charset=',
  'application/json; charset=utf-7', 'application/problem+json', 'text/json', 'APPLICATION/JSON',
  'application/x-www-form-urlencoded', 'application/x-www-form-urlencoded; charset=utf-8',
  'application/x-www-form-urlencoded; charset=iso-8859-1', 'application/x-www-form-urlencoded; charset=utf-16le',
  'application/x-www-form-urlencoded; charset=nonsense', 'multipart/form-data; boundary=x', 'multipart/form-data',
  'text/plain', 'application/xml', 'nonsense', '', ';', '/', 'application/json, text/html', '\xff\xfe',
] // biome-ignore format: a list
const ACCEPTS = [
  'application/json', 'text/html', '*/*', 'text/html,application/xhtml+xml', 'application/*', 'text/html;q=0',
  'application/json;q=0, text/html', ';q=,', 'a'.repeat(2000), ',,,,', 'text/html;q=1e9', '', '/', 'image/webp',
] // biome-ignore format: a list
const LANGUAGES = [
  'en', 'ar', '*', 'x-klingon', 'de-DE;q=0.5, *;q=0', ';', 'en;q=NaN', '__proto__', 'constructor', 'a'.repeat(3000),
  'zh-Hant-TW-x-y-z', '../en', 'en\t,\tfr', '1', '-', 'root', 'toString',
] // biome-ignore format: a list
const HEADERS: [string, string[]][] = [
  ['accept-language', LANGUAGES],
  ['sec-fetch-dest', ['document', 'empty', 'iframe', '', 'x']],
  ['sec-fetch-site', ['cross-site', 'same-origin', '']],
  [
    'referer',
    [
      '',
      '/',
      'http://localhost/two-factor',
      'http://[',
      '//',
      'about:blank',
      'http://localhost:99999/%',
      '\xff',
    ],
  ],
  ['origin', ['null', 'http://localhost', 'http://evil.example', '', '\xff']],
  ['content-encoding', ['gzip', 'deflate', 'br', 'identity', 'nonsense', '', 'gzip, gzip', 'GZIP']],
  ['content-language', ['x']],
  [
    'range',
    ['bytes=0-', 'bytes=-1', 'bytes=9-1', 'lines=1', 'bytes=0-0,1-1,2-2', 'bytes=99999999999999999999-'],
  ],
  ['if-none-match', ['*', 'W/"x"', '"', '\xff']],
  ['if-modified-since', ['0', 'never', 'Thu, 01 Jan 1970 00:00:00 GMT', 'x'.repeat(500)]],
  ['x-forwarded-for', ['::1', 'x', ',', '1.2.3.4, 5.6.7.8', 'a'.repeat(500)]],
  ['x-forwarded-proto', ['https', 'x', ',']],
  ['x-forwarded-host', ['evil.example']],
  ['x-http-method-override', ['POST', 'DELETE']],
  [
    'user-agent',
    ['', 'x'.repeat(4000), 'Mozilla/5.0 (Windows NT 10.0) Firefox/130', '\xff\xfe', '<b>', '((((((('],
  ],
  ['x-csrf-token', TEXTS],
  ['authorization', ['Basic x', 'Bearer', '\xff']],
  ['expect', ['100-continue', 'x']],
  ['host', ['localhost', '', 'a b', '[::1', 'evil.example', 'x'.repeat(300), '\xff']],
  ['x-request-id', ['a'.repeat(500), '']],
  ['priority', ['u=1']],
]
const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'TRACE', 'QUERY']

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 30 }) },
  { weight: 1, arbitrary: fc.stringMatching(/^[0-9A-Za-z -]{0,12}$/) },
)
const name = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: text })

/** Text of JSON, also such as `JSON.stringify` would not write. */
const json: fc.Arbitrary<string> = fc.letrec<{ value: string; leaf: string; object: string; list: string }>(
  (tie) => ({
    leaf: fc.oneof(
      { weight: 3, arbitrary: text.map((one) => JSON.stringify(one)) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          'null',
          'true',
          'false',
          '0',
          '-0',
          '1e999',
          '123456',
          '1e-999',
          '[]',
          '{}',
        ),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'NaN',
          "'x'",
          '"\\ud800"',
          '"\\u0000"',
          '01',
          '.5',
          '"\\x"',
          '',
          '// x',
          '9'.repeat(400),
        ),
      },
    ),
    object: fc
      .array(fc.tuple(name, tie('value')), { maxLength: 5 })
      .map((fields) => `{${fields.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
    list: fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, tie('leaf'), tie('object'), tie('list')),
  }),
).object

const nested = fc
  .tuple(fc.constantFrom('[', '{"code":', '{"__proto__":', '{"a":['), fc.constantFrom(10, 500, 3000))
  .map(([open, times]) => `{"code":${open.repeat(times)}1`)

const form = fc
  .array(fc.tuple(name, text, fc.constantFrom('encoded', 'raw', 'bytes', 'no value')), { maxLength: 8 })
  .map((fields) =>
    fields
      .map(([key, value, how]) => {
        if (how === 'no value') return encodeURIComponent(key.toWellFormed())
        if (how === 'raw') return `${key}=${value}`
        if (how === 'bytes') return `${key}=%${value.length.toString(16)}%e9%ff`
        return `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`
      })
      .join('&'),
  )

interface Body {
  type: string
  bytes: Buffer
}

/** All that a form may hold: each route takes what it wants. */
function realBody(asForm: boolean, changed: Record<string, string> = {}): Body {
  const fields = { ...REAL, ...changed }
  return asForm
    ? plain('application/x-www-form-urlencoded')(new URLSearchParams(fields).toString())
    : plain('application/json')(JSON.stringify(fields))
}

const plain = (type: string) => (one: string) => ({ type, bytes: Buffer.from(one) })
const body: fc.Arbitrary<Body> = fc.oneof(
  { weight: 6, arbitrary: json.map(plain('application/json')) },
  { weight: 6, arbitrary: form.map(plain('application/x-www-form-urlencoded')) },
  { weight: 1, arbitrary: nested.map(plain('application/json')) },
  {
    weight: 2,
    arbitrary: fc
      .uint8Array({ maxLength: 120 })
      .map((bytes) => ({ type: 'application/json', bytes: Buffer.from(bytes) })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(16_300, 16_400, 20_500, 120_000).map((length) => ({
      type: 'application/x-www-form-urlencoded',
      bytes: Buffer.from(`code=${'1'.repeat(length)}`),
    })),
  },
  {
    weight: 1,
    arbitrary: text.map((one) => ({
      type: 'multipart/form-data; boundary=x',
      bytes: Buffer.from(`--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n${one}\r\n--x--\r\n`),
    })),
  },
)

const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: form.map((one) => `?${one}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '?',
      '??',
      '?a[b][c][d]=1',
      '?%',
      '?method=backup-code',
      '?method[]=x',
      `?${'a=1&'.repeat(1500)}`,
    ),
  },
)

/** What a path's own text may become on the way. */
const bend = fc.constantFrom<(path: string) => string>(
  ...Array<(path: string) => string>(12).fill((path) => path),
  (path) => path.toUpperCase(),
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => `${path}%00`,
  (path) => `${path}%ff`,
  (path) => `${path}/..%2f..`,
  (path) => `${path};a=b`,
  (path) => path.replace(/\/(.)/g, (_all, first: string) => `/%${first.charCodeAt(0).toString(16)}`),
  (path) => path.replaceAll('/', '\\'),
  (path) => `http://localhost${path}`,
)

export function shots(known: Known): fc.Arbitrary<Shot> {
  return fc
    .record({
      state: fc.constantFrom(...known.states),
      route: fc.nat(known.targets.length - 1),
      method: fc.oneof(
        { weight: 9, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
      ),
      id: fc.constantFrom(
        'known.users',
        'known.recovery',
        'known.devices',
        'x',
        '%00',
        '%ff',
        '..%2f',
        '__proto__',
        'a'.repeat(500),
        '%E0%A4%A',
        '[object Object]',
        '1',
      ),
      bend,
      query,
      body,
      type: fc.oneof(
        { weight: 3, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
      ),
      token: fc.constantFrom('header', 'header', 'body', 'none', 'other', 'garbage', 'twice'),
      cookie: fc.constantFrom('own', 'own', 'own', 'own', 'own', 'none', 'twice', 'bent', 'garbage'),
      accept: fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom('application/json', 'text/html') },
        { weight: 1, arbitrary: fc.constantFrom(...ACCEPTS) },
      ),
      headers: fc.array(
        fc.oneof(
          {
            weight: 6,
            arbitrary: fc
              .constantFrom(...HEADERS)
              .chain(([key, values]) => fc.tuple(fc.constant(key), fc.constantFrom(...values))),
          },
          {
            weight: 1,
            arbitrary: fc.tuple(fc.constantFrom(...HEADERS.map(([key]) => key), 'accept', 'x-odd'), text),
          },
        ),
        { maxLength: 4 },
      ),
      framing: fc.constantFrom(
        'length',
        'length',
        'length',
        'length',
        'length',
        'chunked',
        'gzip',
        'short',
        'long',
        'none',
        'both',
      ),
      noise: fc.nat(0xffffff),
      // Half of them are real but for one thing: what is wrong in many ways is refused for the first of them.
      wrong: fc.oneof(
        { weight: 1, arbitrary: fc.constant('all' as const) },
        { weight: 1, arbitrary: fc.constantFrom('nothing' as const, ...BENT, ...FIELD) },
      ),
      field: fc.tuple(fc.constantFrom(...Object.keys(REAL), 'signInAgain'), text),
    })
    .map((made) => written(made.wrong === 'all' ? made : real(known, made), known))
}

/** What may be wrong with a request that is real otherwise. */
const BENT = [
  'state', 'method', 'id', 'bend', 'query', 'body', 'type', 'token', 'cookie', 'accept', 'headers', 'framing',
] as const // biome-ignore format: a list
/** Or one of its many fields. */
const FIELD = ['field', 'field', 'field'] as const

/** A request that a program could send to this route. */
export function realShot(known: Known, route: number, state: string, token: 'header' | 'none'): Shot {
  const accept = 'application/json'
  return written({ ...PLAIN, token, state, route, accept, body: realBody(false), noise: 0 }, known)
}

const PLAIN = {
  method: null,
  id: null,
  bend: (path: string) => path,
  query: '',
  type: null,
  token: 'header',
  cookie: 'own',
  headers: [],
  framing: 'length',
}

function real(
  known: Known,
  made: Made & { wrong: 'all' | 'nothing' | 'field' | (typeof BENT)[number]; field: [string, string] },
): Made {
  const { route, noise, wrong, field } = made
  const { states } = known.targets[route] as Target
  const asForm = noise % 2 === 1
  const whole: Made = {
    ...PLAIN,
    state: states[noise % states.length] as string,
    route,
    accept: noise % 3 === 0 ? 'text/html' : 'application/json',
    body: realBody(asForm, wrong === 'field' ? { [field[0]]: field[1] } : {}),
    noise,
  }
  return wrong === 'all' || wrong === 'nothing' || wrong === 'field'
    ? whole
    : { ...whole, [wrong]: made[wrong] }
}

type Made = {
  state: string
  route: number
  method: string | null
  /** Null: the one that is there. */
  id: string | null
  bend: (path: string) => string
  query: string
  body: Body
  type: string | null
  token: string
  cookie: string
  accept: string
  headers: [string, string][]
  framing: string
  noise: number
}

function written(made: Made, known: Known): Shot {
  const { state, route, noise } = made
  const target = known.targets[route] as Target
  const method = made.method ?? target.method
  const filled = (text: string) =>
    text.replace(/known\.(\w+)/g, (_all, name: string) => known.valueOf(state, name))
  const path = made.bend(
    target.path
      .replace(/(\w+)\/:\w+/, (_all, before: string) => `${before}/${made.id ?? `known.${before}`}`)
      .replace('*', made.id ?? 'x'),
  )
  const lines = [`${method} ${oneLine(filled(path + made.query), /[\s\0\x7f]/g) || '/'} HTTP/1.1`]
  const add = (key: string, value: string) => lines.push(`${key}: ${oneLine(value, /[\0\r\n]/g)}`)
  if (!made.headers.some(([key]) => key === 'host')) add('host', 'localhost')
  add('connection', 'close')
  add('accept', made.accept)

  const own = known.cookieOf(state)
  if (made.cookie === 'own') add('cookie', own)
  if (made.cookie === 'twice') add('cookie', `${own}; ${own}; =; ;;`)
  if (made.cookie === 'bent')
    add(
      'cookie',
      own.slice(0, noise % own.length) +
        String.fromCharCode(33 + (noise % 90)) +
        own.slice((noise % own.length) + 1),
    )
  if (made.cookie === 'garbage')
    add(
      'cookie',
      `quayside.sid=s%3A${'x'.repeat(noise % 200)}; second-factor-device=${'%ff.'.repeat(noise % 50)}; lang=__proto__`,
    )

  const body = { ...made.body, bytes: Buffer.from(filled(made.body.bytes.toString('latin1')), 'latin1') }
  let bytes: Buffer = body.bytes
  const { plugin, host } = known.tokensOf(state)
  const isOurs = /^\/(admin\/)?two-factor(\/|$)/.test(target.path)
  const [token, other] = isOurs ? [plugin, host] : [host, plugin]
  if (made.token === 'header' || made.token === 'twice') add('x-csrf-token', token)
  if (made.token === 'other') add('x-csrf-token', other)
  if (made.token === 'garbage') add('x-csrf-token', token.slice(0, noise % (token.length || 1)))
  if (made.token === 'body' || made.token === 'twice') bytes = withToken(body, token)
  const ticket = known.valueOf(state, 'ticket')
  const hasTicket = target.path === '/two-factor/recovery/cancel' && bytes.includes(ticket)
  for (const [key, value] of made.headers) add(key, value)

  if (method !== 'GET' && method !== 'HEAD' && made.framing !== 'none') {
    add('content-type', made.type ?? made.body.type)
    if (made.framing === 'gzip') {
      bytes = gzipSync(bytes, { level: 1 })
      add('content-encoding', 'gzip')
    }
    if (made.framing === 'chunked' || made.framing === 'both') {
      add('transfer-encoding', 'chunked')
      if (made.framing === 'both') add('content-length', String(bytes.length))
      bytes = Buffer.concat([
        Buffer.from(`${bytes.length.toString(16)}\r\n`),
        bytes,
        Buffer.from('\r\n0\r\n\r\n'),
      ])
      // A chunk of nothing is the last one.
      if (body.bytes.length === 0) bytes = Buffer.from('0\r\n\r\n')
    } else {
      const wrong = { short: -1, long: 7 }[made.framing] ?? 0
      add('content-length', String(Math.max(0, bytes.length + wrong)))
    }
  } else bytes = Buffer.alloc(0)
  return {
    state,
    route,
    cut: made.framing === 'long',
    excess: made.framing === 'short',
    genuine: hasTicket || ['header', 'body', 'twice'].includes(made.token),
    bytes: Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]),
  }
}

function withToken({ type, bytes }: Body, token: string): Buffer {
  if (type === 'application/x-www-form-urlencoded')
    return Buffer.concat([bytes, Buffer.from(`&_csrf=${token}`)])
  if (bytes[0] !== 0x7b) return bytes
  const comma = bytes[1] === 0x7d ? '' : ','
  return Buffer.concat([Buffer.from(`{"_csrf":${JSON.stringify(token)}${comma}`), bytes.subarray(1)])
}

/** What would end the line that it is in: node refuses the rest of it before any app is asked. */
function oneLine(text: string, ends: RegExp): string {
  return text.replace(ends, '')
}
