import { setTimeout as delay } from 'node:timers/promises'
import type { Dialect } from './dialects'

/** For what may be done twice: while others write, it waits for up to two seconds. */
export async function patiently<T>(dialect: Pick<Dialect, 'isBusy'>, work: () => Promise<T>): Promise<T> {
  const end = performance.now() + 2000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > end || !dialect.isBusy(error)) throw error
      await delay(5 + Math.random() * 20)
    }
  }
}
