import type { Page } from '../../lib/pages/page'

const soon = (seconds: number) => new Date(Date.now() + seconds * 1000)
const since = new Date('2025-05-03T10:00:00Z')
const left = (remaining: number) => ({ remaining, total: 5, generatedAt: since })
const refused = { code: 'invalid_code' } as const

type Named<N extends Page['name']> = Extract<Page, { name: N }>

const on: Named<'settings'> = {
  name: 'settings',
  enabled: true,
  since,
  backupCodes: left(4),
  devices: null,
  mayDisable: true,
  graceUntil: null,
  justReplaced: false,
  asksFirst: false,
  recovery: null,
}
const start: Named<'enable-start'> = {
  name: 'enable-start',
  purpose: 'enable',
  graceUntil: null,
  ask: 'nothing',
  demanded: false,
}
const enable: Named<'enable'> = {
  name: 'enable',
  purpose: 'enable',
  qr: '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
  uri: 'otpauth://totp/Acme:alice?secret=JBSWY3DP&issuer=Acme',
  key: 'JBSW Y3DP EHPK 3PXP',
  issuer: 'Acme',
  accountName: 'alice@example.com',
  enrolment: 'enrolment-1',
  demanded: false,
}
const fresh: Named<'new-backup-codes'> = {
  name: 'new-backup-codes',
  codes: ['7K3M9-QWX2D', 'B4HTN-8RZ6P', '2YGVC-M5J7K', 'X9D3F-TBN4H', 'P6Q8W-R2ZCV'],
  issuer: 'Acme',
  accountName: 'alice@example.com',
  madeAt: since,
  replaced: false,
  continueTo: '/two-factor',
}
const challenge: Named<'challenge'> = {
  name: 'challenge',
  kind: 'login',
  target: null,
  notSent: false,
  trustFor: null,
  method: 'totp',
  otherMethod: 'backup-code',
  recovery: false,
  maskedName: 'a…e@example.com',
  expiresAt: soon(600),
  lock: null,
}

const recovery: Named<'recovery'> = {
  name: 'recovery',
  state: null,
  effectiveAt: null,
  until: null,
  delay: 86_400_000,
  fields: [
    { name: 'firstName', typed: '', wrong: false },
    { name: 'lastName', typed: '', wrong: false },
    { name: 'phone', typed: '', wrong: false },
  ],
}
const asked: Named<'recovery'> = { ...recovery, state: 'requested', until: soon(7 * 86_400) }
const cancelling: Named<'recovery-cancel'> = {
  name: 'recovery-cancel',
  state: 'requested',
  effectiveAt: null,
  ticket: 'ticket-1',
}

const listed = (more: Partial<Named<'admin/users'>['users'][number]> = {}) => ({
  id: 'u-alice',
  name: 'Alice Liddell',
  email: 'alice@example.com',
  status: 'activated' as const,
  methods: ['totp' as const, 'backup-code' as const],
  since,
  backupCodesRemaining: 4,
  lastUsedAt: since,
  lockedUntil: null,
  suspended: false,
  ...more,
})
const off = {
  status: 'not-activated' as const,
  methods: [],
  since: null,
  backupCodesRemaining: 0,
  lastUsedAt: null,
}
const users: Named<'admin/users'> = {
  name: 'admin/users',
  base: '/admin/two-factor',
  users: [
    listed(),
    listed({ id: 'u-bob', name: 'Bob', ...off }),
    listed({ id: 'u-carol', name: '', lockedUntil: soon(600), lastUsedAt: null }),
    listed({ id: 'u-dan', email: '', suspended: true }),
    listed({ id: 'u-eve', name: 'Eve', ...off, status: 'unavailable', backupCodesRemaining: null }),
  ],
  status: null,
  search: '',
  next: null,
  onward: false,
  totals: { activated: 3, notActivated: 2 },
  recovery: false,
  notice: null,
}
const resetting: Named<'admin/reset'> = {
  name: 'admin/reset',
  base: '/admin/two-factor',
  user: listed(),
  reason: '',
}

