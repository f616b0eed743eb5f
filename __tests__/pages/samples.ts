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
  maskedName: 'a…e@example.com',
  expiresAt: soon(600),
  lock: null,
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
  problem: { name: 'problem', problem: { code: 'unavailable' }, wayBack: '/' },
} as const satisfies Record<string, Page>
