import type { Express } from 'express'

/** What Express keeps of a route or of a middleware. */
interface Layer {
  name: string
  route?: { path: string; methods: Record<string, boolean> }
  handle: { stack?: Layer[] }
  /** Mounted at the root; Express 4 says so in `regexp`. */
  slash?: boolean
  regexp?: { fast_slash?: boolean }
  match(path: string): boolean | { path: string }
  /** What of the path matched last, where `match` does not say it. */
  path?: string
}

/**
 * Every route of an app and of the routers in it: `GET /two-factor/enable`. Files are served without a route:
 * `GET /*` is what `express.static` serves, `GET /there/*` what any other handler does that is mounted at a path.
 *
 * @param known paths at which something may be mounted: Express does not tell them, but may be asked
 */
export function routesOf(app: Express, known: string[]): string[] {
  // Express 4 has `router` too, but it throws.
  const router = (app as Express & { _router?: Express['router'] })._router ?? app.router
  return walk(router.stack as unknown as Layer[], '', known)
}

function walk(stack: Layer[], base: string, known: string[]): string[] {
  return stack.flatMap((layer) => {
    const { route, handle, name } = layer
    if (route) {
      const path = base + (route.path === '/' ? '' : route.path)
      return Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${path || '/'}`)
    }
    const mounted = base + mountOf(layer, base, known)
    if (handle.stack) return walk(handle.stack, mounted, known)
    return mounted !== base || name === 'serveStatic' ? [`GET ${mounted}/*`] : []
  })
}

function mountOf(layer: Layer, base: string, known: string[]): string {
  if (layer.slash ?? layer.regexp?.fast_slash) return ''
  const mount = known
    .filter((path) => path.startsWith(`${base}/`))
    .map((path) => path.slice(base.length))
    .find((path) => {
      const match = layer.match(path)
      return (typeof match === 'object' ? match.path : match && layer.path) === path
    })
  return mount ?? `/(where the table has nothing, by ${layer.name})`
}
