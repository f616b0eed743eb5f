import type { UnavailableError } from './errors'

/** What the host does with an error must not become another one: the answer is 503 all the same. */
export function unfailing(tell: (error: UnavailableError) => unknown): (error: UnavailableError) => void {
  return async (error) => {
    try {
      await tell(error)
    } catch (failure) {
      process.emitWarning(`Option onUnavailable failed: ${(failure as Error | null)?.message}`, {
        type: 'SecondFactorWarning',
        code: 'SF_ON_UNAVAILABLE',
      })
    }
  }
}

/** Each cause once a minute; of a store that is away many requests would say the same. */
export function warnOnceAMinute(): (error: UnavailableError) => void {
  const told = new Map<string, number>()
  return ({ message, cause, accountId: about }) => {
    const text = cause instanceof Error ? `${message}: ${cause.message}` : message
    const now = performance.now()
    for (const [one, at] of told) if (now - at >= 60_000) told.delete(one)
    if (told.has(text) || told.size >= 100) return
    told.set(text, now)
    process.emitWarning(about === null ? text : `${text} (account ${JSON.stringify(about)})`, {
      type: 'SecondFactorWarning',
      code: 'SF_UNAVAILABLE',
    })
  }
}
