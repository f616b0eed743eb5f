import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Express } from 'express'
import type { Policy } from 'express-second-factor'
import type { Browser, Page } from 'playwright-core'
import { createTestApp, expresses, PASSWORD, type TestAppOptions } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { host, inPage, launch, misfits, violations } from '../support/browser'
import { Clock } from '../support/clock'

const { describeWith } = require('../support/tools')

jest.setTimeout(240_000)

const fixtures = join(__dirname, '../fixtures')

describeWith(['chromium'], 'what people see', () => {
  let browser: Browser
  const open: { close(): Promise<void> }[] = []
  /** One for each language: a new one costs as much as eight pages. */
  const windows = new Map<string, Page>()

  beforeAll(async () => {
    browser = await launch()
  })

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })

  afterAll(() => browser?.close())

  test.each([
    ['fits, and axe finds nothing', 'en', 'Acme', 'alice@example.com'],
    [
      'fits from right to left, with names of 300 characters',
      'ar',
      'Ж'.repeat(300),
      `${'w'.repeat(288)}@example.com`,
    ],
  ])('every page %s', async (way, lang, issuer, name) => {
    const visit = await arrive(
      { issuer, account: ({ id }) => ({ id, name }), verifyPassword: (_user, given) => given === PASSWORD },
      lang,
      { closely: way.includes('axe') },
    )
    const { page, clock, inspect } = visit

    await visit.login()
    await page.goto(visit.url())
    await inspect('settings, off', null)
    clock.forward(601)
    await page.goto(visit.url('/enable'))
    await inspect('start with the password', '#sf-field')
    await visit.keepsPlace(async () => {
      await visit.submit('/enable', 'a wrong password')
      await inspect('start, refused', '#sf-field')
    })
    await visit.submit('/enable', PASSWORD)
    await inspect('enable', null)
    const phone = await visit.phone()
    await visit.keepsPlace(async () => {
      await visit.submit('/enable/confirm', phone.wrongCode())
      await inspect('enable, refused', '#sf-field')
    })
    await visit.submit('/enable/confirm', phone.code(20))
    await page.locator('summary').click()
    await inspect('enable, clock wrong, key open', 'summary')
    await visit.submit('/enable/confirm', phone.code())
    await page.locator('[data-sf-more]').dblclick()
    await inspect('codes', '[data-sf-more]')
    await page.locator('a.sf-primary').focus()
    await page.reload()
    await inspect('codes, reloaded', null)

    await page.goto(visit.url())
    await inspect('settings, on', null)
    await page.goto(visit.url('/backup-codes'))
    await inspect('new codes', null)
    await page.locator('.sf-primary').click()
    await page.locator('#sf-codes').waitFor()
    const backupCodes = await page.locator('#sf-codes li').allTextContents()
    await page.locator('[data-sf-more]').dblclick()
    await inspect('codes that replace others', '[data-sf-more]')

    await page.goto(visit.url('/disable'))
    await inspect('disable', '#sf-field')
    await visit.keepsPlace(async () => {
      await visit.submit('/disable', 'nonsense')
      await inspect('disable, refused', '#sf-field')
    })
    await page
      .locator('[name=_csrf]')
      .first()
      .evaluate((input) => input.setAttribute('value', 'x'))
    await visit.submit('/disable', '123456')
    await inspect('form too old', null)

    await visit.login()
    await page.goto(visit.url('/challenge'))
    await inspect('challenge', '#sf-field')
    await visit.keepsPlace(async () => {
      await visit.submit('/challenge', phone.wrongCode())
      await inspect('challenge, refused', '#sf-field')
    })
    for (const summary of await page.locator('summary').all()) await summary.click()
    await inspect('challenge, troubles open', 'summary')
    await page.goto(visit.url('/challenge?method=backup-code'))
    await inspect('backup code', '#sf-field')
    await visit.submit('/challenge', 'ABCD-EFGH')
    await inspect('backup code, refused', '#sf-field')
    await page.goto(visit.url('/challenge'))
    for (let failures = 1; failures < 5; failures++)
      await visit.submit('/challenge', phone.wrongCode(failures))
    await inspect('challenge, locked', null)
    await page.goto(visit.url('/challenge?method=backup-code'))
    await visit.submit('/challenge', backupCodes[0] as string)
    for (const code of backupCodes.slice(1, 3)) {
      await visit.login()
      await page.goto(visit.url('/challenge?method=backup-code'))
      await visit.submit('/challenge', code)
    }
    await page.goto(visit.url())
    await inspect('settings, few codes left', null)
    clock.forward(301)
    await page.goto(`${visit.origin}/transfer?to=bob`)
    await inspect('step-up', '#sf-field')

    expect(visit.findings).toEqual([])
  })

  test.each([
    ['fits, and axe finds nothing', 'en', 'alice@example.com'],
    ['fits from right to left, with a name of 300 characters', 'ar', `${'w'.repeat(288)}@example.com`],
  ])('every page of grace, a new phone, trusted devices and step-up %s', async (way, lang, name) => {
    let policy: Policy = { required: true, graceUntil: Date.now() + 3 * 86_400_000 }
    const visit = await arrive(
      {
        account: ({ id }) => ({ id, name }),
        policy: () => policy,
        trustedDevices: { maxAge: '30d' },
        disable: 'fresh',
      },
      lang,
      {
        closely: way.includes('axe'),
        routes(app, secondFactor) {
          app.get('/papers', secondFactor.requireSecondFactor({ methods: ['totp'] }))
        },
      },
    )
    const { page, clock, inspect } = visit

    await visit.login()
    await page.goto(visit.url())
    await inspect('settings, in grace', null)
    await page.goto(visit.url('/enable'))
    await inspect('start, in grace', null)
    await page.locator('.sf-primary').click()
    const old = await visit.phone()
    await visit.submit('/enable/confirm', old.code())
    const backupCodes = await page.locator('#sf-codes li').allTextContents()
    policy = 'optional'

    await page.goto(visit.url('/replace'))
    await inspect('new phone, start', null)
    await page.locator('.sf-primary').click()
    const phone = await visit.phone()
    await inspect('new phone', null)
    await visit.keepsPlace(async () => {
      await visit.submit('/replace/confirm', phone.wrongCode())
      await inspect('new phone, refused', '#sf-field')
    })
    await visit.submit('/replace/confirm', phone.code())
    await inspect('settings, replaced, no devices', null)

    for (const devices of [1, 2]) {
      await page.context().clearCookies()
      await visit.login()
      await page.goto(visit.url('/challenge'))
      if (devices === 1) await inspect('challenge, trust', '#sf-field')
      await page.locator('[name=trustDevice]').check()
      clock.nextStep()
      await visit.submit('/challenge', phone.code())
      // From now on the session rests on it.
      await visit.login()
      await page.goto(visit.url('/devices'))
      await inspect(`devices, ${devices}`, null)
    }
    await page.goto(visit.url())
    await inspect('settings, devices', null)

    await page.goto(`${visit.origin}/papers`)
    await inspect('one kind of code', '#sf-field')
    await visit.keepsPlace(async () => {
      await visit.submit('/challenge', backupCodes[0] as string)
      await inspect('one kind of code, the other given', '#sf-field')
    })
    await page.goto(visit.url())
    await page.locator('body').evaluate((body) => {
      const form = body.ownerDocument.createElement('form')
      Object.assign(form, { method: 'post', action: '/transfer' })
      body.append(form)
      form.submit()
    })
    await page.locator('.sf-note').waitFor()
    await inspect('step-up, not sent', '#sf-field')
    clock.nextStep()
    await visit.submit('/challenge', phone.code())

    await page.goto(visit.url('/devices'))
    await page.locator('.sf-danger').click()
    await page.locator('.sf-danger').waitFor({ state: 'detached' })
    await inspect('devices, none', null)
    await page.goto(visit.url('/disable'))
    await inspect('disable by a click', null)
    await page.locator('.sf-danger').hover()
    await inspect('disable by a click, about to', null)

    expect(visit.findings).toEqual([])
  })

  test('somebody who must enrol fits too', async () => {
    const visit = await arrive({ policy: () => 'required' })
    await visit.login()
    await visit.page.goto(visit.url('/enable'))
    await visit.inspect('must enrol', null)
    await visit.page.locator('.sf-primary').click()
    const phone = await visit.phone()
    await visit.inspect('must enrol, enable', null)
    await visit.submit('/enable/confirm', phone.code())
    await visit.page.goto(visit.url())
    await visit.inspect('must have it', null)
    expect(visit.findings).toEqual([])
  })

  test('on paper there are the codes and what they are for, nothing else', async () => {
    const visit = await arrive({})
    const { page } = visit
    await visit.login()
    await page.goto(visit.url())
    await page.locator('.sf-primary').click()
    await visit.submit('/enable/confirm', (await visit.phone()).code())
    await page.emulateMedia({ media: 'print' })
    const printed = await page.locator('body').evaluate((body) => {
      const { defaultView: window } = body.ownerDocument
      const leaves = [...body.querySelectorAll('*')].filter((element) => element.childElementCount === 0)
      const seen = leaves.filter((element) => {
        const { width } = element.getBoundingClientRect()
        return width > 1 && window.getComputedStyle(element).visibility === 'visible'
      })
      return seen.map((element) => `${element.localName}: ${element.textContent}`)
    })
    const codes = await page.locator('#sf-codes li').allTextContents()
    expect(printed).toEqual([
      'p: Acme: backup codes for two-factor authentication',
      'p: Account: alice@example.com',
      expect.stringMatching(/^p: Made on: .*\d/),
      expect.stringMatching(/^p: Each code works once\./),
      ...codes.map((code) => `li: ${code}`),
    ])
  })

  test.each([
    ['EJS', 'ejs', 'Express 4'],
    ['an engine of its own', 'braces', 'Express 5'],
  ] as const)('the card stands in a view of the host, with %s', async (_engine, extension, name) => {
    const visit = await arrive({ layout: 'around' }, 'ar', {
      express: expresses[name],
      before(app: Express) {
        app.engine('braces', (path, options, done) => {
          const parts = options as Record<string, string>
          done(
            null,
            readFileSync(path, 'utf8').replace(/\{(\w+)\}/g, (_match, part) => parts[part] as string),
          )
        })
        app.set('views', join(fixtures, 'host-views'))
        app.set('view engine', extension)
      },
    })
    await visit.login()
    await visit.page.goto(visit.url())
    expect(await visit.page.title()).toBe('المصادقة الثنائية at the host')
    expect(await visit.page.locator('html').getAttribute('dir')).toBe('rtl')
    await visit.page.getByText("The host's own header").waitFor()
    await visit.page.getByRole('button', { name: 'تفعيل المصادقة الثنائية' }).click()
    await visit.page.locator('.sf-enable svg').waitFor()
    // Our style sheet and our script came along.
    expect(await visit.page.locator('html').getAttribute('class')).toBe('sf-js')
    expect(await visit.page.locator('.sf-card').evaluate(borderOf)).toBe('1px')
  })

  test('a page that is always light says so, and the card is light in dark mode, too', async () => {
    const visit = await arrive({}, 'en')
    const { page } = visit
    await visit.login()
    await page.goto(visit.url())
    const ground = () => page.locator('.sf-card').evaluate(groundOf)
    await page.emulateMedia({ colorScheme: 'light' })
    const light = await ground()
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await ground()).not.toBe(light)
    await page.locator('html').evaluate((root) => root.setAttribute('data-theme', 'light'))
    expect(await ground()).toBe(light)
  })

  test('files of the host replace ours, one by one', async () => {
    const visit = await arrive({ views: join(fixtures, 'own-views'), support: 'help@example.com' })
    await visit.login()
    await visit.page.goto(visit.url())
    await visit.page.locator('.sf-primary').click()
    await visit.submit('/enable/confirm', '000000')
    await visit.page.getByText('Come to the desk on the second floor.').waitFor()
    expect(await visit.page.getByText('help@example.com').count()).toBe(0)
    expect(await visit.page.locator('.sf-card').evaluate(borderOf)).toBe('7px')
    expect(await visit.page.locator('html').getAttribute('class')).toBe('sf-js')
  })

  async function windowIn(locale: string): Promise<Page> {
    const page = windows.get(locale) ?? (await browser.newPage({ locale, reducedMotion: 'reduce' }))
    windows.set(locale, page)
    page.setDefaultTimeout(30_000)
    await page.context().clearCookies()
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' })
    return page
  }

  async function arrive(
    secondFactor: TestAppOptions['secondFactor'],
    lang = 'en',
    { closely = true, ...options }: TestAppOptions & { closely?: boolean } = {},
  ) {
    // The browser's clock is the real one, so the server's begins there too.
    const clock = new Clock(Date.now())
    const { app } = createTestApp({
      clock,
      secondFactor: { locales: join(fixtures, 'locales'), support: 'help@example.com', ...secondFactor },
      ...options,
    })
    const site = await host(app)
    const page = await windowIn(lang)
    open.push(site)
    const findings: string[] = []
    const url = (path = '') => `${site.origin}/two-factor${path}`

    return {
      origin: site.origin,
      page,
      clock,
      findings,
      url,
      async login(): Promise<void> {
        await page.request.post(`${site.origin}/logout`)
        const form = { username: 'alice', password: PASSWORD }
        await page.request.post(`${site.origin}/login`, { form, maxRedirects: 0 })
      },
      /** Fills in the page's field and sends the form that goes to `path`. */
      async submit(path: string, text: string): Promise<void> {
        await page.waitForLoadState()
        await page.locator('#sf-field').fill(text)
        const answered = page.waitForEvent('load')
        await page.locator(`form[action^="/two-factor${path}"] [type=submit]`).first().click()
        await answered
      },
      async phone(): Promise<Authenticator> {
        await page.locator('#sf-key').waitFor({ state: 'attached' })
        return new Authenticator((await page.locator('#sf-key').textContent()) as string, clock.now)
      },
      /** An error that appears leaves the field where it was. */
      async keepsPlace(refused: () => Promise<void>): Promise<void> {
        const size = page.viewportSize()
        const before = await page.locator('#sf-field').evaluate(topOf)
        await refused()
        if (size) await page.setViewportSize(size)
        const after = await page.locator('#sf-field').evaluate(topOf)
        if (Math.abs(after - before) > 1) findings.push(`the field moved from ${before} to ${after}`)
      },
      /** Looks at the page in every way; what is wrong goes to the findings. `focus`: the element that has it. */
      async inspect(what: string, focus: string | null): Promise<void> {
        const focused = await inPage(page, hasFocus, focus)
        if (!focused) findings.push(`${what}: the focus is not on ${focus}`)
        for (const width of widthsFrom(page)) {
          const colorScheme = width === 360 ? 'light' : 'dark'
          await page.emulateMedia({ colorScheme })
          await page.setViewportSize({ width, height: 800 })
          const wrong = [
            ...(await misfits(page)),
            ...(await inPage(page, smallTargets)),
            ...(closely ? await violations(page) : []),
          ]
          findings.push(...wrong.map((finding) => `${what}, ${colorScheme}, ${width} px: ${finding}`))
        }
      },
    }
  }
})

