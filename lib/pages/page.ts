import type { ClockDiagnosis } from '../account/enrolment'
import type { ProblemCode } from '../errors'

/** A message beside a field or above a page's action, already chosen by the route; the page words it. */
export interface PageProblem {
  code: ProblemCode
  /** `locked`: when the lock ends; null when the method is suspended. */
  lockedUntil?: Date | null
  /** `malformed`, `password_required`: a password was sent that is not right; only a new login helps. */
  about?: 'password' | 'login'
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
  | {
      name: 'settings'
      enabled: boolean
      since: Date | null
      backupCodes: BackupCodesLeft
      /** False where the host's policy demands a second factor. */
      mayDisable: boolean
      /** Enabling asks for the password, or a new login, first. */
      asksFirst: boolean
      problem?: PageProblem
    }
  | {
      /** Before anything has begun: the start button. */
      name: 'enable-start'
      /** The login is too old: the password is asked, or, without a way to check it, a new login. */
      ask: 'nothing' | 'password' | 'login'
      /** The host demands two-factor authentication before anything else: there is no way back but signing out. */
      demanded: boolean
      problem?: PageProblem
    }
  | {
      name: 'enable'
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
      /** Names the present set in the form, so that a reload of the answer is known. */
      set: string
      problem?: PageProblem
    }
  | {
      name: 'challenge'
      kind: 'login' | 'step-up'
      /** Step-up: the path that the user was going to. */
      target: string | null
      method: 'totp' | 'backup-code'
      /** The other method, if the account can use it now. */
      otherMethod: 'totp' | 'backup-code' | null
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
      /** The kind of code that cannot be tried now; the field stays open for the other, if there is one. */
      lock?: {
        method: 'totp' | 'backup-code'
        until: Date | null
        otherMethod: 'totp' | 'backup-code' | null
      }
      problem?: PageProblem
    }
  | {
      /** What has no page of its own: csrf, unavailable, not found, ... */
      name: 'problem'
      problem: PageProblem
      wayBack: string
    }
