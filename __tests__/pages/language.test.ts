import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { httpStatusOf } from '../../lib/errors'
import { createLanguages, type LanguagesOptions, problemDetail, problemTitle } from '../../lib/pages/language'
import { samples } from './samples'
import { folderOf, show } from './support'

const root = join(__dirname, '../..')

/** What `req.acceptsLanguages()` gives: the reader's languages, the dearest first. */
const of = (accepted: string[], options: LanguagesOptions = {}) =>
  createLanguages(options).of({ acceptsLanguages: () => accepted } as never)

const german = { 'da.json': '{ "common": { "back": "Tilbage" } }', 'ar.json': '{}', 'pt-BR.json': '{}' }

describe('choosing', () => {
  const locales = folderOf(german)
  test.each([
    [['de-AT', 'en'], 'de'],
    [['it', 'de'], 'de'],
    [['it'], 'en'],
    [['pt-br'], 'pt-BR'],
    [['nl'], 'en'],
    [['pt'], 'pt'],
    [['zh-Hant-TW'], 'zh'],
    [['*'], 'en'],
    [['x'.repeat(5000), '../../etc', '__proto__', 'constructor'], 'en'],
    [[], 'en'],
  ])('%j -> %s', (accepted, tag) => {
    expect(of(accepted, { locales }).tag).toBe(tag)
  })

  test("the host's word goes first, if there is a catalogue for it", () => {
    expect(of(['en'], { locales, language: () => 'de' }).tag).toBe('de')
    expect(of(['de'], { locales, language: () => undefined }).tag).toBe('de')
    expect(of(['de'], { locales, language: () => 'it' }).tag).toBe('de')
  })

  test.each([
    [{ session: { lang: 'de' }, language: 'fr', locale: 'es' }, 'de'],
    [{ session: {}, language: 'fr', locale: 'es' }, 'fr'],
    [{ language: 'dev', locale: 'es' }, 'es'],
    [{ session: { lang: ['de'] }, language: ['fr'], locale: 7 }, 'ja'],
    [{ session: undefined }, 'ja'],
  ])('what the user chose goes before the browser: %j -> %s', (chosen, tag) => {
    const req = { ...chosen, acceptsLanguages: () => ['ja'] } as never
    expect(createLanguages().of(req).tag).toBe(tag)
    expect(createLanguages({ language: () => 'ar' }).of(req).tag).toBe('ar')
  })

  test('reads Accept-Language, and says so in the page', async () => {
    const page = await show(samples.disable, { locales }).set('Accept-Language', 'it;q=0.9, ar;q=0.8')
    expect(page.text).toContain('<html lang="ar" dir="rtl">')
    expect(page.text).toMatch(/<section class="sf-card[^>]* lang="ar" dir="rtl"/)
  })
})

describe("the host's catalogues", () => {
  test('a language of their own falls back to English word by word', () => {
    const language = of(['da'], { locales: folderOf(german) })
    expect(language.t('common.back')).toBe('Tilbage')
    expect(language.t('common.cancel')).toBe('Cancel')
  })

  test('merge over ours', () => {
    const locales = folderOf({ 'en.json': '{ "challenge": { "title": { "totp": "Your code, please" } } }' })
    const language = of(['en'], { locales })
    expect(language.t('challenge.title.totp')).toBe('Your code, please')
    expect(language.t('challenge.title.backup-code')).toBe('Enter a backup code')
    expect(of(['en']).t('challenge.title.totp')).toBe('Enter the code from your authenticator app')
  })

  test('what cannot be read is known at the start', () => {
    expect(() => createLanguages({ locales: '/nowhere' })).toThrow('SF_LOCALES_MISSING')
    expect(() => createLanguages({ locales: folderOf({ 'de.json': '{' }) })).toThrow('SF_LOCALE_UNREADABLE')
    expect(() => createLanguages({ locales: folderOf({ 'not a tag.json': '{}' }) })).toThrow('SF_LOCALE_NAME')
  })
})

test('what no language is called is passed over, and only so many wishes are heard', () => {
  const long = `de-x-${'a-'.repeat(4000)}a`
  expect(of([long, 'en'], { locales: folderOf(german) }).tag).toBe('en')
  expect(of([...Array(20).fill('xx'), 'de'], { locales: folderOf(german) }).tag).toBe('en')
  expect(of([...Array(19).fill('xx'), 'de'], { locales: folderOf(german) }).tag).toBe('de')
})

describe('dates and numbers', () => {
  const may = new Date('2025-05-03T14:05:00Z')
  test('in the form of the reader', () => {
    expect(of(['en-GB']).date(may)).toBe('3 May 2025')
    expect(of(['en-US']).date(may)).toBe('May 3, 2025')
    expect(of(['en-GB']).time(may)).toBe('14:05 UTC')
    expect(of(['de-DE'], { locales: folderOf(german) }).number(1234.5)).toBe('1.234,5')
  })

  test('this year goes without saying', () => {
    const today = new Date()
    expect(of(['en']).date(today)).not.toContain(String(today.getUTCFullYear()))
  })
})

describe('problems', () => {
  const language = of(['en-GB'])

  test.each(Object.keys(httpStatusOf) as (keyof typeof httpStatusOf)[])(
    '%s has a title and a detail',
    (code) => {
      expect(problemTitle(language, { code })).not.toContain('problems.')
      // These two are never told without their moment.
      const moment = { lockedUntil: new Date(0), retryAt: new Date(0) }
      expect(problemDetail(language, { code, ...moment })).not.toContain('problems.')
    },
  )

  test('a password that has no shape of one is not called a code', () => {
    expect(problemTitle(language, { code: 'malformed', about: 'password' })).toBe('That cannot be understood')
    expect(problemTitle(language, { code: 'malformed' })).toBe('That is not a code')
  })

  test('a lock says until when', () => {
    const lockedUntil = new Date('2025-05-03T14:05:00Z')
    expect(problemDetail(language, { code: 'locked', lockedUntil })).toContain('Try again at 14:05 UTC.')
    expect(problemDetail(language, { code: 'locked', lockedUntil: null })).toContain('no longer accepted')
  })

  test.each([
    [60, false, 'slow', 'about 1 minute behind'],
    [600, false, 'fast', 'about 10 minutes ahead'],
    [1800, true, 'slow', '30 minutes behind'],
    [3600, true, 'slow', '1 hour behind'],
    [20700, true, 'fast', '5.75 hours ahead'],
  ] as const)('a clock %d seconds off', (seconds, timeZone, direction, expected) => {
    const detail = problemDetail(language, { code: 'invalid_code', clock: { seconds, timeZone, direction } })
    expect(detail).toContain(expected)
    expect(detail.includes('time zone seems wrong')).toBe(timeZone)
  })
})

test('the English catalogue has every key that is used, and no other', () => {
  const files = [
    ...readdirSync(join(root, 'views'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ejs'))
      .map((file) => join(root, 'views', file)),
    ...readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(root, 'lib', file)),
  ]
  const used = files
    .flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(/(?:\bt\(\s*|\bkey: )(['`])([\w-]+\.[^'`]+|\$[^'`]+)\1/g),
    ])
    .map((match) => String(match[2]))
  // `problems.${code}.title` stands for every key of that form.
  const patterns = used.map(
    (key) =>
      new RegExp(
        `^${key
          .split(/\$\{[^}]*\}/)
          .map((part) => part.replaceAll('.', '\\.'))
          .join('[^.]+')}$`,
      ),
  )

  const keys: string[] = []
  const walk = (node: object, path: string) => {
    for (const [key, value] of Object.entries(node)) {
      if (typeof value === 'object') walk(value, `${path}${key}.`)
      else keys.push(`${path}${key}`.replace(/_(one|other)$/, ''))
    }
  }
  walk(JSON.parse(readFileSync(join(root, 'views/locales/en.json'), 'utf8')), '')

  expect(used.length).toBeGreaterThan(60)
  expect(keys.filter((key) => !patterns.some((pattern) => pattern.test(key)))).toEqual([])
  expect(used.filter((_, index) => !keys.some((key) => patterns[index]?.test(key)))).toEqual([])
})
