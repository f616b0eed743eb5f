import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import express from 'express'
import type { Browser, Page } from 'playwright-core'
import type { Page as PluginPage } from '../../lib/pages/page'
import { samples } from '../pages/samples'
import { form, rendererOf } from '../pages/support'
import { createTestApp, PASSWORD } from '../support/app'
import {
  collisions,
  host,
  inPage,
  launch,
  misfits,
  phoneCode,
  type Site,
  startExample,
  violations,
} from '../support/browser'
import { Client, enrol } from '../support/client'
import { begin, mouse, type Walk } from './walking'

const { describeWith } = require('../support/tools')

jest.setTimeout(240_000)

type AppWords = typeof import('../../example-app/locales/en.json')
type Words = typeof import('../../views/locales/en.json')
const root = join(__dirname, '../..')
const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'))
const languages = ['ar', 'de', 'en', 'es', 'fr', 'ja', 'pt', 'ru', 'uk', 'zh']

describeWith(['chromium', 'oathtool'], 'the example app in the language chosen at login', () => {
  let browser: Browser
  let site: Site
  beforeAll(async () => {
    ;[browser, site] = await Promise.all([launch(), startExample()])
  })
  afterAll(async () => {
    await browser?.close()
    await site?.close()
  })

  test.each([
    ['ru', 'ltr', 'alice'],
    ['ar', 'rtl', 'bob'],
  ] as const)('%s, %s, as %s', async (lang, dir, username) => {
    const own: AppWords = read(`example-app/locales/${lang}.json`)
    const ours: Words = read(`views/locales/${lang}.json`)
    const walk = await begin(browser, site, username, {
      hand: mouse,
      closely: true,
      context: { locale: 'en' },
    })
    const { page } = walk
    const sees = inLanguage(walk, lang, dir)

    await walk.press('link', 'Sign in')
    await walk.sees('Sign in')
    await page.getByLabel('Language').selectOption(lang)
    await walk.fill('User name', username)
    await walk.fill('Password', PASSWORD)
    await walk.press('button', 'Sign in')
    await sees(own.account.title)

    await walk.press('link', own.account.setUp)
    await sees(ours.settings.title)
    await walk.press('button', ours.settings.enable)
    await sees(ours.enable.title)
    const key = (await page.locator('#sf-key').textContent()) as string
    await walk.fill(ours.enable.label, phoneCode(key))
    await walk.press('button', ours.enable.check)
    await sees(ours['new-backup-codes'].title)
    const backupCodes = await page.locator('#sf-codes li').allTextContents()
    await walk.press('link', ours['new-backup-codes'].saved)
    await sees(ours.settings.title)

    await signOutAndIn(walk, own, sees)
    await sees(ours.challenge.title.totp)
    await walk.fill(ours.challenge.label.totp, phoneCode(key, 1))
    await walk.press('button', ours.challenge.submit)
    await sees(own.account.title)
    await walk.press('link', own.nav.transfer)
    await sees(own.transfer.heading)
    await walk.press('link', own.nav.vault)
    await sees(own.vault.title)
    await walk.press('link', own.nav.security)
    await sees(ours.settings.title)
    await walk.press('link', ours.settings.newCodes)
    await sees(ours['backup-codes'].title)

    await signOutAndIn(walk, own, sees)
    await sees(ours.challenge.title.totp)
    await walk.press('link', ours.challenge.use['backup-code'])
    await sees(ours.challenge.title['backup-code'])
    await walk.fill(ours.challenge.label['backup-code'], 'nonsense')
    await walk.press('button', ours.challenge.submit)
    await page.getByRole('alert').waitFor()
    await sees(ours.challenge.title['backup-code'])
    await walk.fill(ours.challenge.label['backup-code'], backupCodes[0] as string)
    await walk.press('button', ours.challenge.submit)
    await sees(own.account.title)
    await walk.leave()
  })

  /** Sees a page as `walk` does, and that it is in the language. */
  function inLanguage(walk: Walk, lang: string, dir: string) {
    return async (heading: string) => {
      await walk.sees(heading)
      const said = await inPage(walk.page, (root) => [root.lang, root.dir])
      expect([heading, ...said]).toEqual([heading, lang, dir])
      await walk.page.setViewportSize({ width: 360, height: 800 })
      expect([heading, await collisions(walk.page)]).toEqual([heading, []])
    }
  }

  /** Signs out; the app goes on in the language, and so does the next login. */
  async function signOutAndIn(walk: Walk, own: AppWords, sees: (heading: string) => Promise<void>) {
    await walk.press('button', own.nav.signOut)
    await sees(own.home.welcome)
    await walk.press('link', own.nav.signIn)
    await sees(own.login.title)
    await walk.fill(own.login.username, walk.username)
    await walk.fill(own.login.password, PASSWORD)
    await walk.press('button', own.login.submit)
  }
})

