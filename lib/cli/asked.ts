import { TimeLimit } from '../account/time-limit'
import { UnavailableError } from '../errors'

/**
 * Asks the store itself, for what the account records do not tell.
 *
 * @param patience milliseconds that it may take
 * @throws UnavailableError
 */
export async function asked<T>(patience: number, question: () => T | Promise<T>): Promise<T> {
  return new TimeLimit(patience).within(async () => {
    try {
      return await question()
    } catch (cause) {
      throw new UnavailableError('The factor store does not answer', { cause })
    }
  })
}
