import { CLOCK_SKEW } from '../account/clock-skew'
import type { Ruling as AccountRuling } from '../account/record'
import { UnavailableError } from '../errors'

/** How long support has to approve a request, and the user to come back once it is effective, milliseconds. */
const REQUEST_LIFE = 7 * 86_400_000
/** Requests that an account may make in so many milliseconds. */
const MOST_REQUESTS = 5
const REQUESTS_IN = 86_400_000
/** How long a request that is over stays on record, milliseconds. */
const KEPT_FOR = 30 * 86_400_000
/** Tickets of earlier requests that are still known, to be told what became of it and not "unknown". */
const MOST_SPENT = 20
/** How long a row that is about to be erased is left alone, milliseconds; then the process that meant to has died. */
const LEAVING_FOR = 60_000

/**
 * `withdrawn`: a code was accepted since, so its owner has a second factor after all. `reset`: support, or the host's own
 * code, took the factor off without waiting for it. `expired`: nobody approved it in time, or nobody came back for it.
 */
export type RecoveryState =
  | 'requested'
  | 'approved'
  | 'rejected'
  | 'cancelled'
  | 'completed'
  | 'withdrawn'
  | 'reset'
  | 'expired'

/** An administrator's yes. */
export interface Approval {
  /** The administrator's account. */
  by: string
  reason: string
  /** Milliseconds since 1970. */
  at: number
}

/** Somebody who knows the password asks support to take the second factor off. Times are milliseconds since 1970. */
export interface RecoveryRequest {
  /** Random; with the account's id it names the request. */
  key: string
  /** What was written last; what it comes to now is `stateOf`. */
  state: Exclude<RecoveryState, 'expired'>
  askedAt: number
  /** What was typed, by field; nothing once it is over. While it is approved it stays: support may still say no. */
  answers: Record<string, string>
  /** The host's verdict on them: a hint for support. Null: none yet, or none asked for. */
  matches: boolean | null
  approvals: Approval[]
  /** When an approved request takes effect. */
  effectiveAt: number | null
  closedAt: number | null
  /** Hashes of the tickets that cancel it. */
  tickets: string[]
  /** When the factor that it is about was enrolled: no other one is ever touched. */
  factorSince: number | null
  /** When a code of it had last been accepted by then: another moment means that its owner has it after all. */
  usedAt: number | null
}

/** What is kept of one account: its latest request, and how often it has asked. */
export interface RecoveryRecord {
  request: RecoveryRequest | null
  /** When requests were made lately. */
  asked: number[]
  /** Tickets of earlier requests. */
  spent: SpentTicket[]
  /** The row is about to be erased, since that moment. */
  leaving?: number
}

/** The hash of a ticket, and what became of its request. */
export interface SpentTicket {
  ticket: string
  state: RecoveryState
}

/** What the rules want to know of the account itself. */
export interface FactorUse {
  enabled: boolean
  /** When its authenticator was enrolled. */
  since: number | null
  /** When a code was last accepted. */
  lastUsedAt: number | null
  /** When it was turned off or reset. */
  disabledAt?: number | null
}

/** A rule's answer. */
export type Ruling<Outcome> = AccountRuling<Outcome, RecoveryRecord>

export const NO_RECOVERY: RecoveryRecord = { request: null, asked: [], spent: [] }

/**
 * What a request comes to at this moment.
 *
 * @param factor null: not known, so nothing is said of its use
 */
export function stateOf(request: RecoveryRequest, factor: FactorUse | null, now: number): RecoveryState {
  const { state } = request
  if (state === 'completed' && factor && isSpared(request, factor)) return 'withdrawn'
  if (state !== 'requested' && state !== 'approved') return state
  if (factor && !isUntouched(request, factor)) return wasReset(factor) ? 'reset' : 'withdrawn'
  return now >= endOf(request) ? 'expired' : state
}

/**
 * The account has the very factor that the request is about, and no code was accepted since. No moments of one process
 * are compared with those of another: their clocks may differ.
 */
function isUntouched({ factorSince, usedAt }: RecoveryRequest, factor: FactorUse): boolean {
  return factor.enabled && factor.since === factorSince && factor.lastUsedAt === usedAt
}

/** It was claimed, and came to nothing: a code was accepted before the factor could go, and the factor is still there. */
function isSpared({ factorSince, usedAt }: RecoveryRequest, factor: FactorUse): boolean {
  return factor.enabled && factor.since === factorSince && factor.lastUsedAt !== usedAt
}

/** Whoever turns it off by a code leaves on record when that was; a reset leaves nothing but its own moment. */
function wasReset({ enabled, lastUsedAt, disabledAt }: FactorUse): boolean {
  return !enabled && lastUsedAt === null && typeof disabledAt === 'number'
}

/** Until when support may approve it, or the user come back for it. */
export function endOf({ askedAt, effectiveAt }: RecoveryRequest): number {
  return (effectiveAt ?? askedAt) + REQUEST_LIFE
}

export function isOpen(state: RecoveryState): boolean {
  return state === 'requested' || state === 'approved'
}

