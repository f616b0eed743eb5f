import type { Accounts } from '../account/accounts'
import { CLOCK_SKEW } from '../account/clock-skew'
import type { Recovered } from '../account/enrolment'
import { asOneStep } from '../account/late'
import { type Form, Records } from '../account/records'
import type { Keyring } from '../crypto/keyring'
import { dateOf } from '../date-of'
import { UnavailableError } from '../errors'
import type { SecondFactorStore } from '../stores/store'
import { Glance } from './glance'
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
  isLeaving,
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
} from './request'
import { hashOfTicket, join, type Named, newRequestKey, newTicket } from './ticket'
import { Upkeep } from './upkeep'

/** Rows that one look at the list goes through. What is over is erased, so that there are as many in a month or so. */
const MOST_ROWS = 20_000

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
  storeName: 'The store of option recovery',
  leaving: (leaving) => ({ ...NO_RECOVERY, leaving }),
  isLeaving,
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
  readonly #glance: Glance
  readonly #upkeep: Upkeep

  /** @param told hears of a row that does not open, of rows that could not be erased, and of too many */
  constructor(
    private readonly records: RecoveryRecords,
    private readonly accounts: Accounts,
    private readonly terms: Terms,
    private readonly now: () => number,
    private readonly told: (error: UnavailableError) => void,
  ) {
    this.#glance = new Glance(records)
    this.#upkeep = new Upkeep(records, now, told)
  }

  /** @returns with the ticket for the mail, where a request was made */
  async ask(
    accountId: string,
    answers: Record<string, string>,
    factor: FactorUse,
  ): Promise<Asked & { ticket: string }> {
    const key = newRequestKey()
    const { ticket, hash } = newTicket(accountId)
    return this.records.transact(accountId, (present, now) => {
      const { record, outcome } = ask(present, { key, answers, ticket: hash }, factor, now)
      return { record, outcome: { ...outcome, ticket } }
    })
  }

  /** Keeps the host's verdict on the answers. */
  async judge(accountId: string, key: string, matches: boolean): Promise<void> {
    await this.records.transact(accountId, (record) => judgeAnswers(record, key, matches))
  }

  async view(accountId: string, factor: FactorUse): Promise<RecoveryView> {
    const { request } = await this.#change(accountId, (record, now) => tidy(record, factor, now))
    return this.#viewOf(request, factor)
  }

  /**
   * The open request of an account, for a page that can do without: it waits for one read and nothing else. Null: there is
   * none, or it cannot be told at once.
   */
  async openView(accountId: string, factor: FactorUse): Promise<RecoveryView | null> {
    const found = await this.#glance.at(accountId)
    if (!found) return null
    const { request } = this.#tidied(accountId, found, factor)
    const view = this.#viewOf(request, factor)
    return view.state !== null && isOpen(view.state) ? view : null
  }

  /** What has become of the request that a ticket is of; null: it is of none. */
  async viewByTicket({ accountId, key }: Named): Promise<(RecoveryView & { state: RecoveryState }) | null> {
    const hash = hashOfTicket(key)
    const record = await this.#recordOfTicket(accountId, hash)
    if (!record) return null
    const factor = await this.accounts.status(accountId)
    const state = stateByTicket(record, hash, factor, this.now())
    // Nothing is said of another request than the ticket's own.
    const own = record.request?.tickets.includes(hash) ? record.request : null
    return state && { ...this.#viewOf(own, factor), state }
  }

  async cancelByTicket({ accountId, key }: Named): Promise<Cancellation> {
    const hash = hashOfTicket(key)
    const record = await this.#recordOfTicket(accountId, hash)
    if (!record) return { cancelled: false, reason: 'unknown' }
    const factor = await this.accounts.status(accountId)
    return this.#change(accountId, (latest, now) => cancel(latest, hash, factor, now), record)
  }

  /**
   * Null: the account has no such ticket. Nothing more is looked at then: anybody may send one, and how long the answer
   * takes would tell whether the account has a second factor.
   */
  async #recordOfTicket(accountId: string, hash: string): Promise<RecoveryRecord | null> {
    const record = await this.records.read(accountId)
    return stateByTicket(record, hash, null, this.now()) === null ? null : record
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
    return this.records.transact(accountId, (present, now) => {
      const { record, outcome } = approve(present, { ...deciding, ticket: hash }, this.terms, factor, now)
      return { record, outcome: { ...outcome, ticket } }
    })
  }

  /** Why is in the event alone: a request that is over needs no reason. */
  async reject(deciding: Omit<Deciding, 'reason'>): Promise<Decision> {
    const factor = await this.accounts.status(deciding.accountId)
    return this.records.transact(deciding.accountId, (record, now) => reject(record, deciding, factor, now))
  }

  /**
   * Carries out a request whose time has come: first it is claimed, so that from then on nobody cancels it, then the
   * account's factors go. Whoever comes after a process that died in between does the second part. A store that does not
   * answer each question at once is not waited for: nothing is due then.
   *
   * @returns null: nothing was due; `now`: its factors are off by this very call; `before`: by an earlier one; `spared`:
   *   a code was accepted at that very moment, so nothing was taken off
   */
  async complete(accountId: string, factor: FactorUse): Promise<Recovered | null> {
    const found = await this.#glance.at(accountId)
    if (!found || !claim(found, factor, this.now()).outcome) return null
    await this.#mustNotBeAhead(accountId, found)
    const rule = (record: RecoveryRecord, now: number) => claim(record, factor, now)
    const due = await this.#glance.waitFor(accountId, (patience) =>
      asOneStep(this.#change(accountId, rule, found, patience)),
    )
    if (!due) return null
    return this.accounts.recover(accountId, due)
  }

  /**
   * One process whose clock is ahead must not take the owner's time away: a store that has a clock of its own has a say.
   *
   * @throws UnavailableError where by the store's clock it is not time yet, or it does not tell
   */
  async #mustNotBeAhead(accountId: string, { request }: RecoveryRecord): Promise<void> {
    const { effectiveAt } = request ?? {}
    if (!effectiveAt) return
    const clock = await this.#glance.waitFor(accountId, (patience) => this.records.storeClock(patience))
    if (clock === null || clock + CLOCK_SKEW >= effectiveAt) return
    const error = new UnavailableError(
      'An approved recovery is due by the clock of this process, and not by that of the store of option recovery: set ' +
        'both by NTP',
    )
    throw Object.assign(error, { accountId })
  }

  /**
   * Some of the requests: the open ones with the oldest first, or those that are over, whatever has ended them, with the
   * latest first. What is of no use any more is erased afterwards, in the background.
   *
   * @param ended those that are over
   * @param after the place that the page before ended at; null: from the first
   */
  async list({
    ended = false,
    after,
    limit,
  }: {
    ended?: boolean
    after: Place | null
    limit: number
  }): Promise<{ requests: ListedRequest[]; next: Place | null }> {
    const order = ended ? (a: Place, b: Place) => inOrder(b, a) : inOrder
    const found = (await this.#found(ended)).filter(({ state }) => isOpen(state) !== ended)
    const onward = found
      .sort((a, b) => order(placeOf(a), placeOf(b)))
      .filter((one) => after === null || order(placeOf(one), after) > 0)
    const requests = onward.slice(0, limit)
    const last = requests.at(-1)
    return { requests, next: last && onward.length > requests.length ? placeOf(last) : null }
  }

  /** How many requests are open. */
  async countOpen(): Promise<number> {
    return (await this.#found(false)).filter(({ state }) => isOpen(state)).length
  }

  /**
   * The requests on record, as they are now: those that wait for something on record, of which some have come to
   * nothing by themselves, and the decided ones only where they are wanted.
   */
  async #found(decidedToo: boolean): Promise<ListedRequest[]> {
    const { rows, others, whole } = await this.records.activatedRows(MOST_ROWS, decidedToo)
    if (!whole) this.told(tooManyRows())
    // Of the other decided requests the account has nothing more to say.
    const unsettled = rows.filter(
      ({ record: row }) => row?.request && (isOpen(row.request.state) || row.request.state === 'completed'),
    )
    const statuses = await this.accounts.statuses(unsettled.map(({ accountId }) => accountId))
    const found: ListedRequest[] = []
    for (const { accountId, record } of rows) {
      if (record === null) {
        this.told(damagedRow(accountId))
        continue
      }
      const factor = statuses.get(accountId) ?? null
      const { request } = this.#tidied(accountId, record, factor)
      if (!request) continue
      const id = join({ key: request.key, accountId })
      found.push({ id, accountId, request, state: stateOf(request, factor, this.now()) })
    }
    this.#upkeep.takeOthers(others)
    return found
  }

  /** The record without what is of no use any more, which is erased when there is time. */
  #tidied(accountId: string, record: RecoveryRecord, factor: FactorUse | null): RecoveryRecord {
    const { record: next } = tidy(record, factor, this.now())
    // Of a request that is made meanwhile, what was read of the account before says nothing.
    const about = record.request?.key ?? null
    if (next !== record) this.#upkeep.take(accountId, { factor, about })
    return next
  }

  /** The account was reset: its request, if there is one, is over, and what was typed is erased. */
  async endByReset(accountId: string): Promise<void> {
    await this.view(accountId, await this.accounts.status(accountId))
  }

  /**
   * Applies a rule where it would change something. What anybody may ask for, as often as they like, does not stand in
   * the account's line.
   *
   * @param found what was just read
   * @param patience milliseconds, where the write may not wait as long as others
   */
  async #change<Outcome>(
    accountId: string,
    rule: (record: RecoveryRecord, now: number) => Ruling<Outcome>,
    found?: RecoveryRecord,
    patience?: number,
  ): Promise<Outcome> {
    const record = found ?? (await this.records.read(accountId))
    const ruling = rule(record, this.now())
    if (ruling.record === record) return ruling.outcome
    return this.records.transact(accountId, rule, undefined, { patience })
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

function tooManyRows(): UnavailableError {
  return new UnavailableError(
    `The store of option recovery has more than ${MOST_ROWS} rows, or did not give all in time: the list of requests ` +
      'may lack some',
  )
}
