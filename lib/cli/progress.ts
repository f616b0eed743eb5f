import type { Output } from './command'

/** Rows between two lines where there is no terminal. */
const EVERY = 1000

/** How far a walk through all accounts has come: one line that changes on a terminal, else one now and then. */
export class Progress {
  readonly #output: Output
  #next = EVERY
  #shown = false

  constructor(output: Output) {
    this.#output = output
  }

  show(seen: number, text: string): void {
    if (this.#output.isTTY) {
      this.#shown = true
      this.#output.write(`\r\x1b[K${text}`)
    } else if (seen >= this.#next) {
      this.#next = seen - (seen % EVERY) + EVERY
      this.#output.write(`${text}\n`)
    }
  }

  /** What is printed next begins a line of its own. */
  end(): void {
    if (this.#shown) this.#output.write('\r\x1b[K')
    this.#shown = false
  }
}