export type Asked =
  | { asked: 'new'; request: RecoveryRequest }
  /** There is one already: nothing was changed. */
  | { asked: 'before' }
  /** Too often: not before `until`. */
  | { asked: 'too-often'; until: number }

/** Asks, unless there is an open request or there were too many lately. */
export function ask(
  record: RecoveryRecord,
  asking: { key: string; answers: Record<string, string>; ticket: string },
  factor: FactorUse,
  now: number,
): Ruling<Asked> {
  const { request } = record
  const state = request && stateOf(request, factor, now)
  if (state && isOpen(state)) return { record, outcome: { asked: 'before' } }
  // A clock that was set back must not lock anybody out.
  const lately = record.asked.filter((at) => at > now - REQUESTS_IN && at <= now + CLOCK_SKEW)
  if (lately.length >= MOST_REQUESTS) {
    return { record, outcome: { asked: 'too-often', until: Math.min(...lately) + REQUESTS_IN } }
  }
  const fresh: RecoveryRequest = {
    key: asking.key,
    state: 'requested',
    askedAt: now,
    answers: asking.answers,
    matches: null,
    approvals: [],
    effectiveAt: null,
    closedAt: null,
    tickets: [asking.ticket],
    factorSince: factor.since,
    usedAt: factor.lastUsedAt,
  }
  const over = state ? request.tickets.map((ticket) => ({ ticket, state })) : []
  const spent = [...over, ...record.spent].slice(0, MOST_SPENT)
  return {
    record: { request: fresh, asked: [...lately, now], spent },
    outcome: { asked: 'new', request: fresh },
  }
}

/** The host's verdict on the answers of one request. */
export function judgeAnswers(record: RecoveryRecord, key: string, matches: boolean): Ruling<null> {
  const { request } = record
  if (request?.key !== key || !isOpen(request.state)) return { record, outcome: null }
  return { record: { ...record, request: { ...request, matches } }, outcome: null }
}

/** Why a request cannot be decided: there is none of that key, it is over, or its owner asks, or asked before. */
export type Refused = 'unknown' | 'over' | 'own-account' | 'same-administrator' | 'approved-already'

export type Decision = { decided: true; request: RecoveryRequest } | { decided: false; reason: Refused }

/**
 * Why this administrator cannot decide a request: for the pages, before a code is spent on it. Null: nothing is in the
 * way.
 *
 * @param accountId whose request it is
 */
export function whyNotDecided(
  { request }: RecoveryRecord,
  deciding: { kind: 'approve' | 'reject'; key: string; by: string; accountId: string },
  factor: FactorUse,
  now: number,
): Refused | null {
  if (deciding.by === deciding.accountId) return 'own-account'
  if (request?.key !== deciding.key) return 'unknown'
  const state = stateOf(request, factor, now)
  if (!isOpen(state)) return 'over'
  if (deciding.kind === 'reject') return null
  if (request.approvals.some(({ by }) => by === deciding.by)) return 'same-administrator'
  return state === 'approved' ? 'approved-already' : null
}

/** What an approval takes, and when it takes effect. */
export interface Terms {
  /** How many administrators must approve. */
  approvals: number
  /** Milliseconds from the last approval to its effect. */
  delay: number
}

/** One administrator's yes; with the last one that is needed the waiting period begins. */
export function approve(
  record: RecoveryRecord,
  deciding: { key: string; by: string; reason: string; accountId: string; ticket: string },
  terms: Terms,
  factor: FactorUse,
  now: number,
): Ruling<Decision> {
  const reason = whyNotDecided(record, { ...deciding, kind: 'approve' }, factor, now)
  if (reason) return { record, outcome: { decided: false, reason } }
  const request = record.request as RecoveryRequest
  const approvals = [...request.approvals, { by: deciding.by, reason: deciding.reason, at: now }]
  const last = approvals.length >= terms.approvals
  const next: RecoveryRequest = {
    ...request,
    approvals,
    ...(last && {
      state: 'approved',
      effectiveAt: now + terms.delay,
      tickets: [...request.tickets, deciding.ticket],
    }),
  }
  return { record: { ...record, request: next }, outcome: { decided: true, request: next } }
}

/** An administrator's no, also to what was approved and has not taken effect. */
export function reject(
  record: RecoveryRecord,
  deciding: { key: string; by: string; accountId: string },
  factor: FactorUse,
  now: number,
): Ruling<Decision> {
  const reason = whyNotDecided(record, { ...deciding, kind: 'reject' }, factor, now)
  if (reason) return { record, outcome: { decided: false, reason } }
  const next = closed(record.request as RecoveryRequest, 'rejected', now)
  return { record: { ...record, request: next }, outcome: { decided: true, request: next } }
}

export type Cancellation = { cancelled: true } | { cancelled: false; reason: 'unknown' | 'over' }

