import { BadCursorError } from './directory'

/** Where a page ended. */
export interface Place {
  /** Which of a search's parts it was in. */
  part: number
  /** What the last user was sorted by. */
  key: string
  id: string
}

/** A place as text that may stand in a URL. */
export function cursorOf({ part, key, id }: Place): string {
  return Buffer.from(JSON.stringify([part, key, id])).toString('base64url')
}

/** @throws BadCursorError */
export function placeOf(cursor: string): Place {
  try {
    const [part, key, id, ...more] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const texts = [key, id].every((text) => typeof text === 'string' && !text.includes('\0'))
    if (Number.isInteger(part) && part >= 0 && texts && more.length === 0) return { part, key, id }
  } catch {
    // No cursor: told below.
  }
  throw new BadCursorError('That is no cursor')
}
