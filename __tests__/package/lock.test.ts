import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Entry {
  optionalDependencies?: Record<string, string>
}

/** `npm ci` refuses a lock file that lacks the packages of other platforms, which some registries make npm leave out. */
test('the lock file has the optional packages of every platform', () => {
  const { packages } = JSON.parse(readFileSync(join(__dirname, '../../package-lock.json'), 'utf8'))
  const missing = Object.values(packages as Record<string, Entry>)
    .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
    .filter((name) => !(`node_modules/${name}` in packages))
  expect(missing).toEqual([])
})