describeWith(['chromium'], 'every page in every language', () => {
  let browser: Browser
  let page: Page
  beforeAll(async () => {
    browser = await launch()
    page = await browser.newPage({ reducedMotion: 'reduce' })
  })
  afterAll(() => browser?.close())

  test.each(languages)('%s fits a phone', async (lang) => {
    const renderer = rendererOf({ support: 'help@acme.example', language: () => lang })
    const app = express()
    app.use('/two-factor/assets', renderer.assets)
    app.get('/two-factor/:name', (req, res, next) => {
      const page: PluginPage = samples[req.params.name as keyof typeof samples]
      req.baseUrl = '/two-factor'
      renderer.render(req, res, page, 200, form).catch(next)
    })
    const site = await host(app)
    await page.setViewportSize({ width: 360, height: 800 })
    await page.goto(`${site.origin}/two-factor/${Object.keys(samples)[0]}`)
    // All on one long page: ten languages of them one by one would take minutes.
    const cards = await Promise.all(
      Object.keys(samples).map(async (name) => {
        const html = await (await fetch(`${site.origin}/two-factor/${name}`)).text()
        return `<div class="sf-page">${html.slice(html.indexOf('<header'), html.indexOf('</body>'))}</div>`
      }),
    )
    await page.locator('body').evaluate((body, html) => {
      body.innerHTML = html
      for (const details of body.querySelectorAll('details')) details.open = true
    }, cards.join('\n'))
    const findings = [...(await misfits(page)), ...(await collisions(page))]
    expect(await page.locator('.sf-card h1').count()).toBe(cards.length)
    await site.close()
    expect(findings).toEqual([])
  })

  test.each(['ru', 'ar', 'de'])('mails in %s fit a phone, and axe finds nothing', async (lang) => {
    // Away from our pages, whose policy a mail does not know.
    await page.goto('about:blank')
    for (const html of await mailsIn(lang)) {
      await page.setContent(html)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        for (const width of [360, 800]) {
          await page.setViewportSize({ width, height: 800 })
          const wrong = [...(await misfits(page)), ...(await collisions(page))]
          expect([colorScheme, width, wrong]).toEqual([colorScheme, width, []])
        }
        expect([colorScheme, await violations(page)]).toEqual([colorScheme, []])
      }
    }
  })

  /** The HTML of two mails, about an account with a long name. */
  async function mailsIn(language: string): Promise<string[]> {
    const mails: string[] = []
    const { app, clock } = createTestApp({
      secondFactor: {
        trustedDevices: { maxAge: '30d' },
        support: 'help@acme.example',
        notify: {
          transport: { sendMail: async ({ html }) => mails.push(html) },
          from: 'Acme <security@acme.example>',
          recipients: () => [
            { address: 'alice@example.com', account: `${'w'.repeat(60)}@example.com`, language },
          ],
          settingsUrl: 'https://acme.example/two-factor',
        },
      },
    })
    const client = new Client(app)
    const { backupCodes } = await enrol(client, clock.now)
    const other = new Client(app)
    await other.login()
    await other.challenge(backupCodes[0])
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(mails).toHaveLength(2)
    return mails
  }
})