/** A phone and a desk, the one that the window has first: changing costs as much as looking. */
function widthsFrom(page: Page): number[] {
  return page.viewportSize()?.width === 1280 ? [1280, 360] : [360, 1280]
}

/** What is smaller than a finger. A link within a sentence is as high as its line; a box is hit by its label too. */
function smallTargets(page: unknown): string[] {
  type Shown = { outerHTML: string; getBoundingClientRect(): { width: number; height: number } }
  type Card = { querySelectorAll(selector: string): Iterable<Shown> }
  const root = page as {
    ownerDocument: { defaultView: { getComputedStyle(of: Shown): { display: string } } }
    querySelector(selector: '.sf-card'): Card
  }
  const { defaultView: window } = root.ownerDocument
  const targets = 'a, button, summary, input:not([type=hidden], [type=checkbox]), label:has(input)'
  return [...root.querySelector('.sf-card').querySelectorAll(targets)].flatMap((element) => {
    const { width, height } = element.getBoundingClientRect()
    const small = width > 0 && (width < 44 || height < 44)
    const inText = window.getComputedStyle(element).display === 'inline'
    return small && !inText ? [`${width}x${height}: ${element.outerHTML.slice(0, 120)}`] : []
  })
}

/** Whether this element has the focus, or none where there is no selector. */
function hasFocus(page: unknown, selector: string | null): boolean {
  type Focused = { matches(selector: string): boolean }
  const { activeElement, body } = (page as { ownerDocument: { activeElement: Focused; body: Focused } })
    .ownerDocument
  return selector === null ? activeElement === body : activeElement.matches(selector)
}

function topOf(element: { getBoundingClientRect(): { top: number }; ownerDocument: unknown }): number {
  const { defaultView } = element.ownerDocument as { defaultView: { scrollY: number } }
  return element.getBoundingClientRect().top + defaultView.scrollY
}

function groundOf(element: unknown): string {
  const { ownerDocument } = element as {
    ownerDocument: { defaultView: { getComputedStyle(of: unknown): { backgroundColor: string } } }
  }
  return ownerDocument.defaultView.getComputedStyle(element).backgroundColor
}

function borderOf(element: unknown): string {
  const { ownerDocument } = element as {
    ownerDocument: { defaultView: { getComputedStyle(of: unknown): { borderTopWidth: string } } }
  }
  return ownerDocument.defaultView.getComputedStyle(element).borderTopWidth
}
