import { ConfigurationError } from './errors'

/** @throws ConfigurationError of this code, unless the condition holds */
export function must(condition: boolean, code: string, message: string): void {
  if (!condition) throw new ConfigurationError(code, message)
}

/** The names of options, each once: with all of them, or it does not compile. */
export type NamesOf<Options> = Record<keyof Options, true>

/**
 * Refuses an option that there is not: somebody has misspelt one.
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
  for (const name of Object.keys(given)) {
    must(
      Object.hasOwn(names, name),
      code,
      `There is no option ${within}${name}. The options are: ${Object.keys(names).join(', ')}`,
    )
  }
}
