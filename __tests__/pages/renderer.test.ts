import { join } from 'node:path'
import request from 'supertest'
import { httpStatusOf } from '../../lib/errors'
import type { Page } from '../../lib/pages/page'
import type { LayoutParts } from '../../lib/pages/renderer'
import { samples } from './samples'
import { appOf, folderOf, rendererOf, show } from './support'

const every: [string, Page][] = Object.entries(samples)

describe('every page', () => {
  test.each(every)('%s: one heading, one card, and words for everything', async (_name, page) => {
    const { text, headers } = await show(page, { support: 'help@acme.example' })
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(text.match(/<h1/g)).toHaveLength(1)
    expect(text.match(/<main/g)).toHaveLength(1)
    expect(text.match(/class="sf-primary/g)?.length ?? 0).toBeLessThanOrEqual(1)
    // A key without words would show as itself.
    expect(text).not.toMatch(/>[^<]*\b(problems|challenge|settings|common|enable|lock)\.[a-zA-Z]+/)
    expect(text).not.toMatch(/\b(undefined|NaN|\[object)|\{\{/)
    expect(text).not.toMatch(/\b(OTP|TOTP|token|credentials)\b(?!-)/)
  })

  test.each(every)('%s: every form carries the token', async (_name, page) => {
    const { text } = await show(page)
    // A search changes nothing.
    const forms = text.split('<form').filter((form, i) => i > 0 && !/^[^>]*method="get"/.test(form))
    for (const form of forms) {
      expect(form.split('</form>')[0]).toContain('<input type="hidden" name="_csrf" value="csrf-token-1">')
      expect(form).toMatch(/^[^>]*method="post" action="(\/admin)?\/two-factor\//)
    }
  })

  test.each(every)('%s: nothing inline for the policy to refuse', async (_name, page) => {
    const { text } = await show(page)
    expect(text).not.toMatch(/\son\w+=|\sstyle=|<style|javascript:|<script(?! src=)/i)
  })

  test.each(every)('%s: markup in a name stays text', async (_name, page) => {
    const evil = `"'><sfx onload=alert(1)>&\u0000{{t}}$t(common.back)`
    const words = ['name', 'kind', 'method', 'otherMethod', 'ask', 'code', 'direction', 'qr']
    const poison = (value: unknown, key = ''): unknown => {
      if (typeof value === 'string') return words.includes(key) ? value : evil
      if (Array.isArray(value)) return value.map((item) => poison(item))
      if (value instanceof Date || value === null || typeof value !== 'object') return value
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, poison(v, k)]))
    }
    const { text } = await show(poison(page) as Page, {
      issuer: evil,
      support: { text: evil, href: evil },
      stylesheets: [evil],
      base: () => evil,
    })
    expect(text).toContain('&lt;sfx')
    expect(text).not.toContain('<sfx')
    expect(text).not.toContain(`"'>`)
  })
})

test.each(['continueTo', 'wayBack', 'uri'])('%s never becomes a script', async (field) => {
  const page = every.map(([, sample]) => sample).find((sample) => field in sample) as Page
  const { text } = await show({ ...page, ask: 'login', [field]: 'JavaScript:alert(1)' } as Page)
  expect(text).not.toMatch(/javascript:/i)
  expect(text).toContain('href="#"')
})

test('what is on Object.prototype is no field of a page', async () => {
  const prototype = Object.prototype as Record<string, unknown>
  prototype.problem = { code: 'locked', detail: 'polluted' }
  prototype.until = null
  try {
    const { text } = await show({ name: 'disable' })
    expect(text).not.toMatch(/polluted|sf-lock|role="alert"/)
  } finally {
    delete prototype.problem
    delete prototype.until
  }
})

describe('settings', () => {
  test('off: why, and the one thing to do', async () => {
    const { text } = await show(samples.off)
    expect(text).toContain('action="/two-factor/enable"')
    expect(text).not.toContain('disable')
  })

  test('on: since when, codes left, disable last', async () => {
    const { text } = await show(samples.on).set('Accept-Language', 'en-GB')
    expect(text).toContain(
      'On since <time datetime="2025-05-03T10:00:00.000Z" data-sf-time="date">3 May 2025</time>',
    )
    expect(text).toContain('4 of 5 left')
    expect(text).not.toContain('sf-warning')
    expect(text.indexOf('/two-factor/disable')).toBeGreaterThan(text.indexOf('/two-factor/backup-codes'))
  })

  test('below three codes it warns', async () => {
    expect((await show(samples.few)).text).toContain('running out of backup codes')
    expect((await show(samples.none)).text).toContain('no backup codes left')
  })

  test('demanded by the host: no way to disable', async () => {
    const { text } = await show(samples.demanded)
    expect(text).not.toContain('/two-factor/disable')
    expect(text).toContain('must use two-factor authentication')
  })
})

describe('enable', () => {
  test('asks for what it needs before it begins', async () => {
    expect((await show(samples.start)).text).not.toContain('name="password"')
    expect((await show(samples.startPassword)).text).toMatch(
      /name="password" type="password" autocomplete="current-password"/,
    )
    const login = await show(samples.startLogin)
    expect(login.text).toContain('<input type="hidden" name="signInAgain" value="1">')
    expect(login.text).not.toContain('name="password"')
  })

  test('settings lead to where the password is asked, if it is', async () => {
    expect((await show(samples.off)).text).toContain('action="/two-factor/enable"')
    const old = await show({ ...samples.off, asksFirst: true } as Page)
    expect(old.text).not.toContain('action="/two-factor/enable"')
    expect(old.text).toContain('href="/two-factor/enable"')
  })

  test('demanded: the way out is to sign out', async () => {
    const { text } = await show(samples.startDemanded)
    expect(text).toContain('action="/two-factor/challenge/cancel"')
    expect(text).not.toContain('href="/two-factor"')
  })

  test('QR code, key, link, and the names of the enrolment', async () => {
    const { text } = await show(samples.enable)
    expect(text).toContain('<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    expect(text).toContain('JBSW Y3DP EHPK 3PXP')
    expect(text).toContain('href="otpauth://totp/Acme:alice?secret=JBSWY3DP&amp;issuer=Acme"')
    expect(text).toContain('name="enrolment" value="enrolment-1"')
    expect(text).toContain('action="/two-factor/enable/cancel"')
  })

  test('a clock that is off is named, with what to set', async () => {
    const slow = await show(samples.enableSlow)
    expect(slow.text).toContain('about 3 minutes behind')
    const zone = await show(samples.enableZone)
    expect(zone.text).toMatch(/time zone seems wrong: its clock is 1.5 hours ahead/)
    expect(zone.text).toContain('set date, time and time zone automatically')
  })
})

describe('new backup codes', () => {
  const codes = samples.fresh.codes ?? []

  test('the download works without JavaScript and tells what it is', async () => {
    const { text } = await show(samples.fresh)
    const [, file, data] = /download="([^"]+)" href="data:text\/plain;charset=utf-8,([^"]+)"/.exec(text) ?? []
    expect(file).toBe('Acme-backup-codes.txt')
    const lines = decodeURIComponent(data ?? '')
    expect(lines).toContain('alice@example.com')
    expect(lines).toContain('May 3, 2025')
    for (const code of codes) expect(lines).toContain(code)
  })

  test('everything that knows a code leaves with the countdown', async () => {
    const { text } = await show(samples.fresh)
    const box = text.slice(text.indexOf('<div class="sf-codes"'), text.indexOf('<div data-sf-gone'))
    for (const code of codes) {
      expect(text.split(code)).toHaveLength(3)
      expect(box.split(code)).toHaveLength(3)
    }
  })

  test('a name that no URL can hold does no harm', async () => {
    const { status, text } = await show({
      ...samples.fresh,
      accountName: 'half \ud800 a pair',
      issuer: '../../etc',
    })
    expect(status).toBe(200)
    expect(text).toContain('download="-etc-backup-codes.txt"')
  })

  test('shown once', async () => {
    const { text } = await show(samples.freshGone)
    expect(text).not.toMatch(/data:text|sf-code-list/)
    expect(text).toContain('href="/two-factor/backup-codes"')
  })

  test('says that the old ones are void only when there were some', async () => {
    expect((await show(samples.freshReplaced)).text).toContain('old backup codes no longer work')
    expect((await show(samples.fresh)).text).not.toContain('no longer work')
  })
})

describe('challenge', () => {
  test('a numeric field that takes spaces and the code that the phone offers', async () => {
    const { text } = await show(samples.challenge)
    expect(text).toMatch(
      /name="code" type="text" inputmode="numeric" autocomplete="one-time-code"[^>]* autofocus>/,
    )
    expect(text).not.toMatch(/maxlength|pattern=|name="code"[^>]*value=/)
    expect(text).toContain('href="/two-factor/challenge?method=backup-code"')
    expect(text).toContain('Cancel and sign out')
    expect(text).toContain('a…e@example.com')
    expect(text.match(/<details/g)).toHaveLength(4)
  })

  test('a text field for a backup code, and the way back', async () => {
    const { text } = await show(samples.challengeBackup)
    expect(text).toMatch(
      /name="code" type="text" inputmode="text" autocomplete="off" autocapitalize="characters"/,
    )
    expect(text).toContain('href="/two-factor/challenge?method=totp"')
    expect(text).toContain('action="/two-factor/challenge?method=backup-code"')
  })

  test('a refusal stands beside the field, is announced, and leads the title', async () => {
    const { text, status } = await show(samples.challengeRefused, {}, 401)
    expect(status).toBe(401)
    expect(text).toMatch(/<title>Error: /)
    expect(text).toMatch(
      /aria-invalid="true" aria-describedby="sf-error" autofocus>\s*<p class="sf-error" id="sf-error" role="alert">/,
    )
  })

  test('step-up says what for, without the query of where it leads', async () => {
    const { text } = await show(samples.stepUp)
    expect(text).toContain('To continue to <bdi class="sf-target">/transfer</bdi>, confirm that it is you.')
    expect(text).not.toContain('to=bob')
    expect(text).not.toContain('sign out')
  })

  test('locked: until when, and the other way', async () => {
    // From now on: on a busy machine the samples are older than their lock.
    const lock = { until: new Date(Date.now() + 29_000) }
    const { text } = await show({ ...samples.challengeLocked, lock })
    expect(text).toMatch(/data-sf-lock="\d\d"/)
    expect(text).toMatch(/Try again at <time datetime="[^"]+" data-sf-time="time">[^<]+UTC<\/time>/)
    expect(text).toMatch(/name="code"[^>]* disabled>/)
    expect(text).toMatch(/<button class="sf-primary" type="submit" disabled>/)
    expect(text).toContain('A backup code still works.')
    expect(text).not.toContain('sign in again')
    expect(text).not.toContain('autofocus')
  })

  test('locked for longer than the session lasts', async () => {
    const { text } = await show(samples.challengeLockedLong)
    expect(text).toContain('you will have to sign in again')
    expect(text).not.toContain('still works')
  })

  test('the lock is over', async () => {
    expect((await show(samples.challengeLockOver)).text).not.toMatch(/sf-lock| disabled/)
  })

  test('suspended: no field and no time', async () => {
    const { text } = await show(samples.challengeSuspended)
    expect(text).not.toMatch(/name="code"|<time/)
    expect(text).toContain('no longer accepted')
    expect(text).toContain('A backup code still works.')
  })

  test('page, style and script weigh less than 20 kB', async () => {
    const app = appOf(samples.challengeLocked, { support: 'help@acme.example' })
    const { text } = await request(app).get('/two-factor')
    let size = text.length
    const urls = [...text.matchAll(/(?:href|src)="(\/two-factor\/assets\/[^"]+)"/g)].map((match) =>
      String(match[1]),
    )
    expect(urls).toHaveLength(2)
    for (const url of urls) size += Number((await request(app).get(url)).headers['content-length'])
    expect(size).toBeLessThan(20_000)
  })
})

test('disabling: what is lost, the code, the way back', async () => {
  const { text } = await show(samples.disable)
  expect(text).toContain('your password alone opens your account')
  expect(text).toContain('action="/two-factor/disable"')
  expect(text).toContain('Keep it on')
})

describe('support', () => {
  test.each([
    ['help@acme.example', '<a href="mailto:help@acme.example">help@acme.example</a>'],
    ['https://acme.example/help', '<a href="https://acme.example/help">https://acme.example/help</a>'],
    ['Room 101', 'Get help: Room 101<'],
    [{ text: 'Help desk', href: 'tel:112' }, '<a href="tel:112">Help desk</a>'],
  ])('%j', async (support, expected) => {
    expect((await show(samples.challenge, { support })).text).toContain(expected)
  })
})

describe('where the router is mounted', () => {
  test('at the root, settings are at /', async () => {
    const { text } = await show(samples.disable, { base: () => '/' })
    expect(text).toContain('href="/"')
    expect(text).toContain('action="/disable"')
  })

  test('a path that would be another host is none', async () => {
    const { text } = await show(samples.disable, { base: () => '//evil.example' })
    expect(text).not.toContain('"//')
  })
})

describe('replacing', () => {
  test('a file of the host replaces ours, partials too, and the rest stays', async () => {
    const views = folderOf({
      'disable.ejs':
        "<p>Bye, <%= issuer %></p><%- include('partials/csrf') %><%- include('own', { word: 'mine' }) %>",
      'partials/csrf.ejs': '<b>our csrf</b>',
      'own.ejs': '<i><%= word %></i>',
    })
    const { text } = await show(samples.disable, { views })
    expect(text).toMatch(/<p>Bye, Acme<\/p><b>our csrf<\/b><i>mine<\/i>/)
    expect(text).toContain('class="sf-card')
    expect((await show(samples.off, { views })).text).toContain('<b>our csrf</b>')
    expect((await show(samples.disable)).text).not.toContain('Bye')
  })

  test('a replacement that does not compile, or a folder that is not there, is known at the start', () => {
    expect(() => rendererOf({ views: folderOf({ 'disable.ejs': '<% if ( { %>' }) })).toThrow()
    expect(() => rendererOf({ views: '/nowhere' })).toThrow('SF_VIEWS_MISSING')
  })
})

describe('layout', () => {
  test('ours', async () => {
    const { text } = await show(samples.disable)
    expect(text).toMatch(/^<!doctype html>\s*<html lang="en" dir="ltr">/)
    expect(text).toContain('<title>Disable two-factor authentication – Acme</title>')
    expect(text).toContain('<header class="sf-header">Acme</header>')
  })

  test('a function', async () => {
    let seen: LayoutParts | undefined
    const { text } = await show(samples.disable, {
      nonce: () => 'abc123',
      layout: async (parts, req) => {
        seen = parts
        return `<html>${req.path}${parts.body}</html>`
      },
    })
    expect(text).toMatch(/^<html>\/<section class="sf-card/)
    expect(seen).toMatchObject({
      title: 'Disable two-factor authentication',
      lang: 'en',
      dir: 'ltr',
      nonce: 'abc123',
    })
    expect(seen?.head).toMatch(
      /^<link rel="stylesheet" href="\/two-factor\/assets\/second-factor\.[0-9a-f]{12}\.css" nonce="abc123">/,
    )
  })

  test("a view of the host's, by the host's engine, with its locals", async () => {
    const views = folderOf({ 'frame.host': '' })
    const app = appOf(samples.disable, { layout: 'frame' })
    app.set('views', views)
    app.set('view engine', 'host')
    app.locals.site = 'The site'
    app.engine('host', (file, locals, done) => {
      const all = locals as Record<string, string>
      done(null, `${file === join(views, 'frame.host')}|${all.site}|${all.fromHost}|${all.title}|${all.body}`)
    })
    const { text } = await request(app).get('/two-factor')
    expect(text).toMatch(
      /^true\|The site\|the host says so\|Disable two-factor authentication\|<section class="sf-card/,
    )
  })

  test('one that fails is an error, not half a page', async () => {
    const { status, text } = await show(samples.disable, {
      layout: () => {
        throw new Error('no layout today')
      },
    })
    expect(status).toBe(500)
    expect(text).not.toContain('sf-card')
  })

  test('further style sheets come after ours', async () => {
    const { text, headers } = await show(samples.disable, {
      stylesheets: ['/theme.css', 'https://cdn.example/a.css'],
    })
    expect(text).toMatch(/second-factor\.\w+\.css">\s*<link rel="stylesheet" href="\/theme\.css">/)
    expect(headers['content-security-policy']).toContain("style-src 'self' https://cdn.example;")
  })
})

test('HEAD has the headers of GET and no body', async () => {
  const get = await show(samples.disable)
  const head = await request(appOf(samples.disable)).head('/two-factor')
  expect(head.text).toBeFalsy()
  expect(head.headers['content-length']).toBe(get.headers['content-length'])
})

test('each problem has its page', async () => {
  for (const code of Object.keys(httpStatusOf) as (keyof typeof httpStatusOf)[]) {
    const { text, status } = await show(
      { name: 'problem', problem: { code }, wayBack: '/home' },
      {},
      httpStatusOf[code],
    )
    expect(status).toBe(httpStatusOf[code])
    expect(text).toContain('role="alert"')
    expect(text).toContain('href="/home"')
  }
})
