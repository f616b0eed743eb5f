import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ParsedMail, simpleParser } from 'mailparser'
import { createApp } from '../../example-app/app'
import { readConfig } from '../../example-app/config'
import { PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { host, type Site } from '../support/browser'

let dataDir: string
let site: Site
let close: () => Promise<void>

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'language-'))
  const made = await createApp(readConfig({ DATA_DIR: dataDir, PUBLIC_URL: 'https://quayside.example/' }))
  site = await host(made.app)
  close = made.close
})
afterEach(async () => {
  await site.close()
  await close()
  rmSync(dataDir, { recursive: true })
})

/** Somebody without JavaScript: pages, forms and cookies. */
class Visitor {
  readonly cookies = new Map<string, string>()

  constructor(readonly accepts = 'en') {}

  async send(path: string, form?: Record<string, string>): Promise<{ status: number; html: string }> {
    const response = await fetch(site.origin + path, {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        'accept-language': this.accepts,
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
      ...(form && { body: new URLSearchParams(form) }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      this.cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location) return this.send(location)
    return { status: response.status, html: await response.text() }
  }

  /** Sends the form on that page whose button it is, by its action. */
  async submit(page: string, action: string, fields: Record<string, string> = {}) {
    const { html } = await this.send(page)
    const [, form = ''] = new RegExp(`<form[^>]*action="${action}"[^>]*>(.*?)</form>`, 's').exec(html) ?? []
    const hidden = [...form.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)]
    const kept = Object.fromEntries(hidden.map(([, name, value]) => [name, value]))
    return this.send(action, { ...kept, ...fields })
  }

  logIn(fields: Record<string, string> = {}) {
    return this.submit('/login', '/login', { username: 'alice', password: PASSWORD, ...fields })
  }

  async enable(): Promise<void> {
    await this.submit('/two-factor', '/two-factor/enable')
    const { html } = await this.send('/two-factor/enable')
    const [, key = ''] = /id="sf-key"[^>]*>(.*?)</s.exec(html) ?? []
    const code = new Authenticator(key.trim(), Date.now).code()
    const { html: codes } = await this.submit('/two-factor/enable', '/two-factor/enable/confirm', { code })
    expect(codes).toContain('sf-codes')
  }
}

async function theMail(): Promise<ParsedMail> {
  const folder = join(dataDir, 'mail')
  for (let tries = 0; tries < 100; tries++) {
    const [name] = readdirSync(dataDir).includes('mail') ? readdirSync(folder) : []
    if (name) return simpleParser(readFileSync(join(folder, name)))
    await delay(20)
  }
  throw new Error('no mail came')
}

test('without a mail server the mail is a file, with the way to the settings', async () => {
  const visitor = new Visitor()
  await visitor.logIn()
  await visitor.enable()
  const { subject, from, to, text } = await theMail()
  expect(subject).toBe('Quayside Savings: Two-factor authentication is on')
  expect(from?.text).toBe('"Quayside Savings" <security@quayside.example>')
  expect([to].flat()[0]?.text).toBe('alice@example.com')
  expect(text).toContain('https://quayside.example/two-factor')
})

test('a mail comes in the language last chosen at a login, whatever the browser says', async () => {
  await new Visitor().logIn({ lang: 'de' })
  await new Visitor().logIn({ lang: 'ru' })
  const visitor = new Visitor('fr')
  await visitor.logIn()
  await visitor.enable()
  const { subject, html } = await theMail()
  expect(subject).toMatch(/[а-я]{5}/)
  expect(html).toContain('<html lang="ru" dir="ltr">')
})

test.each([
  ['en-GB', 'en', 'ltr'],
  ['uk', 'uk', 'ltr'],
  ['xx, pt-PT;q=0.9, de;q=0.5', 'pt', 'ltr'],
  ['ar-EG', 'ar', 'rtl'],
  ['xx', 'en', 'ltr'],
  ['*', 'en', 'ltr'],
])('a browser that wants %s begins in %s', async (accepts, lang, dir) => {
  const { html } = await new Visitor(accepts).send('/login')
  expect(html).toContain(`<html lang="${lang}" dir="${dir}">`)
  expect(html).toContain(`<option value="${lang}" lang="${lang}" selected>`)
  expect(html.match(/<option/g)).toHaveLength(10)
})

test('the choice stays through a refused login, the account, the plugin and the logout', async () => {
  const visitor = new Visitor('en')
  const german = expect.stringContaining('<html lang="de" dir="ltr">')
  const refused = await visitor.logIn({ password: 'wrong', lang: 'de' })
  expect(refused).toEqual({ status: 401, html: german })
  expect((await visitor.logIn({ lang: 'de' })).html).toEqual(german)
  for (const path of ['/', '/account', '/two-factor', '/nowhere'])
    expect((await visitor.send(path)).html).toEqual(german)
  expect((await visitor.submit('/account', '/logout')).html).toEqual(german)
  visitor.cookies.delete('quayside.sid')
  expect((await visitor.send('/login')).html).toEqual(german)
})

test.each(['xx', '../de', 'de"><script>', ''])('no language is called %j', async (lang) => {
  const visitor = new Visitor('ru')
  const { status, html } = await visitor.logIn({ lang })
  expect([status, visitor.cookies.has('lang')]).toEqual([200, false])
  expect(html).toContain('<html lang="ru"')
})

test('a cookie that nobody here made is not looked at', async () => {
  const visitor = new Visitor('ru')
  visitor.cookies.set('lang', 'constructor')
  expect((await visitor.send('/login')).html).toContain('<html lang="ru"')
})

test('a tag that no formatter takes is no language, and no error', async () => {
  const visitor = new Visitor('ru')
  await visitor.logIn({ username: 'carol' })
  const { cookies } = visitor
  for (const tag of [
    'en-11',
    'en-GB-GB',
    'de-abcdefgh-abcdefgh',
    'zh-Hans-Hans',
    `en-${'a-'.repeat(2000)}`,
  ]) {
    const asking = Object.assign(new Visitor(tag), { cookies: new Map(cookies) })
    expect([tag, (await asking.send('/account')).status]).toEqual([tag, 200])
    cookies.set('lang', tag)
    expect([tag, (await visitor.send('/account')).status]).toEqual([tag, 200])
    cookies.delete('lang')
  }
})

describe('the catalogues', () => {
  type Catalogue = { [key: string]: string | Catalogue }
  const folder = join(__dirname, '../../example-app/locales')
  const flat = (catalogue: Catalogue, path = ''): [string, string][] =>
    Object.entries(catalogue).flatMap(([key, value]) =>
      typeof value === 'string' ? [[path + key, value]] : flat(value, `${path}${key}.`),
    )
  const read = (tag: string) => new Map(flat(JSON.parse(readFileSync(join(folder, `${tag}.json`), 'utf8'))))
  const bare = (key: string) => key.replace(/_(zero|one|two|few|many|other)$/, '')
  const places = (text = '') => (text.match(/{{\w+}}/g) ?? []).filter((name) => name !== '{{number}}').sort()

  test.each(['ar', 'de', 'en', 'es', 'fr', 'ja', 'pt', 'ru', 'uk', 'zh'])('%s has all the words', (tag) => {
    const english = read('en')
    const words = read(tag)
    const wanted = [...english.keys()].flatMap((key) =>
      bare(key) === key
        ? [key]
        : new Intl.PluralRules(tag)
            .resolvedOptions()
            .pluralCategories.map((category) => `${bare(key)}_${category}`),
    )
    expect([...words.keys()].sort()).toEqual([...new Set(wanted)].sort())
    for (const [key, text] of words) {
      expect([key, places(text)]).toEqual([
        key,
        places(english.get(key) ?? english.get(`${bare(key)}_other`)),
      ])
      expect([key, text]).toEqual([key, expect.not.stringMatching(/^\s|\s$|[<>]|^$/)])
    }
  })
})
