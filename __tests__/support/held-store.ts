import { MemoryStore, type StoredRecord } from 'express-second-factor'

/** Writes what it is asked to write only when it is told to go on, as a store does that is slow for a while. */
export class HeldStore extends MemoryStore {
  #gate: Promise<void> | null = null
  #open: () => void = () => {}
  /** Writes that wait. */
  waiting = 0

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  goOn(): void {
    this.#gate = null
    this.waiting = 0
    this.#open()
  }

  override async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord) {
    if (this.#gate) this.waiting++
    await this.#gate
    return super.compareAndSet(accountId, expectedVersion, next)
  }
}
