import { createHmac } from 'node:crypto'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The app on the user's phone, written from RFC 6238 and sharing no code with what it tests. */
export class Authenticator {
  readonly #key: Buffer

  /** @param fastBy seconds by which the phone's clock is ahead */
  constructor(
    secret: string,
    private readonly now: () => number,
    private readonly fastBy = 0,
  ) {
    let bits = ''
    for (const character of secret.replace(/\s/g, ''))
      bits += ALPHABET.indexOf(character).toString(2).padStart(5, '0')
    this.#key = Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)))
  }

  /** The code shown now, or so many steps later. */
  code(stepsLater = 0): string {
    const step = Math.floor(this.now() / 1000 / 30 + this.fastBy / 30) + stepsLater
    const counter = Buffer.alloc(8)
    counter.writeBigUInt64BE(BigInt(step))
    const mac = createHmac('sha1', this.#key).update(counter).digest()
    const offset = (mac[19] as number) & 15
    return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
  }

  /** Six digits that no step near now has. */
  wrongCode(salt = 0): string {
    const near = new Set(Array.from({ length: 11 }, (_, index) => this.code(index - 5)))
    let code = 100_000 + salt
    while (near.has(String(code))) code++
    return String(code)
  }
}
