import type { Response } from 'express'

/** What a host's answer consists of. */
const ANSWERING = ['end', 'write', 'writeHead', 'flushHeaders'] as const

const COOKIES = 'set-cookie'

/**
 * Runs what may answer, and sets the answer aside, for one of ours that nothing must take the place of. Cookies stay.
 *
 * @returns where it redirected to; null: it did not
 */
export async function setAside(res: Response, work: () => unknown): Promise<string | null> {
  const { statusCode } = res
  const headers = new Map(Object.entries(res.getHeaders()))
  const own = ANSWERING.map((name) => [name, Object.getOwnPropertyDescriptor(res, name)] as const)
  for (const name of ANSWERING) {
    Object.defineProperty(res, name, { configurable: true, writable: true, value: () => res })
  }
  try {
    await work()
    const { location } = res.getHeaders()
    return res.statusCode >= 300 && res.statusCode < 400 && typeof location === 'string' ? location : null
  } finally {
    for (const [name, descriptor] of own) {
      if (descriptor) Object.defineProperty(res, name, descriptor)
      else delete (res as Partial<Response>)[name]
    }
    res.statusCode = statusCode
    for (const name of res.getHeaderNames()) if (name !== COOKIES) res.removeHeader(name)
    for (const [name, value] of headers)
      if (name !== COOKIES && value !== undefined) res.setHeader(name, value)
  }
}
