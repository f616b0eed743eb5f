import { ConfigurationError } from './errors'
import { didYouMean } from './nearest'

/** @throws ConfigurationError of this code, unless the condition holds */
export function must(condition: boolean, code: string, message: string): void {
  if (!condition) throw new ConfigurationError(code, message)
}

/** The names of options, each once: with all of them, or it does not compile. */
export type NamesOf<Options> = Record<keyof Options, true>

/**
 * Refuses what is no object, and an option that there is not: somebody has misspelt one.
 *
 * @param within what stands before the names: `'recovery.'`
 * @throws ConfigurationError `SF_OPTIONS`, or `code`
 */
export function mustBeKnown<Options extends object>(
  given: Options,
  names: NamesOf<Options>,
  within = '',
  code = 'SF_OPTIONS',
): void {
  const known = Object.keys(names)
  const all = `The options are: ${known.join(', ')}`
  must(
    typeof given === 'object' && given !== null && !Array.isArray(given),
    code,
    `${within === '' ? 'createSecondFactor' : within.replace(/\.$/, '')} takes an object of options, not ${typeName(given)}. ${all}`,
  )
  // Which was meant takes time to find: only where it has to be said.
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(names, name))
  if (unknown !== undefined) {
    const meant = didYouMean(unknown, known)
    throw new ConfigurationError(code, `There is no option ${within}${unknown}.${meant} ${all}`)
  }
}

/** What something is, without its words: it may be a secret that somebody put in the wrong place. */
export function typeName(given: unknown): string {
  if (given === null || given === undefined) return String(given)
  if (Array.isArray(given)) return 'an array'
  if (given instanceof Uint8Array) return 'bytes'
  const names: Record<string, string> = { string: 'a text', object: 'an object' }
  return names[typeof given] ?? `a ${typeof given}`
}

/** One that leads somewhere from anywhere: with its scheme and host. */
export function isWholeUrl(url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}
