import { generateTOTP } from '@otplib/uri'
import { base32 } from './base32'

/**
 * Octets that a name may take once it is percent-encoded. The issuer stands in the URI twice; with both names
 * at their longest the QR code still has modules large enough for a phone's camera.
 */
const ISSUER_OCTETS = 90
const ACCOUNT_OCTETS = 180

/**
 * The URI that authenticator apps read (Key URI Format). Its label is `issuer:account`, so neither name may
 * hold a colon, not even an encoded one: each becomes a space. Long names are cut at a whole character.
 */
export function otpauthUri(issuer: string, account: string, secret: Uint8Array): string {
  return generateTOTP({
    issuer: shorten(issuer, ISSUER_OCTETS),
    label: shorten(account, ACCOUNT_OCTETS),
    secret: base32(secret),
  })
}

function shorten(name: string, octets: number): string {
  const plain = name
    .toWellFormed()
    .replace(/[:\p{Cc}\s]+/gu, ' ')
    .trim()
  if (encodeURIComponent(plain).length <= octets) return plain
  let kept = ''
  for (const character of plain) {
    if (encodeURIComponent(`${kept}${character}…`).length > octets) break
    kept += character
  }
  return `${kept}…`
}
