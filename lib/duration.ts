import { ConfigurationError } from './errors'

/** Milliseconds, or a number with its unit: `'90s'`, `'5m'`, `'12h'`, `'30d'`. */
export type Duration = number | `${number}${'s' | 'm' | 'h' | 'd'}`

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * A duration in milliseconds.
 *
 * @param option the name to complain about
 * @throws ConfigurationError `SF_DURATION`
 */
export function milliseconds(duration: Duration, option: string): number {
  if (typeof duration === 'number' && duration >= 0) return duration
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(String(duration)) ?? []
  if (amount === undefined || unit === undefined) {
    throw new ConfigurationError(
      'SF_DURATION',
      `Option ${option} is a number of milliseconds or a text such as '30s', '5m', '12h' or '30d', not ${duration}`,
    )
  }
  return Number(amount) * (UNITS[unit] as number)
}

/** How long the store may take, where nobody says otherwise. */
const STORE_TIMEOUT = '5s'
/** What a timer can wait; a longer time it takes for none. */
const LONGEST = 2 ** 31 - 1

/**
 * Option `storeTimeout` in milliseconds.
 *
 * @throws ConfigurationError `SF_DURATION`
 */
export function storeTimeoutOf(given: Duration = STORE_TIMEOUT): number {
  const storeTimeout = milliseconds(given, 'storeTimeout')
  if (storeTimeout >= 1 && storeTimeout <= LONGEST) return storeTimeout
  throw new ConfigurationError(
    'SF_DURATION',
    "Option storeTimeout is how long the store may take: '5s', not nothing and not for ever",
  )
}
