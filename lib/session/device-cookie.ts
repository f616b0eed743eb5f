import type { Request, Response } from 'express'
import { hashOfToken } from '../account/devices'

const NAME = 'second-factor-device'
/** Accounts that are trusted in one browser. */
const MOST_TOKENS = 5
const TOKEN = /^[\w-]{43}$/

/**
 * The tokens by which this browser is trusted, newest first: one for each account that was trusted here. Which
 * account a token is of stands in no cookie, only in that account's record.
 */
function tokensOf(req: Request): string[] {
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const [name, value = ''] = pair.trim().split('=')
    if (name === nameFor(req))
      return value
        .split('.')
        .filter((token) => TOKEN.test(token))
        .slice(0, MOST_TOKENS)
  }
  return []
}

/** The hashes of the tokens that this browser has. */
export function deviceHashes(req: Request): string[] {
  return tokensOf(req).map(hashOfToken)
}

/** @param maxAge milliseconds */
export function rememberDevice(req: Request, res: Response, token: string, maxAge: number): void {
  const value = [token, ...tokensOf(req)].slice(0, MOST_TOKENS).join('.')
  res.cookie(nameFor(req), value, { httpOnly: true, secure: req.secure, sameSite: 'lax', path: '/', maxAge })
}

/** `__Host-`: set over HTTPS by this very host, for all of it, and by nobody else (RFC 6265bis section 4.1.3.2). */
function nameFor(req: Request): string {
  return req.secure ? `__Host-${NAME}` : NAME
}
