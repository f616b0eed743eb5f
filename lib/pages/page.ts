import type { ClockDiagnosis } from '../account/enrolment'
import type { ProblemCode } from '../errors'
import type { RecoveryState } from '../recovery/request'
import type { AdminPage } from './admin-pages'

/** A message beside a field or above a page's action, already chosen by the route; the page words it. */
export interface PageProblem {
  code: ProblemCode
  /** `locked`: when the lock ends; null when the method is suspended. */
  lockedUntil?: Date | null
  /**
   * `malformed`, `password_required`: a password was sent that is not right; only a new login helps.
   * `step_up_required`: the kind of code that will do. `unavailable`: something may have been changed.
   * With administrators: what it is that is no code; `not_enabled`: not their own account, but a user's.
   */
  about?:
    | 'password'
    | 'login'
    | 'totp'
    | 'backup-code'
    | 'uncertain'
    | 'reason'
    | 'request'
    | 'answers'
    | 'ticket'
    | 'user'
  /** `recovery_limit`: when it may be tried again. */
  retryAt?: Date
  /** `invalid_code` while enrolling: how the phone's clock differs. */
  clock?: ClockDiagnosis
}

export interface BackupCodesLeft {
  remaining: number
  total: number
  generatedAt: Date | null
}

/** Everything that a page may show. The name is the name of its view file. */
export type Page =
  | AdminPage
  | {
      name: 'settings'
      enabled: boolean
      since: Date | null
      backupCodes: BackupCodesLeft
      /** How many browsers are trusted; null: none can be. */
      devices: number | null
      /** False where the host's policy demands a second factor. */
      mayDisable: boolean
      /** Until when the user may go on without one. */
      graceUntil: Date | null
      /** A new phone was just set up. */
      justReplaced: boolean
      /** Enabling asks for the password, or a new login, first. */
      asksFirst: boolean
      /** Somebody has asked support to take the second factor off; null: nobody has. */
      recovery: { effectiveAt: Date | null } | null
      problem?: PageProblem
    }
  | {
      /** Before anything has begun: the start button. */
      name: 'enable-start'
      purpose: 'enable' | 'replace'
      /** Until when the user may go on without a second factor, where the host demands one. */
      graceUntil: Date | null
      /** The login is too old: the password is asked, or, without a way to check it, a new login. */
      ask: 'nothing' | 'password' | 'login'
      /** The host demands two-factor authentication before anything else: there is no way back but signing out. */
      demanded: boolean
      /** What demands it is a recovery, which has taken the former one off. */
      recovered?: boolean
      problem?: PageProblem
    }
  | {
      name: 'enable'
      /** The first authenticator, or a new phone in the place of the old one. */
      purpose: 'enable' | 'replace'
      /** SVG text, black on white with its quiet zone. */
      qr: string
      uri: string
      /** The key in groups of four. */
      key: string
      issuer: string
      accountName: string
      /** Names this enrolment in the form, so that a reload of the answer is known. */
      enrolment: string
      demanded: boolean
      problem?: PageProblem
    }
  | {
      /** New backup codes, shown once; `codes` is null when they were shown already (a reload). */
      name: 'new-backup-codes'
      codes: string[] | null
      issuer: string
      accountName: string
      madeAt: Date
      /** The codes replaced older ones, which no longer work. */
      replaced: boolean
      continueTo: string
    }
  | {
      name: 'backup-codes'
      backupCodes: BackupCodesLeft
      /** Where the user was going before the last code was used up; null: nowhere else. */
      later: string | null
      /** Names the present set in the form, so that a reload of the answer is known. */
      set: string
    }
  | {
      name: 'challenge'
      kind: 'login' | 'step-up'
      /** Step-up: the path that the user was going to. */
      target: string | null
      /** Step-up: a form was sent that has not been carried out. */
      notSent: boolean
      /** Login: for how long this browser can be trusted, milliseconds; null: not. */
      trustFor: number | null
      /** The box for that was ticked before the refusal. */
      trusts?: boolean
      method: 'totp' | 'backup-code'
      /** The other method, if the account can use it now. */
      otherMethod: 'totp' | 'backup-code' | null
      /** Login: support may be asked to take the second factor off. */
      recovery: boolean
      maskedName: string
      /** Login: when the pending session ends. */
      expiresAt: Date | null
      lock: { until: Date | null } | null
      /** What was typed and is no code, so that a slip can be mended. */
      typed?: string
      problem?: PageProblem
    }
  | {
      name: 'disable'
      /** No code is asked for: one was just accepted. */
      byClick?: boolean
      /** The kind of code that cannot be tried now; the field stays open for the other, if there is one. */
      lock?: {
        method: 'totp' | 'backup-code'
        until: Date | null
        otherMethod: 'totp' | 'backup-code' | null
      }
      problem?: PageProblem
    }
  | {
      name: 'devices'
      devices: {
        id: string
        /** '' if the browser is not known. */
        label: string
        firstSeenAt: Date
        lastSeenAt: Date
        expiresAt: Date
        /** This session rests on its trust. */
        current: boolean
      }[]
    }
  | {
      /** For users who have lost everything. */
      name: 'recovery'
      /** The password was given too long ago, or never: a new login first. */
      ask: 'answers' | 'login'
      /** What has become of the latest request; null: there is none. */
      state: RecoveryState | null
      effectiveAt: Date | null
      /** Until when it may be approved, or the user come back for it. */
      until: Date | null
      /** Milliseconds between approval and effect. */
      delay: number
      fields: { name: string; typed: string; wrong: boolean }[]
      problem?: PageProblem
    }
  | {
      /** Behind the link in a mail. */
      name: 'recovery-cancel'
      state: RecoveryState
      effectiveAt: Date | null
      ticket: string
    }
  | {
      /** What has no page of its own: csrf, unavailable, not found, ... */
      name: 'problem'
      problem: PageProblem
      wayBack: string
    }
