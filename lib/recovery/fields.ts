import { readOneLine } from '../one-line'

/** What is asked where the host names nothing else. */
export const DEFAULT_FIELDS = ['firstName', 'lastName', 'phone'] as const
/** Characters of an answer. */
export const LONGEST_ANSWER = 200

/** Answers without spaces around them, by field; and the fields whose answer is missing, too long, or no text. */
export function readAnswers(
  fields: readonly string[],
  field: (name: string) => unknown,
): { answers: Record<string, string>; wrong: string[] } {
  const answers: Record<string, string> = {}
  const wrong: string[] = []
  for (const name of fields) {
    const text = readOneLine(field(name), LONGEST_ANSWER)
    if (text === null) wrong.push(name)
    else answers[name] = text
  }
  return { answers, wrong }
}
