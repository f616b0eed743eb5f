import { withoutSecrets } from './secrets'

/** How things are said on a terminal. */

/** 12,345 */
export function count(number: number): string {
  return number.toLocaleString('en')
}

/** 1 account, 2 accounts */
export function some(number: number, one: string): string {
  return `${count(number)} ${one}${number === 1 ? '' : 's'}`
}

/** A moment in milliseconds since 1970, as 2026-05-03 12:00:15 UTC. */
export function moment(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** An account id, of which nothing can act on the terminal. */
export function shown(accountId: string): string {
  return /^[\w@.:+-]+$/.test(accountId) ? accountId : JSON.stringify(accountId).replace(UNPRINTABLE, escaped)
}

/** The first few account ids. */
export function several(accountIds: readonly string[], most = 10): string {
  const more = accountIds.length - most
  const named = accountIds.slice(0, most).map(shown).join(', ')
  return more > 0 ? `${named} and ${count(more)} more` : named
}

/** An argument for a shell, to be copied. */
export function quoted(argument: string): string {
  if (/^[\w@.:+/=-]+$/.test(argument)) return argument
  if (plain(argument) === argument) return `'${argument.replaceAll("'", "'\\''")}'`
  const bytes = [...Buffer.from(argument)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
  return `$'${bytes.join('')}'`
}

/**
 * Why something failed, in the words of those who threw it. They may name the connection, so secrets are taken out,
 * with anything that could act on the terminal.
 */
export function reasonOf(error: unknown, hidden: readonly string[] = []): string {
  const reasons: string[] = []
  let each = error
  // An error may be its own cause.
  for (let depth = 0; each && depth < 5; depth++) {
    const said = wordsOf(each)
    if (said && !reasons.some((reason) => reason.includes(said))) reasons.push(said.replace(/\.$/, ''))
    each = typeof each === 'object' ? field(each, 'cause') : null
  }
  return withoutSecrets(plain(reasons.join(': ') || 'unknown'), hidden)
}

/** The words of whatever was thrown: a store of somebody's own may throw anything. */
function wordsOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return String(thrown)
  // A host with several addresses fails with one error for each, and no message of its own.
  const errors = field(thrown, 'errors')
  const first = Array.isArray(errors) ? field(errors[0] ?? {}, 'message') : null
  const found = [field(thrown, 'message'), first, field(thrown, 'code')]
  return (found.find((one) => typeof one === 'string' && one !== '') as string | undefined) ?? ''
}

function field(thrown: object, name: string): unknown {
  try {
    return (thrown as Record<string, unknown>)[name]
  } catch {
    return null
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Lines of text, of which nothing can act on the terminal. */
export function printable(text: string): string {
  return text.split('\n').map(plain).join('\n')
}

function plain(text: string): string {
  return text.replace(UNPRINTABLE, ' ')
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
