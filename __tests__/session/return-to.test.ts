import fc from 'fast-check'
import { ownPath, refererPath } from '../../lib/session/return-to'
import { anyCharacter, anyWebUrl } from '../support/any-text'

test.each([
  '/',
  '/account',
  '/account?tab=2&q=a+b%20c',
  '/a//b',
  '/login?next=https://example.com/',
  '/%0d%0aSet-Cookie:x',
  '/%2f%2fevil.example',
  '/@evil.example',
  '/#top',
  `/${'a'.repeat(2047)}`,
])('%s is a path of this site', (url) => {
  expect(ownPath(url)).toBe(url)
})

test.each<[string, unknown]>([
  ['two slashes', '//evil.example'],
  ['three slashes', '///evil.example'],
  ['a backslash', '/\\evil.example'],
  ['a backslash further on', '/a\\b'],
  ['two backslashes', '\\\\evil.example'],
  ['a tab in between', '/\t/evil.example'],
  ['a line break in between', '/\n/evil.example'],
  ['a header', '/a\r\nSet-Cookie: x=1'],
  ['a null byte', '/a\0b'],
  ['a space', '/a b'],
  ['a space in front', ' /a'],
  ['DEL', '/a\x7f'],
  ['a letter beyond ASCII', '/é'],
  ['a fullwidth slash', '/／evil.example'],
  ['an absolute URL', 'https://evil.example/'],
  ['an absolute URL of this site', 'http://host.invalid/'],
  ['a scheme without slashes', 'https:evil.example'],
  ['a script', 'javascript:alert(1)'],
  ['data', 'data:text/html,x'],
  ['a relative path', 'account'],
  ['a dot', './account'],
  ['a query', '?a'],
  ['nothing', ''],
  ['2049 characters', `/${'a'.repeat(2048)}`],
  ['an array', ['/account']],
  ['an object', { toString: () => '/account' }],
  ['null', null],
  ['undefined', undefined],
])('%s is none', (_what, url) => {
  expect(ownPath(url)).toBeNull()
})

describe('whatever comes back leads to this site', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '/',
      '\\',
      '.',
      '..',
      '//',
      '/./',
      '@',
      ':',
      '?',
      '#',
      '\t',
      '\n',
      '\r',
      ' ',
      '\0',
      '%2f',
      '%5c',
    ),
    fc.constantFrom('evil.example', 'https:', 'javascript:', 'host', '[::1]', 'a', '%', '％', '\ufeff', '。'),
    fc.string({ unit: anyCharacter, maxLength: 2 }),
  )
  const tricky = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))

  test.each(['https://shop.example', 'http://localhost:3000'])('%s', (origin) => {
    fc.assert(
      fc.property(
        fc.oneof(
          tricky,
          tricky.map((rest) => `/${rest}`),
        ),
        (url) => {
          const path = ownPath(url)
          if (path !== null) {
            expect(path).toBe(url)
            expect(new URL(path, `${origin}/login`).origin).toBe(origin)
            expect(path).toMatch(/^[\x21-\x7e]+$/)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('from a Referer, too', () => {
    const referer = fc.oneof(
      tricky,
      tricky.map((rest) => `https://shop.example${rest}`),
      tricky.map((rest) => `https://shop.example/${rest}`),
      anyWebUrl,
    )
    fc.assert(
      fc.property(referer, (referer) => {
        const path = refererPath(referer, 'shop.example')
        if (path !== null) {
          expect(new URL(referer).host).toBe('shop.example')
          expect(new URL(path, 'https://shop.example').origin).toBe('https://shop.example')
        }
      }),
      { numRuns: 1000 },
    )
  })
})

test.each<[string, string | undefined, string | undefined, string | null]>([
  ['a page of this site', 'https://shop.example/cart?id=1#x', 'shop.example', '/cart?id=1'],
  ['its port and all', 'http://localhost:3000/cart', 'localhost:3000', '/cart'],
  ['another port', 'http://localhost:4000/cart', 'localhost:3000', null],
  ['another site', 'https://evil.example/cart', 'shop.example', null],
  ['a name in front of it', 'https://evil.shop.example/', 'shop.example', null],
  ['this site as user name', 'https://shop.example@evil.example/', 'shop.example', null],
  ['a path with two slashes', 'https://shop.example//evil.example', 'shop.example', null],
  ['a dot before two slashes', 'https://shop.example/.//evil.example', 'shop.example', null],
  ['no URL', 'cart', 'shop.example', null],
  ['a script', 'javascript:alert(1)', 'shop.example', null],
  ['no Referer', undefined, 'shop.example', null],
  ['an empty Referer', '', 'shop.example', null],
  ['no Host', 'https://shop.example/cart', undefined, null],
])('the page that a form was posted from: %s', (_what, referer, host, path) => {
  expect(refererPath(referer, host)).toBe(path)
})
