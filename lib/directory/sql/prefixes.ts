/** Letters that are tried in either case: each doubles the number of searches. */
const MOST_LETTERS = 3

/**
 * The beginnings to look for, so that a search heeds no case, in the order of their characters' numbers. Where the
 * database knows the case of all letters it is one. SQLite, and PostgreSQL in the locale C, know ASCII alone and have
 * names otherwise as they are written: there each way to write the other letters is a beginning of its own.
 */
export function prefixesOf(text: string, knowsAllLetters: boolean): string[] {
  if (knowsAllLetters) return [text]
  const lowered = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  return [...new Set(writtenAs([...lowered]))].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function writtenAs(characters: string[]): string[] {
  const text = characters.join('')
  const letters = characters.filter((character) => formsOf(character).length > 1)
  if (letters.length > MOST_LETTERS) {
    // As it was typed, and as names are usually written.
    const lower = characters.map((character) => formsOf(character)[0]).join('')
    const upper = characters.map((character) => formsOf(character).at(-1)).join('')
    const title = lower.replace(
      /(^|[\s'’-])([^\s'’-])/gu,
      (_all, before, letter) => before + formsOf(letter).at(-1),
    )
    return [text, lower, upper, title]
  }
  return characters.reduce(
    (ways, character) => ways.flatMap((way) => formsOf(character).map((form) => way + form)),
    [''],
  )
}

/** A letter beyond ASCII in lower and in upper case, where each is one such letter; anything else as it is. */
function formsOf(character: string): string[] {
  const forms = [character.toLowerCase(), character.toUpperCase()]
  const plain = [character, ...forms].some((form) => [...form].length !== 1 || form <= '\u007f')
  return plain ? [character] : [...new Set(forms)]
}
