// What is changed, file by file, and the tests that have to notice: few and quick ones, since each change runs them
// again. A file whose tests are slow takes hours; with the rules' own tests it takes minutes.
export const groups = {
  gate: { 'session/require-second-factor': ['search/gate'] },
  rules: {
    'account/verification': ['account/verification', 'search/edges'],
    'account/lockout': ['account/lockout', 'search/edges'],
    'account/backup-codes': ['account/backup-codes', 'search/edges'],
    'session/judge': ['session/judge', 'search/edges'],
    'session/age': ['session/judge', 'search/edges'],
  },
  records: {
    'account/records': ['account/records'],
    'account/late': ['account/records'],
    'account/sound-clock': ['account/records', 'search/clock'],
    'account/time-limit': ['account/time-limit'],
    'account/record': ['account/records', 'account/devices'],
    'account/accounts': ['account/accounts', 'account/devices'],
    'account/enrolment': ['account/enrolment', 'account/devices'],
    'account/devices': ['account/devices'],
    'account/account-id': ['account/account-id'],
    'account/typed-code': ['account/typed-code'],
    'account/rotation': ['account/rotation'],
    'crypto/keyring': ['crypto/keyring'],
  },
  sessions: {
    'session/account-views': ['session/account-views'],
    'session/no-revival': ['session/no-revival'],
    'session/withhold': ['session/withhold'],
    'session/return-to': ['session/return-to'],
    'session/verify-session': ['session/verify-session'],
  },
  stores: {
    'stores/memory': ['stores/memory', 'stores/stores'],
    'stores/rows': ['stores/rows'],
    'stores/damaged': ['stores/rows'],
    'stores/storable': ['stores/rows'],
    'stores/warnings': ['stores/warnings'],
    'stores/sql/sqlite-statements': ['stores/sqlite-statements'],
    'stores/sql/sqlite-writes': ['stores/sql', 'stores/sqlite-statements'],
  },
}

/** Groups in which also what runs once, as a file is loaded, is changed: each such change loads everything anew. */
export const whole = ['rules']
