// What is changed, and the tests that have to notice: the cheap ones, since each change runs them again.
export const groups = {
  gate: { mutate: ['session/require-second-factor'], tests: ['search/gate'] },
  rules: {
    mutate: [
      'account/verification',
      'account/lockout',
      'account/backup-codes',
      'session/judge',
      'session/age',
    ],
    tests: [
      'search/edges',
      'account/verification',
      'account/lockout',
      'account/backup-codes',
      'session/judge',
    ],
  },
  records: {
    mutate: [
      'account/sound-clock',
      'account/records',
      'account/accounts',
      'account/enrolment',
      'account/devices',
      'account/time-limit',
      'account/typed-code',
      'account/record',
      'crypto/keyring',
    ],
    tests: [
      'search/edges',
      'search/clock',
      'account/records',
      'account/accounts',
      'account/enrolment',
      'account/devices',
      'account/typed-code',
      'crypto/keyring',
    ],
  },
  stores: {
    mutate: ['stores/memory', 'session/account-views'],
    tests: ['stores/memory', 'stores/stores', 'session/account-views'],
  },
}
