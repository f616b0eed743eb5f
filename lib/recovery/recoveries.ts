import type { Accounts } from '../account/accounts'
import type { Recovered } from '../account/enrolment'
import { type Form, Records, type Row } from '../account/records'
import type { Keyring } from '../crypto/keyring'
import { dateOf } from '../date-of'
import { UnavailableError } from '../errors'
import type { SecondFactorStore } from '../stores/store'
import {
  type Asked,
  approve,
  ask,
  type Cancellation,
  cancel,
  claim,
  type Decision,
  endOf,
  type FactorUse,
  isOpen,
  judgeAnswers,
  NO_RECOVERY,
  parseRecovery,
  type RecoveryRecord,
  type RecoveryRequest,
  type RecoveryState,
  type Refused,
  type Ruling,
  reject,
  serializeRecovery,
  stateByTicket,
  stateOf,
  type Terms,
  tidy,
  whyNotDecided,
  withdraw,
} from './request'
import { hashOfTicket, join, type Named, newRequestKey, newTicket } from './ticket'

/** Rows that are listed at once. */
const PAGE = 200

/** What may be told of a request to whoever asked for it. Never what the answers are worth. */
export interface RecoveryView {
  /** Null: nobody has asked. */
  state: RecoveryState | null
  askedAt: Date | null
  /** When it takes effect; null while it is not approved. */
  effectiveAt: Date | null
  /** Until when support may approve it, or the user come back for it; null once it is over. */
  until: Date | null
}

/** A place in the list of requests. */
export interface Place {
  /** Milliseconds since 1970. */
  askedAt: number
  accountId: string
}

/** A request as an administrator sees it. */
export interface ListedRequest {
  /** As URLs have it. */
  id: string
  accountId: string
  state: RecoveryState
  request: RecoveryRequest
}

/** What an administrator decides about a request, by its name. */
export interface Deciding extends Named {
  /** The administrator's account. */
  by: string
  reason: string
}

/** The row of an account, sealed by the same keys as everything, and worth nothing in the store of the factors. */
const FORM: Form<RecoveryRecord> = {
  kind: 'recovery',
  empty: NO_RECOVERY,
  isActivated: ({ request }) => request !== null && isOpen(request.state),
  serialize: serializeRecovery,
  parse: parseRecovery,
  forgotten: () => NO_RECOVERY,
}

export class RecoveryRecords extends Records<RecoveryRecord> {
  constructor(store: SecondFactorStore, keyring: Keyring, now: () => number, patience?: number) {
    super(FORM, store, keyring, now, patience)
  }
}

/**
 * Everything that can happen to a request, each as one recorded write. Every method throws UnavailableError where a
 * store or the keys do not answer.
 */
export class Recoveries {
  constructor(
    private readonly records: RecoveryRecords,
    private readonly accounts: Accounts,
    private readonly terms: Terms,
    private readonly now: () => number,
  ) {}

  /** @returns with the ticket for the mail, where a request was made */
  async ask(
    accountId: string,
    answers: Record<string, string>,
    factor: FactorUse,
  ): Promise<Asked & { ticket: string }> {
    const key = newRequestKey()
    const { ticket, hash } = newTicket(accountId)
    const asked = await this.records.transact(accountId, (record, now) =>
      ask(record, { key, answers, ticket: hash }, factor, now),
    )
    return { ...asked, ticket }
  }

  /** Keeps the host's verdict on the answers. */
  async judge(accountId: string, key: string, matches: boolean): Promise<void> {
    await this.records.transact(accountId, (record) => judgeAnswers(record, key, matches))
  }

  async view(accountId: string, factor: FactorUse): Promise<RecoveryView> {
    const { request } = await this.#change(accountId, (record, now) => tidy(record, factor, now))
    return this.#viewOf(request, factor)
  }

