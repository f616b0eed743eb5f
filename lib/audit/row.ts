import type { Generated } from 'kysely'
import type { EventDetails, EventName, SecondFactorEvent } from '../events/events'
import { integer, text, toAccountId } from '../stores/sql/row'

/** A row of the audit log. MySQL takes the account id as bytes. */
export interface EventRow {
  id: Generated<number>
  /** Milliseconds since 1970. */
  at: number
  name: string
  account_id: string | Buffer
  method: string | null
  ip: string | null
  request_id: string | null
  /** What else the event tells, as JSON. */
  details: string | null
}

/** An event as the log has it. `id` grows from one to the next, and is the cursor of `list`. */
export type LoggedEvent = SecondFactorEvent & { id: number }

/** Fields that hold a time. */
type TimeField = {
  [N in EventName]: {
    [K in keyof EventDetails[N]]-?: NonNullable<EventDetails[N][K]> extends Date ? K : never
  }[keyof EventDetails[N]]
}[EventName]
const TIMES: Record<TimeField, true> = { until: true, effectiveAt: true }

/** Longest texts: an IPv6 address with its zone has 45 characters and some, a reason has 500 of two units at most; the rest is generous. */
const LONGEST = { name: 64, method: 64, ip: 64, requestId: 200, detail: 200, reason: 1000 }

export function toRow(
  event: SecondFactorEvent,
  idOf: (accountId: string) => string | Buffer,
): Omit<EventRow, 'id'> {
  const { name, accountId, at, ip, requestId, method, ...rest } = event as SecondFactorEvent & {
    method?: string
  }
  return {
    at: at.getTime(),
    name: plain(name, LONGEST.name),
    account_id: idOf(accountId),
    method: optional(method, LONGEST.method),
    ip: optional(ip, LONGEST.ip),
    request_id: optional(requestId, LONGEST.requestId),
    details: Object.keys(rest).length > 0 ? json(rest) : null,
  }
}

/** A damaged row is an error. */
export function toEvent(row: Omit<EventRow, 'id'> & { id: number }, integersAsText: boolean): LoggedEvent {
  const { method, ip, request_id: requestId, details } = row
  const rest = details === null ? {} : JSON.parse(text({ details }, 'details'), revived)
  return {
    ...rest,
    id: integer(row, 'id', integersAsText),
    name: text(row, 'name'),
    accountId: toAccountId(row),
    at: new Date(integer(row, 'at', integersAsText)),
    ...(method !== null && { method }),
    ...(ip !== null && { ip }),
    ...(requestId !== null && { requestId }),
  } as LoggedEvent
}

function revived(key: string, value: unknown): unknown {
  return Object.hasOwn(TIMES, key) && typeof value === 'string' ? new Date(value) : value
}

function optional(given: unknown, longest: number): string | null {
  return given === undefined || given === null ? null : plain(String(given), longest)
}

/**
 * Printable ASCII of a sane length, whatever a header said: a database may refuse what its encoding lacks, and a
 * terminal obey what it is shown.
 */
function plain(given: string, longest: number): string {
  return given.slice(0, longest).replace(/[^\x20-\x7e]/gu, '?')
}

/** In ASCII too, with escapes. No NUL and no half surrogate pair, which PostgreSQL's jsonb would refuse. */
function json(fields: object): string {
  const readable = JSON.stringify(fields, (key, value) =>
    typeof value === 'string'
      ? value
          .slice(0, key === 'reason' ? LONGEST.reason : LONGEST.detail)
          .toWellFormed()
          .replaceAll('\0', '\ufffd')
      : value,
  )
  return readable.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
