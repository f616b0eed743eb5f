import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** A module of the compiled package, also one that it does not export. */
export function library(name) {
  return require(`../../dist/${name}.js`)
}
