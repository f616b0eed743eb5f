// What is changed, and the tests that have to notice: each change runs those of them that come by it, until one fails.
// So the quick ones come first. Under Mocha a file takes minutes; where a test needs Jest (run.mjs), ten times as long.

const one = (file, ...tests) => ({ files: [file], tests })

/** Logins and sessions as apps use them. */
const apps = [
  'http/main-way',
  'http/on-verified',
  'http/fresh-login',
  'http/skip',
  'http/policy',
  'http/step-up',
  'http/planted',
  'http/session-writes',
  'http/hosts',
  'http/no-revival',
  'http/store-in-doubt',
  'http/disable-fresh',
  'http/replace',
  'http/strategies',
  'http/signed-out',
  'http/existing-logins',
  'http/events',
  'http/trusted-devices',
  'http/invariants',
  'mistakes',
  'http/pages-flow',
  'http/late',
  'recovery/http',
]

const inSession = (names) => names.map((name) => `session/${name}`)

/** Each has a test of its own, by its name. */
const admitting = inSession([
  'admission',
  'code-submission',
  'express-sessions',
  'passport-session',
  'signed-out',
  'no-revival',
])

export const groups = {
  gate: [one('session/require-second-factor', 'search/gate')],
  rules: [
    one('account/verification', 'account/verification', 'search/edges'),
    one('account/lockout', 'account/lockout', 'search/edges'),
    one('account/backup-codes', 'account/backup-codes', 'search/edges'),
    one('session/judge', 'session/judge', 'search/edges'),
    one('session/age', 'session/judge', 'search/edges'),
  ],
  records: [
    one('account/records', 'account/records'),
    one('account/late', 'account/records'),
    one('account/sound-clock', 'account/records', 'search/clock'),
    one('account/time-limit', 'account/time-limit'),
    one('account/record', 'account/records', 'account/devices'),
    one('account/accounts', 'account/accounts', 'account/devices'),
    one('account/enrolment', 'account/enrolment', 'account/devices'),
    one('account/devices', 'account/devices'),
    one('account/account-id', 'account/account-id'),
    one('account/typed-code', 'account/typed-code'),
    one('account/rotation', 'account/rotation'),
    one('crypto/keyring', 'crypto/keyring'),
  ],
  sessions: [
    one('session/account-views', 'session/account-views'),
    one('session/withhold', 'session/withhold'),
    one('session/return-to', 'session/return-to'),
    one('session/verify-session', 'session/verify-session'),
    {
      files: inSession([
        'settle',
        'login-hook',
        'session',
        'request-factor',
        'router-there',
        'owner',
        'proof',
      ]),
      tests: [...inSession(['request-factor', 'router-there', 'owner', 'verify-session']), ...apps],
    },
    { files: admitting, tests: [...admitting, ...apps] },
    {
      files: inSession([
        'turn-away',
        'demand',
        'demanded-methods',
        'device-cookie',
        'device-label',
        'enrolments',
        'cookie-sent',
      ]),
      tests: [...inSession(['device-cookie', 'turn-away']), 'search/gate', ...apps],
    },
    {
      files: inSession(['due-recovery', 'hand-on', 'marker', 'policy-preview', 'told-once']),
      tests: [...inSession(['due-recovery', 'told-once', 'owner', 'no-revival']), ...apps],
    },
  ],
  stores: [
    one('stores/memory', 'stores/memory', 'stores/stores'),
    one('stores/rows', 'stores/rows'),
    one('stores/damaged', 'stores/rows'),
    one('stores/storable', 'stores/rows'),
    one('stores/warnings', 'stores/warnings'),
    one('stores/place', 'stores/place'),
    one('stores/sql/sqlite-statements', 'stores/sqlite-statements'),
    one('stores/sql/sqlite-writes', 'stores/sql', 'stores/sqlite-statements'),
  ],
  sql: [
    {
      files: [
        'stores/sql',
        ...inSql([
          'compiled',
          'connect',
          'dialects',
          'migration',
          'own-table',
          'patiently',
          'pg-pool',
          'place-of',
          'row',
        ]),
      ],
      tests: [
        'row',
        'place',
        'dialects',
        'pg-pool',
        'sqlite-statements',
        'sql-docs',
        'rows',
        'sql',
        'stores',
        'sql-servers',
      ].map((name) => `stores/${name}`),
    },
  ],
  redis: [
    {
      files: ['stores/redis', 'stores/redis/clients', 'stores/redis/ids', 'stores/redis/inspection'],
      tests: ['stores/redis-answers', 'stores/place', 'stores/redis', 'mistakes'],
    },
  ],
  conformance: [
    {
      files: [
        'bench',
        'client',
        'clients',
        'contract',
        'cut',
        'get-many',
        'history',
        'ids',
        'index',
        'list',
        'options',
        'processes',
        'report',
        'words',
        'worker',
      ].map((name) => `stores/conformance/${name}`),
      tests: ['stores/conformance'],
    },
  ],
}

function inSql(names) {
  return names.map((name) => `stores/sql/${name}`)
}

/** Groups in which also what runs once, as a file is loaded, is changed: each such change loads everything anew. */
export const whole = ['rules']
