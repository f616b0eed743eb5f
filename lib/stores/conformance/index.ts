import { Bench, type Case } from './bench'
import { clientCases } from './clients'
import { contractCases } from './contract'
import { cutCases } from './cut'
import { getManyCases } from './get-many'
import { idCases } from './ids'
import { listCases } from './list'
import { type ConformanceOptions, sizesOf } from './options'
import { processCases } from './processes'
import { ConformanceReport, StoreConformanceError } from './report'

export type { ConformanceOptions, OptionalMethod, ProcessOptions, StoreClient } from './options'
export { ConformanceReport, StoreConformanceError }

/** One case of the suite, for any test runner. */
export interface ConformanceCase {
  /** What the store must do; of a case that is not checked it also says so. */
  name: string
  /** Why it is not checked, or false. `run` then checks nothing. */
  skip: string | false
  /** Rejects when the store does not do it, in words. */
  run(): Promise<void>
}

/**
 * The suite that a store of your own must pass, independent of the test runner:
 *
 * ```ts
 * for (const { name, skip, run } of storeConformance({ open })) test(name, { skip }, run)
 * ```
 */
export function storeConformance(options: ConformanceOptions): ConformanceCase[] {
  sizesOf(options)
  return [
    ...contractCases,
    ...idCases,
    ...listCases,
    ...getManyCases,
    ...clientCases,
    ...processCases,
    ...cutCases,
  ].map((one) => made(one, options))
}

/**
 * Runs the whole suite, without a test runner.
 *
 * @throws StoreConformanceError when a case fails, with a report of all in its message
 */
export async function checkStore(options: ConformanceOptions): Promise<ConformanceReport> {
  const report = new ConformanceReport()
  for (const one of storeConformance(options)) await report.add(one)
  if (report.failed.length > 0) throw new StoreConformanceError(report)
  return report
}

function made({ name, needs, check }: Case, options: ConformanceOptions): ConformanceCase {
  const skip = needs ? reasonToSkip(needs, options) : false
  if (skip) return { name: `${name} [not checked: ${skip}]`, skip, run: async () => {} }
  return {
    name,
    skip,
    async run() {
      const bench = new Bench(options)
      try {
        await check(bench)
      } finally {
        await bench.end()
      }
    },
  }
}

function reasonToSkip(needs: NonNullable<Case['needs']>, options: ConformanceOptions): string | false {
  if (needs === 'list' || needs === 'delete') {
    return options.without?.includes(needs) ? `without ${needs}()` : false
  }
  return options[needs] ? false : `needs option \`${needs}\``
}
