import type { Request } from 'express'

/**
 * A program is answered in JSON, everybody else with a page: `Accept` names JSON and not HTML, or is the
 * wildcard or absent. A browser that says it is loading a document is never a program.
 */
export function isProgram(req: Request): boolean {
  if (req.headers['sec-fetch-dest'] === 'document') return false
  const accept = req.headers.accept?.toLowerCase().trim()
  if (accept === undefined || accept === '' || accept === '*/*') return true
  return accept.includes('application/json') && !accept.includes('text/html')
}

/** Somebody is on the way to a page: `Sec-Fetch-Dest` tells where it is sent, else `Accept`. */
export function isNavigation(req: Request): boolean {
  if (req.method !== 'GET' && req.method !== 'HEAD') return false
  const destination = req.headers['sec-fetch-dest']
  if (destination !== undefined) return destination === 'document'
  return req.headers.accept?.toLowerCase().includes('text/html') ?? false
}
