import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const root = join(__dirname, '../..')

/** A page of docs/. */
export const page = (name: string) => readFileSync(join(root, 'docs', name), 'utf8')

/** The code of a language below a heading (by its first words), block by block. */
export function blocksOf(text: string, heading: string, language = 'js'): string[] {
  const section = text.split(/^(?=##? )/m).find((one) => one.startsWith(heading)) ?? ''
  const blocks = [...section.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))]
  return blocks.map(([, code]) => code as string)
}

/**
 * Runs a block as a host would have it in its file.
 *
 * @param names what the block takes from the lines before it
 * @param modules in the place of those that it would require
 * @returns what the block calls so
 */
export function runBlock(
  code: string,
  names: Record<string, unknown>,
  { modules = {}, returns = [] }: { modules?: Record<string, unknown>; returns?: string[] } = {},
): Record<string, unknown> {
  const load = createRequire(join(root, 'package.json'))
  const require = (name: string) => modules[name] ?? load(name)
  const body = `${code}\nreturn { ${returns.join(', ')} }`
  return new Function('require', ...Object.keys(names), body)(require, ...Object.values(names))
}
