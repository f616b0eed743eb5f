import type { Request, Response } from 'express'
import { ConfigurationError } from '../errors'

export interface HeadersOptions {
  /** Sources added to directives of the policy, such as `{ 'img-src': ['https://cdn.example.com'] }`. */
  contentSecurityPolicy?: Record<string, string[]> | undefined
  /** Origins that a form's redirect may lead to, besides our own. */
  formAction?: string[] | undefined
  /** The nonce of this answer, where the host's layout has scripts or styles of its own. */
  nonce?: ((req: Request, res: Response) => string | undefined) | undefined
  /** Extra style sheets; the origins of absolute URLs are allowed in the policy. */
  stylesheets?: string[] | undefined
}

/** Sets the headers of every page and JSON answer, and returns the nonce, if there is one. */
export type SetHeaders = (req: Request, res: Response) => string | undefined

/** Fixes the policy once; only the nonce differs from answer to answer. */
export function createHeaders(options: HeadersOptions = {}): SetHeaders {
  if (options.formAction !== undefined && !isListOfTexts(options.formAction)) {
    throw new ConfigurationError(
      'SF_CSP',
      "Option formAction is a list of origins: ['https://app.example.com']",
    )
  }
  if (options.stylesheets !== undefined && !Array.isArray(options.stylesheets)) {
    throw new ConfigurationError('SF_CSP', "Option stylesheets is a list of URLs: ['/two-factor.css']")
  }
  const policy = new Map<string, string[]>([
    ['default-src', ["'none'"]],
    ['script-src', ["'self'"]],
    ['style-src', ["'self'", ...originsOf(options.stylesheets ?? [])]],
    ['img-src', ["'self'"]],
    ['font-src', ["'self'"]],
    ['connect-src', ["'self'"]],
    ['form-action', ["'self'", ...(options.formAction ?? [])]],
    ['frame-ancestors', ["'none'"]],
    ['base-uri', ["'none'"]],
  ])
  for (const [name, sources] of Object.entries(options.contentSecurityPolicy ?? {})) {
    // imgSrc is how helmet writes img-src.
    const directive = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    if (!/^[a-z]+(-[a-z]+)*$/.test(directive) || !isListOfTexts(sources)) {
      throw new ConfigurationError(
        'SF_CSP',
        `Option contentSecurityPolicy holds lists of sources, such as { 'img-src': ['https://cdn.example.com'] }: see ${name}`,
      )
    }
    // 'none' beside a source would be void, and browsers warn.
    const present = (policy.get(directive) ?? []).filter(
      (source) => source !== "'none'" || sources.length === 0,
    )
    policy.set(directive, [...new Set([...present, ...sources])])
  }

  const withNonce = (nonce?: string) =>
    [...policy]
      .map(([directive, sources]) => {
        const takesNonce = nonce && (directive === 'script-src' || directive === 'style-src')
        return [directive, ...sources, ...(takesNonce ? [`'nonce-${nonce}'`] : [])].join(' ')
      })
      .join('; ')
  const withoutNonce = withNonce()

  return function setHeaders(req, res) {
    const nonce = options.nonce?.(req, res)
    if (nonce !== undefined && !/^[\w+/=-]+$/.test(nonce)) throw new TypeError('A CSP nonce is base64')
    res.setHeader('Cache-Control', 'no-store')
    res.setHeader('Content-Security-Policy', nonce ? withNonce(nonce) : withoutNonce)
    // Not no-referrer: with it our own forms would post `Origin: null`, which hosts that check Origin refuse.
    res.setHeader('Referrer-Policy', 'same-origin')
    res.setHeader('X-Content-Type-Options', 'nosniff')
    return nonce
  }
}

function originsOf(urls: string[]): string[] {
  return [...new Set(urls.filter((url) => URL.canParse(url)).map((url) => new URL(url).origin))]
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && !/[;,\s]/.test(item))
}
