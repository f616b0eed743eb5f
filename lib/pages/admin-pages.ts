import type { Method } from '../account/record'
import type { Comparison } from '../recovery/comparison'
import type { RecoveryState } from '../recovery/request'
import type { PageProblem } from './page'

/** A user as the administrator's lists show one. */
export interface ShownUser {
  id: string
  name: string
  email: string
  /** `unavailable`: the record cannot be read, and nothing is said of it. */
  status: 'activated' | 'not-activated' | 'unavailable'
  methods: Method[]
  since: Date | null
  backupCodesRemaining: number | null
  lastUsedAt: Date | null
  /** When the last lock ends; null: there is none, or waiting does not help. */
  lockedUntil: Date | null
  /** A method is locked for good, after too many wrong codes. */
  suspended: boolean
}

/** A user's request to get rid of a second factor that is lost, as administrators see it, and programs of theirs. */
export interface ShownRequest {
  id: string
  user: { id: string; name: string; email: string }
  state: RecoveryState
  askedAt: Date
  effectiveAt: Date | null
  /** What was typed, by field. */
  answers: Readonly<Record<string, string>>
  /** What the host has registered, by field; null: it does not say. */
  registered: Readonly<Record<string, string>> | null
  /** How the two compare, by field; null: nothing is registered to compare with. A hint for support, as `matches` is. */
  comparison: Readonly<Record<string, Comparison>> | null
  /** The host's verdict on the answers; null: there is none. */
  matches: boolean | null
  approvals: { by: { id: string; name: string; email: string }; reason: string; at: Date }[]
}

/** What was just done, told once on the next page. */
export interface AdminNotice {
  what: 'reset' | 'recovery-approved' | 'recovery-first-approval' | 'recovery-rejected'
  /** The user's name. */
  about: string
}

/** The administrator's pages. `base` is where their router is mounted; the rest is as with all pages. */
export type AdminPage =
  | {
      name: 'admin/users'
      base: string
      /** The administrator's own account: somebody else resets it. */
      own: string
      /** The end of this list's own address, to come back to it: `?status=activated`, or nothing. */
      list: string
      users: ShownUser[]
      status: 'activated' | 'not-activated' | null
      search: string
      /** The next page; null: this is the last one. */
      next: string | null
      /** This page is not the first one. */
      onward: boolean
      totals: { activated: number; notActivated: number } | null
      /** Requests to recover accounts, and how many of them are open (null: not counted yet); null: there are none ever. */
      recovery: { open: number | null } | null
      notice: AdminNotice | null
    }
  | {
      /** Asks for a reason and a code before somebody's second factor is taken off. */
      name: 'admin/reset'
      base: string
      /** The end of the address of the list that the administrator came from. */
      list: string
      user: ShownUser
      /** What was typed before the refusal. */
      reason: string
      problem?: PageProblem
    }
  | {
      name: 'admin/recovery'
      base: string
      /** Those that are over, instead of the open ones. */
      ended: boolean
      requests: ShownRequest[]
      /** The next page; null: this is the last one. */
      next: string | null
      /** This page is not the first one. */
      onward: boolean
      notice: AdminNotice | null
    }
  | {
      /** One request, and the decision about it. */
      name: 'admin/recovery-request'
      base: string
      request: ShownRequest
      /** It is the administrator's own account: somebody else decides. */
      own: boolean
      /** How many administrators must approve. */
      needed: number
      /** Milliseconds between approval and effect. */
      delay: number
      /** What was typed before the refusal. */
      reason: string
      problem?: PageProblem
    }
