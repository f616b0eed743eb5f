import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** A folder beside the sources, found from there and from where the compiler puts its output. */
export function folder(name: 'views' | 'public' | 'locales'): string {
  const beside = join(__dirname, name)
  return existsSync(beside) ? beside : join(__dirname, '..', name)
}
