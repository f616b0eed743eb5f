import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Failure } from './command'
import { reasonOf } from './words'

/**
 * Loads the driver that the app has, from its own node_modules: the first of these that is there.
 *
 * @throws Failure naming what to install
 */
// biome-ignore lint/suspicious/noExplicitAny: drivers of the app's, of any version
export function driver(names: readonly string[], cwd: string): { name: string; module: any } {
  const require = createRequire(join(cwd, 'package.json'))
  for (const name of names) {
    if (!isThere(name, require)) continue
    try {
      return { name, module: require(name) }
    } catch (error) {
      throw new Failure(`The package ${name} of ${cwd} does not load: ${reasonOf(error)}`)
    }
  }
  throw new Failure(
    `This store needs the package ${names.join(' or ')}, which is not in ${join(cwd, 'node_modules')}. ` +
      `Run this in your app's folder, or there: npm install ${names[0]}`,
  )
}

function isThere(name: string, require: NodeJS.Require): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}
