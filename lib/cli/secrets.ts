/** What must not be printed: the passwords of a URL, as they are written there and as they are meant. */
export function passwordsOf(url: string): string[] {
  const [, written = ''] = /^[^/]*\/\/[^/?#]*?:(.*)@/.exec(url) ?? []
  const others = [...url.matchAll(/[?&][^=&]*pass[^=&]*=([^&]*)/gi)].map(([, value]) => value as string)
  return [written, ...others]
    .flatMap((password) => [password, decoded(password)])
    .filter((one) => one.length > 0)
}

/** The text without passwords in URLs, whatever looks like a key, and what is `hidden`. */
export function withoutSecrets(text: string, hidden: readonly string[]): string {
  let safe = text
    .replace(/([a-z][a-z\d+.-]*:\/\/)[^\s'"`]*@/gi, '$1***@')
    .replace(/(?<![A-Za-z\d+/_-])[A-Za-z\d+/_-]{43}(?![A-Za-z\d+/_-])=?/g, '***')
  for (const secret of hidden) if (secret !== '') safe = safe.replaceAll(secret, '***')
  return safe
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
