import type { AccountStatus, Accounts } from '../account/accounts'
import type { AccountView } from './judge'

/** Accounts remembered by one process: the one that was read or written longest ago gives way. */
const MOST = 10_000

/** Remembers for a short while what was read of an account, so that a verified request costs no store read. */
export class AccountViews {
  readonly #accounts: Accounts
  readonly #revalidateAfter: number
  readonly #now: () => number
  /** Reads under way. */
  readonly #reading = new Map<string, Promise<AccountView>>()
  /** A view of null: whatever was read before that moment is not to be remembered. */
  readonly #views = new Map<string, { view: AccountView | null; readAt: number }>()

  /** @param revalidateAfter milliseconds; 0: nothing is remembered */
  constructor(accounts: Accounts, revalidateAfter: number, now: () => number) {
    this.#accounts = accounts
    this.#revalidateAfter = revalidateAfter
    this.#now = now
  }

  /**
   * What is known of an account, without asking the store; null when that is nothing, too old, or older than a
   * session that another process made in a newer epoch.
   *
   * @param device whether this one is trusted must be known, too
   */
  remembered(accountId: string, epoch: number, device?: string): AccountView | null {
    const known = this.#views.get(accountId)
    if (!known?.view || known.view.epoch < epoch) return null
    if (device !== undefined && !known.view.devices) return null
    return this.#lasts(known.readAt) ? known.view : null
  }

  /** Asks the store. @throws UnavailableError */
  async read(accountId: string): Promise<AccountStatus> {
    const readAt = this.#now()
    const status = await this.#accounts.status(accountId)
    const { epoch, enabled, disabledAt, mustEnrol } = status
    const devices = status.devices.map(({ id }) => ({ id }))
    this.#remember(accountId, { epoch, enabled, disabledAt, mustEnrol, devices }, readAt)
    return status
  }

  /**
   * Asks the store, once for all who want to know at this moment. Not for those who know something newer than the
   * answer: a session of a newer epoch asks for itself.
   *
   * @throws UnavailableError
   */
  async shared(accountId: string, epoch: number): Promise<AccountView> {
    const view = await (this.#reading.get(accountId) ?? this.#begin(accountId))
    return view.epoch < epoch ? this.read(accountId) : view
  }

  #begin(accountId: string): Promise<AccountView> {
    const reading = this.read(accountId).finally(() => {
      if (this.#reading.get(accountId) === reading) this.#reading.delete(accountId)
    })
    // Where nothing is remembered, nothing is shared either: each request has a look of its own.
    if (this.#revalidateAfter > 0) this.#reading.set(accountId, reading)
    return reading
  }

  /**
   * What a write of this process has made of the account.
   *
   * @param readAt when that write was begun, milliseconds since 1970
   */
  note(accountId: string, view: AccountView, readAt: number): void {
    this.#reading.delete(accountId)
    this.#remember(accountId, view, readAt)
  }

  /** Nothing that was read until now counts any more, not even what is still under way. */
  forget(accountId: string): void {
    this.#reading.delete(accountId)
    this.#put(accountId, null, this.#now())
  }

  /**
   * Of two answers the one of the higher epoch is the newer, however long each was under way. Only `forget` makes
   * an epoch fall: in another process that shows when what is known here has had its time.
   */
  #remember(accountId: string, view: AccountView, readAt: number): void {
    const known = this.#views.get(accountId)
    if (!known || !isNewer(known, view, readAt) || !this.#lasts(known.readAt))
      this.#put(accountId, view, readAt)
  }

  #lasts(readAt: number): boolean {
    const age = this.#now() - readAt
    // A clock that was set back must not keep a view alive.
    return age >= 0 && age < this.#revalidateAfter
  }

  #put(accountId: string, view: AccountView | null, readAt: number): void {
    this.#views.delete(accountId)
    this.#views.set(accountId, { view, readAt })
    if (this.#views.size > MOST) this.#views.delete(this.#views.keys().next().value as string)
  }
}

function isNewer(
  known: { view: AccountView | null; readAt: number },
  view: AccountView,
  readAt: number,
): boolean {
  if (known.view === null) return known.readAt >= readAt
  return known.view.epoch > view.epoch || (known.view.epoch === view.epoch && known.readAt > readAt)
}
