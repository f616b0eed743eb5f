/** Base32 (RFC 4648), of bytes or of none. */
function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((character) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(character).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)))
}

function toBase32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)])
    .join('')
}

const unpadded = (text: string) => text.replace(/=+$/, '')

/** What bytes look like in a log. */
function formsOf(bytes: Buffer): string[] {
  return [
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    unpadded(bytes.toString('base64')),
    bytes.toString('base64url'),
    toBase32(bytes),
    [...bytes].join(','),
  ]
}

/** A secret in every form in which it might have come out. */
export function encodings(text: string): string[] {
  const plain = text.replaceAll(/[- ]/g, '')
  const words = [
    text,
    plain,
    text.replaceAll('-', ' '),
    plain.replace(/(.{4})(?=.)/g, '$1 '),
    plain.replace(/(.{4})(?=.)/g, '$1-'),
  ]
  const spelt = words.flatMap((word) => [word, word.toLowerCase(), word.toUpperCase()])
  const bytes = /^[A-Z2-7]{32}$/.test(text)
    ? [fromBase32(text)]
    : /^[\w-]{43}$/.test(text)
      ? [Buffer.from(text, 'base64url')]
      : []
  return [
    ...new Set([
      ...spelt,
      ...spelt.map(encodeURIComponent),
      ...[text, plain, plain.toLowerCase()].flatMap((word) => formsOf(Buffer.from(word))),
      ...bytes.flatMap(formsOf),
    ]),
  ]
}

/** What came out, by where. */
export class Outlets {
  readonly texts: { place: string; text: string }[] = []

  note(place: string, text: string): void {
    this.texts.push({ place, text })
  }

  /** Where any of these is to be seen. Six digits count only by themselves: chance makes them within longer ones. */
  find(canaries: Iterable<{ what: string; text: string }>): string[] {
    const all = [...new Set(this.texts.map(({ text }) => text))].join('\n')
    const found = new Set<string>()
    for (const { what, text } of canaries) {
      for (const form of encodings(text)) {
        if (!all.includes(form)) continue
        const alone = /^\d+$/.test(form) ? new RegExp(`(?<![\\w-])${form}(?![\\w-])`) : null
        for (const { place, text: seen } of this.texts) {
          if (alone ? alone.test(seen) : seen.includes(form)) found.add(`${what} in ${place}`)
        }
      }
    }
    return [...found]
  }
}
