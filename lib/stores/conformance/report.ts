import type { ConformanceCase } from './index'

/** What came of a run of the suite. As a string it can be printed. */
export class ConformanceReport {
  readonly passed: string[] = []
  readonly failed: { name: string; error: Error }[] = []
  readonly skipped: { name: string; reason: string }[] = []

  /** Runs a case and notes what came of it. */
  async add({ name, skip, run }: ConformanceCase): Promise<void> {
    if (skip) {
      this.skipped.push({ name, reason: skip })
      return
    }
    try {
      await run()
      this.passed.push(name)
    } catch (error) {
      this.failed.push({ name, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }

  toString(): string {
    const { passed, failed, skipped } = this
    return [
      `${passed.length} passed, ${failed.length} failed, ${skipped.length} not checked`,
      ...failed.map(({ name, error }) => `FAILED ${name}\n  ${error.message}`),
      ...skipped.map(({ name }) => `- ${name}`),
    ].join('\n')
  }
}

/** The store fails the suite. */
export class StoreConformanceError extends Error {
  constructor(readonly report: ConformanceReport) {
    super(`The store does not keep the contract: ${report}`)
    this.name = 'StoreConformanceError'
  }
}
