import { join } from 'node:path'
import { type ConformanceOptions, storeConformance } from 'express-second-factor/store-conformance'

/** For other processes, which have no Jest: the sources as they are. */
const typescript = ['-r', join(__dirname, '../stores/typescript.cjs')]

/**
 * Every case of the suite that a user's own store is to pass, on one of ours.
 *
 * What only is there after `beforeAll` (a server's port) is asked for when a case runs: by `open`, `cut`, and
 * `processes.data` as a function.
 */
export function conformance(title: string, options: ConformanceOptions, timeout = 60_000): void {
  const { processes } = options
  const cases = storeConformance({
    ...options,
    processes: processes && { ...processes, execArgv: [...typescript, ...(processes.execArgv ?? [])] },
  })
  describe(`${title} passes the store conformance suite`, () => {
    // What a store of ours has no option for does not apply to it: memory has no connections to cut.
    for (const { name, skip, run } of cases) if (!skip) test(name, run, timeout)
  })
}