/** The owner stops it, with a ticket from a mail (its hash) or, without one, from a session with a second factor. */
export function cancel(
  record: RecoveryRecord,
  ticket: string | null,
  factor: FactorUse,
  now: number,
): Ruling<Cancellation> {
  const { request } = record
  const found = stateByTicket(record, ticket, factor, now)
  if (found === null) return { record, outcome: { cancelled: false, reason: 'unknown' } }
  if (!request || !isOpen(found)) return { record, outcome: { cancelled: false, reason: 'over' } }
  return {
    record: { ...record, request: closed(request, 'cancelled', now) },
    outcome: { cancelled: true },
  }
}

/** What has become of the request that a ticket is of; null: of none. Without a ticket, of the present one. */
export function stateByTicket(
  { request, spent }: RecoveryRecord,
  ticket: string | null,
  factor: FactorUse | null,
  now: number,
): RecoveryState | null {
  if (request && (ticket === null || request.tickets.includes(ticket))) return stateOf(request, factor, now)
  return spent.find((one) => one.ticket === ticket)?.state ?? null
}

/** What an account is to be recovered from, if it is to be now. */
export interface Due {
  /** When the factor that it takes off was enrolled, and when a code of it was last accepted. */
  since: number
  usedAt: number | null
}

/**
 * Claims a request whose time has come: from this write on it cannot be cancelled. One that was claimed before is
 * answered again while the account still has that very factor, for a process may have died in between.
 */
export function claim(record: RecoveryRecord, factor: FactorUse, now: number): Ruling<Due | null> {
  const { request } = record
  if (!request || factor.since === null || !isUntouched(request, factor)) return { record, outcome: null }
  const due = { since: factor.since, usedAt: factor.lastUsedAt }
  if (request.state === 'completed') return { record, outcome: due }
  const { effectiveAt } = request
  if (stateOf(request, factor, now) !== 'approved' || effectiveAt === null || now < effectiveAt) {
    return { record, outcome: null }
  }
  return { record: { ...record, request: closed(request, 'completed', now) }, outcome: due }
}

/**
 * Erases what is of no use any more: what was typed for a request that is over by itself, and in the end everything. That
 * a reset has ended it, or that a claim came to nothing, is kept, since the account does not tell once there is a new
 * factor.
 *
 * @param factor null: not known
 */
export function tidy(record: RecoveryRecord, factor: FactorUse | null, now: number): Ruling<RecoveryRecord> {
  const next = tidied(record, factor, now)
  return { record: next, outcome: next }
}

function tidied(record: RecoveryRecord, factor: FactorUse | null, now: number): RecoveryRecord {
  const { request } = record
  if (isForgettable(record, now)) return NO_RECOVERY
  if (!request || !(isOpen(request.state) || request.state === 'completed')) return record
  const state = stateOf(request, factor, now)
  if (state === 'reset') return { ...record, request: closed(request, state, now) }
  if (request.state === 'completed') {
    return state === 'withdrawn' ? { ...record, request: closed(request, state, now) } : record
  }
  if (isOpen(state) || Object.keys(request.answers).length === 0) return record
  return { ...record, request: { ...request, answers: {} } }
}

/** Nothing of the row is needed, and nobody is about to erase it. */
export function isUseless(record: RecoveryRecord, now: number): boolean {
  if (isLeaving(record, now)) return false
  const { request, asked, spent } = record
  return (!request && asked.length === 0 && spent.length === 0) || isForgettable(record, now)
}

/** Another process is about to erase the row: what is written now would go with it. */
export function isLeaving({ leaving }: RecoveryRecord, now: number): boolean {
  return leaving !== undefined && Math.abs(now - leaving) < LEAVING_FOR
}

/** There is something, and nothing of it is needed. */
export function isForgettable({ request, asked, spent }: RecoveryRecord, now: number): boolean {
  if (asked.some((at) => at > now - REQUESTS_IN)) return false
  if (!request) return asked.length > 0 || spent.length > 0
  const over = request.closedAt ?? endOf(request)
  return now >= over + KEPT_FOR
}

/** Over: what was typed is of no use to anybody any more. */
function closed(
  request: RecoveryRequest,
  state: 'rejected' | 'cancelled' | 'completed' | 'withdrawn' | 'reset',
  now: number,
): RecoveryRequest {
  return { ...request, state, closedAt: now, answers: {} }
}

export function serializeRecovery(record: RecoveryRecord): string {
  return JSON.stringify({ v: 1, ...record })
}

/** @throws UnavailableError when the text is not a record of a form that this version knows */
export function parseRecovery(text: string): RecoveryRecord {
  try {
    const { v, ...record } = JSON.parse(text)
    if (v === 1 && Array.isArray(record.asked)) {
      const spent = (record.spent ?? []).map(spentTicket)
      return { ...NO_RECOVERY, ...record, spent }
    }
  } catch {
    // not JSON: told below, without the text
  }
  throw new UnavailableError('A recovery record has a form that this version does not know')
}

/** An earlier version kept the hashes alone: whatever became of the request, it is over. */
function spentTicket(kept: SpentTicket | string): SpentTicket {
  return typeof kept === 'string' ? { ticket: kept, state: 'expired' } : kept
}
