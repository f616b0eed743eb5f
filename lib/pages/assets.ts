import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { RequestHandler } from 'express'

const ours = join(__dirname, '../../views/assets')
const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

export interface Assets {
  /** For `router.use('/assets', handler)`. What it does not know falls through. */
  handler: RequestHandler
  /** The path below `/assets` of a file, with the hash of its content: `/second-factor.3f2a….css`. */
  path(file: string): string
}

/** What the browser need not be sent. */
function withoutComments(css: string): string {
  return css.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\n\s+/g, '\n')
}

/** Our CSS and JS, read once. A file of the same name in `<views>/assets` replaces ours. */
export function createAssets(views?: string): Assets {
  const paths = new Map<string, string>()
  const files = new Map<string, { type: string; body: Buffer }>()
  for (const name of readdirSync(ours)) {
    const extension = extname(name)
    const type = types[extension]
    if (type === undefined) continue
    const theirs = views && join(views, 'assets', name)
    const text = readFileSync(theirs && existsSync(theirs) ? theirs : join(ours, name), 'utf8')
    const body = Buffer.from(extension === '.css' ? withoutComments(text) : text)
    const hash = createHash('sha256').update(body).digest('hex').slice(0, 12)
    const path = `/${name.slice(0, -extension.length)}.${hash}${extension}`
    paths.set(name, path)
    files.set(path, { type, body })
  }

  return {
    handler: function secondFactorAssets(req, res, next) {
      const file = files.get(req.path)
      if (!file || (req.method !== 'GET' && req.method !== 'HEAD')) return next()
      // The URL changes with the content, so it may be kept for ever.
      res.setHeader('Cache-Control', 'public, max-age=31536000, immutable')
      res.setHeader('Content-Type', file.type)
      res.setHeader('Content-Length', file.body.length)
      res.setHeader('X-Content-Type-Options', 'nosniff')
      res.end(req.method === 'HEAD' ? undefined : file.body)
    },
    path(file) {
      const path = paths.get(file)
      if (path === undefined) throw new Error(`There is no asset ${file}`)
      return path
    },
  }
}