  /** What has become of the request that a ticket is of; null: it is of none. */
  async viewByTicket({ accountId, key }: Named): Promise<RecoveryView | null> {
    const [record, factor] = await Promise.all([
      this.records.read(accountId),
      this.accounts.status(accountId),
    ])
    const hash = hashOfTicket(key)
    const state = stateByTicket(record, hash, factor, this.now())
    // Nothing is said of another request than the ticket's own.
    const own = record.request?.tickets.includes(hash) ? record.request : null
    return state && { ...this.#viewOf(own, factor), state }
  }

  async cancelByTicket({ accountId, key }: Named): Promise<Cancellation> {
    const factor = await this.accounts.status(accountId)
    const hash = hashOfTicket(key)
    return this.#change(accountId, (record, now) => cancel(record, hash, factor, now))
  }

  /** Stops the present request of an account, whose owner has proven a second factor. */
  async cancel(accountId: string, factor: FactorUse): Promise<Cancellation> {
    return this.records.transact(accountId, (record, now) => cancel(record, null, factor, now))
  }

  /** Why an administrator cannot decide, before a code is spent on it; null: nothing is in the way. */
  async whyNotDecided(
    kind: 'approve' | 'reject',
    { accountId, key, by }: Omit<Deciding, 'reason'>,
  ): Promise<Refused | null> {
    const [record, factor] = await Promise.all([
      this.records.read(accountId),
      this.accounts.status(accountId),
    ])
    return whyNotDecided(record, { kind, key, by, accountId }, factor, this.now())
  }

  /** @returns with the ticket for the mail */
  async approve(deciding: Deciding): Promise<Decision & { ticket: string }> {
    const { accountId } = deciding
    const factor = await this.accounts.status(accountId)
    const { ticket, hash } = newTicket(accountId)
    const decision = await this.records.transact(accountId, (record, now) =>
      approve(record, { ...deciding, ticket: hash }, this.terms, factor, now),
    )
    return { ...decision, ticket }
  }

  /** Why is in the event alone: a request that is over needs no reason. */
  async reject(deciding: Omit<Deciding, 'reason'>): Promise<Decision> {
    const factor = await this.accounts.status(deciding.accountId)
    return this.records.transact(deciding.accountId, (record, now) => reject(record, deciding, factor, now))
  }

  /**
   * Carries out a request whose time has come: first it is claimed, so that from then on nobody cancels it, then the
   * account's factors go. Whoever comes after a process that died in between does the second part.
   *
   * @returns null: nothing was due; `now`: its factors are off by this very call; `before`: by an earlier one; `spared`:
   *   a code was accepted at that very moment, so nothing was taken off
   */
  async complete(accountId: string, factor: FactorUse): Promise<Recovered | null> {
    const due = await this.#change(accountId, (record, now) => claim(record, factor, now))
    if (!due) return null
    const recovered = await this.accounts.recover(accountId, due)
    if (recovered === 'spared') {
      await this.records.transact(accountId, (record, now) => withdraw(record, due.key, now))
    }
    return recovered
  }

  /**
   * Some of the requests: the open ones with the oldest first, or those that are over, whatever has ended them, with the
   * latest first. Erases on the way what is of no use any more.
   *
   * @param ended those that are over
   * @param after the place that the page before ended at; null: from the first
   * @param told hears of a row that does not open, or from which nothing could be erased
   */
  async list(
    { ended = false, after, limit }: { ended?: boolean; after: Place | null; limit: number },
    told: (error: UnavailableError) => void,
  ): Promise<{ requests: ListedRequest[]; next: Place | null }> {
    const order = ended ? (a: Place, b: Place) => inOrder(b, a) : inOrder
    const found = (await this.#all(told)).filter(({ state }) => isOpen(state) !== ended)
    const onward = found
      .sort((a, b) => order(placeOf(a), placeOf(b)))
      .filter((one) => after === null || order(placeOf(one), after) > 0)
    const requests = onward.slice(0, limit)
    const last = requests.at(-1)
    return { requests, next: last && onward.length > requests.length ? placeOf(last) : null }
  }

  /** How many requests are open, by going through all of them. */
  async countOpen(): Promise<number> {
    // What does not open is told where they are looked at.
    return (await this.#all(() => {})).filter(({ state }) => isOpen(state)).length
  }

  /** Every request that is on record, as it is now. */
  async #all(told: (error: UnavailableError) => void): Promise<ListedRequest[]> {
    const all: ListedRequest[] = []
    for (let after: string | null = null; ; ) {
      const rows: Row<RecoveryRecord>[] = await this.records.list(after, PAGE)
      all.push(...(await this.#listed(rows, told)))
      if (rows.length < PAGE) return all
      after = rows.at(-1)?.accountId ?? null
    }
  }

  /** The requests of some rows. Of accounts whose request is decided nothing needs to be read. */
  async #listed(
    rows: Row<RecoveryRecord>[],
    told: (error: UnavailableError) => void,
  ): Promise<ListedRequest[]> {
    const undecided = rows.filter(({ record }) => record?.request && isOpen(record.request.state))
    const statuses = await this.accounts.statuses(undecided.map(({ accountId }) => accountId))
    const listed: ListedRequest[] = []
    for (const { accountId, record } of rows) {
      if (record === null) {
        told(damagedRow(accountId))
        continue
      }
      const factor = statuses.get(accountId) ?? null
      const { request } = await this.#tidied(accountId, record, factor, told)
      if (!request) continue
      const id = join({ key: request.key, accountId })
      listed.push({ id, accountId, request, state: stateOf(request, factor, this.now()) })
    }
    return listed
  }

  /** The record without what is of no use any more. Where that cannot be erased now, the list is shown all the same. */
  async #tidied(
    accountId: string,
    record: RecoveryRecord,
    factor: FactorUse | null,
    told: (error: UnavailableError) => void,
  ): Promise<RecoveryRecord> {
    const now = this.now()
    const { record: next } = tidy(record, factor, now)
    if (next === record) return record
    // Of a request that was made meanwhile, what was read of the account before says nothing.
    const isSame = ({ request }: RecoveryRecord) => request?.key === record.request?.key
    try {
      return await this.records.transact(accountId, (latest, now) =>
        tidy(latest, isSame(latest) ? factor : null, now),
      )
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      told(error)
      return next
    }
  }

  /** The account was reset: its request, if there is one, is over, and what was typed is erased. */
  async endByReset(accountId: string): Promise<void> {
    await this.view(accountId, await this.accounts.status(accountId))
  }

  /**
   * Applies a rule where it would change something. What anybody may ask for, as often as they like, does not stand in
   * the account's line.
   */
  async #change<Outcome>(
    accountId: string,
    rule: (record: RecoveryRecord, now: number) => Ruling<Outcome>,
  ): Promise<Outcome> {
    const record = await this.records.read(accountId)
    const ruling = rule(record, this.now())
    return ruling.record === record ? ruling.outcome : this.records.transact(accountId, rule)
  }

  /** One request, whatever its state; null: there is none of that name. */
  async find({ accountId, key }: Named): Promise<ListedRequest | null> {
    const [{ request }, factor] = await Promise.all([
      this.records.read(accountId),
      this.accounts.status(accountId),
    ])
    if (request?.key !== key) return null
    return { id: join({ key, accountId }), accountId, request, state: stateOf(request, factor, this.now()) }
  }

  /** The account is closed: nothing that was typed outlasts it. */
  forget(accountId: string): Promise<void> {
    return this.records.forget(accountId)
  }

  #viewOf(request: RecoveryRequest | null, factor: FactorUse): RecoveryView {
    if (!request) return { state: null, askedAt: null, effectiveAt: null, until: null }
    const state = stateOf(request, factor, this.now())
    return {
      state,
      askedAt: new Date(request.askedAt),
      effectiveAt: dateOf(request.effectiveAt),
      until: isOpen(state) ? new Date(endOf(request)) : null,
    }
  }
}

function placeOf({ accountId, request: { askedAt } }: ListedRequest): Place {
  return { askedAt, accountId }
}

function inOrder(a: Place, b: Place): number {
  return a.askedAt - b.askedAt || (a.accountId < b.accountId ? -1 : a.accountId > b.accountId ? 1 : 0)
}

function damagedRow(accountId: string): UnavailableError {
  return Object.assign(new UnavailableError('A recovery record does not open'), { accountId })
}
