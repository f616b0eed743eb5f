const DOTS = '•••'

/**
 * A name that its owner recognizes and nobody else learns: the ends of a user name, and of an e-mail address
 * its domain too.
 */
export function maskName(name: string): string {
  const at = name.lastIndexOf('@')
  return at > 0 ? masked(name.slice(0, at)) + name.slice(at) : masked(name)
}

function masked(text: string): string {
  const characters = [...text]
  const [first = ''] = characters
  return characters.length < 4 ? first + DOTS : first + DOTS + characters.at(-1)
}