const device = (label: string, current: boolean) => ({
  id: 'ZGV2aWNl',
  label,
  firstSeenAt: since,
  lastSeenAt: since,
  expiresAt: soon(20 * 86_400),
  current,
})

/** Every page in every variant that its data allows. */
export const samples = {
  off: { ...on, enabled: false, since: null, backupCodes: { remaining: 0, total: 5, generatedAt: null } },
  on,
  few: { ...on, backupCodes: left(2) },
  none: { ...on, backupCodes: left(0), problem: { code: 'already_enabled' } },
  demanded: { ...on, mayDisable: false },
  replaced: { ...on, justReplaced: true, devices: 1 },
  onWithDevices: { ...on, devices: 3 },
  offInGrace: {
    ...on,
    enabled: false,
    since: null,
    backupCodes: { remaining: 0, total: 5, generatedAt: null },
    mayDisable: false,
    graceUntil: soon(3 * 86_400),
  },
  start,
  startInGrace: { ...start, graceUntil: soon(86_400) },
  startReplace: { ...start, purpose: 'replace' },
  startReplaceOver: { ...start, purpose: 'replace', problem: { code: 'no_enrolment' } },
  startDemanded: { ...start, demanded: true, problem: { code: 'no_enrolment' } },
  startPassword: { ...start, ask: 'password' },
  startPasswordWrong: { ...start, ask: 'password', problem: { code: 'password_required' } },
  startLogin: { ...start, ask: 'login' },
  enable,
  replace: { ...enable, purpose: 'replace' },
  replaceRefused: { ...enable, purpose: 'replace', problem: refused },
  enableRefused: { ...enable, problem: refused },
  enableSlow: {
    ...enable,
    problem: { ...refused, clock: { direction: 'slow', seconds: 180, timeZone: false } },
  },
  enableZone: {
    ...enable,
    demanded: true,
    problem: { ...refused, clock: { direction: 'fast', seconds: 5400, timeZone: true } },
  },
  fresh,
  freshReplaced: { ...fresh, replaced: true },
  freshGone: { ...fresh, codes: null },
  backupCodesLast: { name: 'backup-codes', backupCodes: left(0), set: 'set-1', later: '/account' },
  backupCodes: { name: 'backup-codes', backupCodes: left(1), set: 'set-1', later: null },
  challenge,
  challengeTrust: { ...challenge, trustFor: 30 * 86_400_000 },
  challengeTrustLocked: { ...challenge, trustFor: 43_200_000, lock: { until: soon(29) } },
  challengeRefused: { ...challenge, problem: refused },
  challengeMalformed: { ...challenge, problem: { code: 'malformed' } },
  challengeBackup: { ...challenge, method: 'backup-code', otherMethod: 'totp' },
  challengeBackupRefused: { ...challenge, method: 'backup-code', otherMethod: 'totp', problem: refused },
  challengeLocked: {
    ...challenge,
    lock: { until: soon(29) },
    problem: { code: 'locked', lockedUntil: soon(29) },
  },
  challengeLockedLong: { ...challenge, otherMethod: null, lock: { until: soon(3600) } },
  challengeLockOver: { ...challenge, lock: { until: soon(-1) } },
  challengeSuspended: { ...challenge, lock: { until: null } },
  stepUp: { ...challenge, kind: 'step-up', target: '/transfer?to=bob', expiresAt: null },
  stepUpNotSent: { ...challenge, kind: 'step-up', target: '/transfer', notSent: true, expiresAt: null },
  stepUpOtherKind: {
    ...challenge,
    kind: 'step-up',
    otherMethod: null,
    problem: { code: 'step_up_required', about: 'totp' },
    expiresAt: null,
  },
  stepUpBackupOnly: {
    ...challenge,
    kind: 'step-up',
    method: 'backup-code',
    otherMethod: null,
    problem: { code: 'step_up_required', about: 'backup-code' },
    expiresAt: null,
  },
  stepUpNowhere: { ...challenge, kind: 'step-up', expiresAt: null },
  disable: { name: 'disable' },
  disableByClick: { name: 'disable', byClick: true },
  devices: {
    name: 'devices',
    devices: [
      device('Firefox, Windows', true),
      device('Safari, iPhone', false),
      device('<b>Chrome</b>, macOS', false),
      device('Samsung Internet, Android', false),
      device('W'.repeat(80), false),
      device('', false),
    ],
  },
  oneDevice: { name: 'devices', devices: [device('Firefox, Windows', true)] },
  noDevices: { name: 'devices', devices: [] },
  disableRefused: { name: 'disable', problem: refused },
  disableLocked: {
    name: 'disable',
    lock: { method: 'totp', until: soon(29), otherMethod: 'backup-code' },
    problem: { code: 'locked', lockedUntil: soon(29) },
  },
  disableSuspended: {
    name: 'disable',
    lock: { method: 'totp', until: null, otherMethod: null },
    problem: { code: 'locked', lockedUntil: null },
  },
  challengeRecovery: { ...challenge, recovery: true },
  challengeSuspendedRecovery: { ...challenge, recovery: true, lock: { until: null } },
  onWithRecovery: { ...on, recovery: { effectiveAt: null } },
  onWithApprovedRecovery: { ...on, recovery: { effectiveAt: soon(86_400) } },
  recovery,
  recoveryWrong: {
    ...recovery,
    fields: [
      { name: 'firstName', typed: 'Alice', wrong: false },
      { name: 'memberNumber', typed: '', wrong: true },
    ],
    problem: { code: 'malformed', about: 'answers' },
  },
  recoveryTooOften: {
    ...recovery,
    state: 'cancelled',
    problem: { code: 'recovery_limit', retryAt: soon(3600) },
  },
  recoveryAsked: asked,
  recoveryApproved: { ...asked, state: 'approved', effectiveAt: soon(86_400) },
  recoveryRejected: { ...recovery, state: 'rejected' },
  recoveryExpired: { ...recovery, state: 'expired' },
  recoveryWithdrawn: { ...recovery, state: 'withdrawn' },
  recoveryCompleted: { ...recovery, state: 'completed' },
  recoveryCancel: cancelling,
  recoveryCancelApproved: { ...cancelling, state: 'approved', effectiveAt: soon(86_400) },
  recoveryIsCancelled: { ...cancelling, state: 'cancelled' },
  recoveryIsRejected: { ...cancelling, state: 'rejected' },
  recoveryIsExpired: { ...cancelling, state: 'expired' },
  recoveryIsWithdrawn: { ...cancelling, state: 'withdrawn' },
  recoveryIsCompleted: { ...cancelling, state: 'completed' },
  users,
  usersInTheMiddle: {
    ...users,
    status: 'activated',
    search: 'al',
    next: 'bmV4dA',
    onward: true,
    recovery: true,
  },
  usersAfterReset: { ...users, totals: null, notice: { what: 'reset', about: 'Bob' } },
  usersNobody: { ...users, users: [], totals: { activated: 0, notActivated: 0 } },
  usersNotFound: { ...users, users: [], search: '<nobody>' },
  usersNoMore: { ...users, users: [], onward: true },
  usersAllActivated: { ...users, users: [], status: 'not-activated' },
  resetUser: resetting,
  resetUserWithoutReason: { ...resetting, problem: { code: 'malformed', about: 'reason' } },
  resetUserInvalid: { ...resetting, reason: 'lost phone', problem: refused },
  resetUserLocked: { ...resetting, problem: { code: 'locked', lockedUntil: soon(60) } },
  problem: { name: 'problem', problem: { code: 'unavailable' }, wayBack: '/' },
} as const satisfies Record<string, Page>
