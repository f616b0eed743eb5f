import { within } from '../within'
import type { SecondFactorStore } from './store'

/** How long it may take, milliseconds. */
const PATIENCE = 30_000

/**
 * Asks the store at the start what would lose second factors, and says it as warnings of the process. Nobody
 * waits for it.
 *
 * @param option the one that the store was given as
 */
export async function warnOfStore(
  store: SecondFactorStore,
  option: 'store' | 'recovery.store' = 'store',
): Promise<void> {
  const own = option === 'store'
  const warn = (text: string) =>
    process.emitWarning(own ? text : `Option ${option}: ${text}`, {
      type: 'SecondFactorWarning',
      code: 'SF_STORE_WARNING',
    })
  try {
    for (const warning of (
      await within(
        PATIENCE,
        () => store.inspect?.(),
        () => new Error('it has not answered in time'),
      )
    )?.warnings ?? [])
      warn(warning)
  } catch (error) {
    const store = own ? 'The factor store' : 'This store'
    // Of how a store is set up, the command line looks at that of the factors alone.
    const advice = own
      ? 'run npx express-second-factor doctor, or start the app again.'
      : 'start the app again.'
    warn(
      `${store} could not be asked how it is set up: ${reasonOf(error)}. The app asks again ` +
        `only at its next start: once the store answers, ${advice}`,
    )
  }
}

/** Node's error of a refused connection has no message, only a code. */
function reasonOf(error: unknown): string {
  const { message, code } = (error ?? {}) as { message?: unknown; code?: unknown }
  return String(message || code || error)
}
