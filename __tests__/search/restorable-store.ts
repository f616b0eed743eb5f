import { MemoryStore, type SecondFactorStore, type StoredRecord } from 'express-second-factor'
import { dump } from '../support/faulty-store'

/** A store of which the app holds the outside, while what is in it is put back to how it was. */
export class RestorableStore implements SecondFactorStore {
  #inside = new MemoryStore()
  #kept: { accountId: string; record: StoredRecord }[] = []
  #text = ''

  /** @param written is called after each write that was done */
  constructor(private readonly written: () => void) {}

  get = (accountId: string) => this.#inside.get(accountId)
  getMany = (accountIds: readonly string[]) => this.#inside.getMany(accountIds)
  list = (after: string | null, limit: number) => this.#inside.list(after, limit)

  async compareAndSet(accountId: string, version: number, next: StoredRecord): Promise<boolean> {
    const done = await this.#inside.compareAndSet(accountId, version, next)
    if (done) this.written()
    return done
  }

  async delete(accountId: string): Promise<void> {
    await this.#inside.delete(accountId)
    this.written()
  }

  /** As it is now it is to be from now on. */
  async keep(): Promise<void> {
    this.#kept = await this.#inside.list(null, 10)
    this.#text = await dump(this.#inside)
  }

  async isChanged(): Promise<boolean> {
    return (await dump(this.#inside)) !== this.#text
  }

  async restore(): Promise<void> {
    this.#inside = new MemoryStore()
    for (const { accountId, record } of this.#kept) await this.#inside.compareAndSet(accountId, 0, record)
  }
}
