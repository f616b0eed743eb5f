import { createHash } from 'node:crypto'

/** Account n of every contender: no two share a key. Twenty bytes that are text, since one contender's key is text. */
export function secretOf(n) {
  return Buffer.from(createHash('sha1').update(`account ${n}`).digest('hex').slice(0, 20))
}
