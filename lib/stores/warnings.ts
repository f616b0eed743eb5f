import { within } from '../within'
import type { SecondFactorStore } from './store'

/** How long it may take, milliseconds. */
const PATIENCE = 30_000

/**
 * Asks the store at the start what would lose second factors, and says it as warnings of the process. Nobody
 * waits for it.
 */
export async function warnOfStore(store: SecondFactorStore): Promise<void> {
  const warn = (text: string) =>
    process.emitWarning(text, { type: 'SecondFactorWarning', code: 'SF_STORE_WARNING' })
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
    warn(
      `The factor store could not be asked how it is set up: ${(error as Error | null)?.message}. The app asks again ` +
        'only at its next start: once the store answers, run npx express-second-factor doctor, or start the app again.',
    )
  }
}
