import type { SecondFactorEvent } from 'express-second-factor'

const at = new Date(Date.UTC(2026, 4, 3, 12, 0, 15, 250))
const origin = { requestId: 'req-1', ip: '192.0.2.7' }

/** An event of every kind of field. */
export const samples: SecondFactorEvent[] = [
  { name: 'challenged', accountId: 'u-alice', at, ...origin },
  { name: 'verified', accountId: 'u-alice', at, method: 'trusted-device', purpose: 'login', ...origin },
  { name: 'failed', accountId: 'u-alice', at, method: 'password', purpose: 'enable', ...origin },
  {
    name: 'locked',
    accountId: 'u-alice',
    at,
    method: 'totp',
    until: new Date(at.getTime() + 30_000),
    ...origin,
  },
  { name: 'backup-code-used', accountId: 'u-alice', at, remaining: 4, ip: '2001:db8::1' },
  {
    name: 'device-trusted',
    accountId: 'u-alice',
    at,
    device: 'abc',
    label: 'Firefox, Windows',
    until: new Date(at.getTime() + 86_400_000),
  },
  { name: 'reset', accountId: 'u-alice', at, wasEnabled: true, by: 'u-admin', reason: 'lost the phone' },
  { name: 'forgotten', accountId: 'u-alice', at },
]

const surrogate = '\ud83d'

/** What a hostile client, or a careless `eventOrigin`, could bring in: what it is kept as. */
export const hostile: [
  what: string,
  given: Partial<Record<'ip' | 'requestId' | 'label', string>>,
  kept: object,
][] = [
  ['an address of 100,000 characters', { ip: '1'.repeat(100_000) }, { ip: '1'.repeat(64) }],
  ['a request id of 100,000 characters', { requestId: 'x'.repeat(100_000) }, { requestId: 'x'.repeat(200) }],
  ['a label of 100,000 characters', { label: 'é'.repeat(100_000) }, { label: 'é'.repeat(200) }],
  ['a NUL', { ip: 'a\0b', requestId: '\0', label: 'a\0b' }, { ip: 'a?b', requestId: '?', label: 'a\ufffdb' }],
  [
    'half a surrogate pair',
    { ip: surrogate, requestId: `a${surrogate}`, label: `${surrogate}b` },
    { ip: '?', requestId: 'a?', label: '\ufffdb' },
  ],
  [
    'a pair that the cut would halve',
    { requestId: `${'x'.repeat(199)}😀`, label: `${'x'.repeat(199)}😀` },
    { requestId: `${'x'.repeat(199)}?`, label: `${'x'.repeat(199)}\ufffd` },
  ],
  ['bytes that are no UTF-8', { ip: Buffer.from([0xff, 0xfe, 0x41]).toString('latin1') }, { ip: '??A' }],
  [
    'what a terminal would obey, and lines of its own',
    { ip: '\u001b[2J', requestId: 'a\r\nb\u202e' },
    { ip: '?[2J', requestId: 'a??b?' },
  ],
  [
    'quotes and backslashes',
    { ip: `'; drop table x; --`, requestId: '\\\'"`', label: '\\\'"`%' },
    { ip: `'; drop table x; --`, requestId: '\\\'"`', label: '\\\'"`%' },
  ],
  [
    'letters of other languages',
    { requestId: '名', label: 'ブラウザ 😀' },
    { requestId: '?', label: 'ブラウザ 😀' },
  ],
]

export function hostileEvent(given: (typeof hostile)[number][1]): SecondFactorEvent {
  const { ip, requestId, label = '' } = given
  return { name: 'device-revoked', accountId: 'u-alice', at, device: 'abc', label, ip, requestId }
}
