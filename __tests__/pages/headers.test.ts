import { samples } from './samples'
import { rendererOf, show } from './support'

const policyOf = (headers: Record<string, string>) =>
  Object.fromEntries(
    String(headers['content-security-policy'])
      .split('; ')
      .map((directive) => directive.split(/ (.*)/s).slice(0, 2)),
  )

test('no store, no sniffing, no referrer elsewhere, and a strict policy', async () => {
  const { headers } = await show(samples.disable)
  expect(headers['cache-control']).toBe('no-store')
  expect(headers['referrer-policy']).toBe('same-origin')
  expect(headers['x-content-type-options']).toBe('nosniff')
  expect(headers.etag).toBeUndefined()
  expect(policyOf(headers)).toEqual({
    'default-src': "'none'",
    'font-src': "'self'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': "'self'",
    'connect-src': "'self'",
    'form-action': "'self'",
    'frame-ancestors': "'none'",
    'base-uri': "'none'",
  })
})

test('the host adds sources and origins, and its nonce', async () => {
  const { headers, text } = await show(samples.disable, {
    contentSecurityPolicy: {
      'img-src': ['https://cdn.example'],
      'font-src': ["'self'"],
      'frame-ancestors': ["'self'"],
    },
    formAction: ['https://login.example'],
    nonce: (_req, res) => res.locals.fromHost && 'bm9uY2U=',
  })
  expect(policyOf(headers)).toMatchObject({
    'script-src': "'self' 'nonce-bm9uY2U='",
    'style-src': "'self' 'nonce-bm9uY2U='",
    'img-src': "'self' https://cdn.example",
    'font-src': "'self'",
    'frame-ancestors': "'self'",
    'form-action': "'self' https://login.example",
  })
  expect(text.match(/nonce="bm9uY2U="/g)).toHaveLength(2)
})

test('a nonce cannot add to the policy', async () => {
  const { status } = await show(samples.disable, { nonce: () => "x'; script-src *" })
  expect(status).toBe(500)
})

test('answers that are no pages get the same headers', () => {
  const set = new Map<string, string>()
  const res = { setHeader: (name: string, value: string) => set.set(name, value) }
  const { headers } = rendererOf()
  expect(headers({} as never, res as never)).toBeUndefined()
  expect([...set.keys()].sort()).toEqual([
    'Cache-Control',
    'Content-Security-Policy',
    'Referrer-Policy',
    'X-Content-Type-Options',
  ])
})
