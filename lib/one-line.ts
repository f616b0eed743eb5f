/** Something to see: neither a space nor one of the characters that are shown as nothing, nor braille without a dot. */
const VISIBLE = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\u2800\ufff9-\ufffb]/u

/**
 * A text in one line, without spaces around it; null: there is nothing in it to see, it is longer than that many
 * characters, or no such text.
 */
export function readOneLine(input: unknown, longest: number): string | null {
  if (typeof input !== 'string' || input.length > 2 * longest || !input.isWellFormed()) return null
  const text = input.trim()
  const length = [...text].length
  if (!VISIBLE.test(text) || length > longest || /[\p{Cc}\u2028\u2029]/u.test(text)) return null
  return text
}
