import type { RequestHandler } from 'express'

/** The pages run no script at all, and nobody frames them. The plugin sets its own on its pages. */
export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Content-Security-Policy':
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    // Pages differ by who is logged in.
    'Cache-Control': 'no-store',
  })
  next()
}

/** `OPTIONS *` has no page here, and a request line with a whole URL is for proxies. */
export const onlyPaths: RequestHandler = (req, res, next) => {
  if (req.url.startsWith('/')) next()
  else res.sendStatus(400)
}
