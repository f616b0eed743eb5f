const LONGEST = 2048
const BASE = 'http://host.invalid'

/**
 * A path of this very site, or null: what a request asks for may begin with `//` or hide a line break, and must
 * not become a redirect to somewhere else.
 */
export function ownPath(url: unknown): string | null {
  if (typeof url !== 'string' || url.length > LONGEST || !/^\/(?![/\\])[\x21-\x7e]*$/.test(url)) return null
  if (url.includes('\\') || !URL.canParse(url, BASE) || new URL(url, BASE).origin !== BASE) return null
  return url
}

/** The page that a form was posted from, if it is one of this site. */
export function refererPath(referer: string | undefined, host: string | undefined): string | null {
  if (!referer || !URL.canParse(referer)) return null
  const url = new URL(referer)
  return url.host === host ? ownPath(url.pathname + url.search) : null
}
