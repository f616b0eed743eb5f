/** A clock that tests set. Starts at a fixed moment in the middle of a step. */
export class Clock {
  constructor(public time = Date.UTC(2026, 4, 3, 12, 0, 15)) {}
  readonly now = () => this.time
  /** Moves on by so many seconds. */
  forward(seconds: number): void {
    this.time += seconds * 1000
  }
  /** Moves on to the same place in the next step, so that there is a new code. */
  nextStep(): void {
    this.forward(30)
  }
}
