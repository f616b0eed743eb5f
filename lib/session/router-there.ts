/** Whether the pages are there to which people are sent: an app that forgot the router answers them with 404. */
export class RouterThere {
  /** The router was made: whether it is mounted shows when it is asked for something. */
  #made = false
  #told = false

  constructor(private readonly path: string) {}

  note(): void {
    this.#made = true
  }

  /** Warns once, since pages may be served by another process. */
  leads(): void {
    if (this.#made || this.#told) return
    this.#told = true
    process.emitWarning(
      `Somebody is sent to ${this.path}, and secondFactor.router() was never called in this process: write ` +
        `app.use('${this.path}', secondFactor.router()), unless another process serves these pages.`,
      { type: 'SecondFactorWarning', code: 'SF_ROUTER_MISSING' },
    )
  }
}
