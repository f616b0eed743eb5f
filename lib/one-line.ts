/** A text in one line, without spaces around it; null: it is empty, longer than that many characters, or no such text. */
export function readOneLine(input: unknown, longest: number): string | null {
  if (typeof input !== 'string' || input.length > 2 * longest || !input.isWellFormed()) return null
  const text = input.trim()
  const length = [...text].length
  if (length === 0 || length > longest || /[\p{Cc}\u2028\u2029]/u.test(text)) return null
  return text
}
