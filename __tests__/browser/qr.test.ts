import type { Browser } from 'playwright-core'
import { createTestApp, PASSWORD } from '../support/app'
import { host, launch } from '../support/browser'
import { scanned } from './walking'

const { describeWith } = require('../support/tools')

jest.setTimeout(180_000)

describeWith(['chromium', 'zbarimg'], 'a camera reads the QR code', () => {
  let browser: Browser
  const open: { close(): Promise<void> }[] = []

  beforeAll(async () => {
    browser = await launch()
  })

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })

  afterAll(() => browser?.close())

  test.each([
    ['a usual account', 'Acme', 'alice@example.com'],
    ['names in Arabic, with what URIs reserve', 'بنك & Söhne 100% #1?', 'أليس+x/y=z@example.com'],
    ['names of 300 characters', 'Ж'.repeat(300), `${'漢字'.repeat(149)}@x`],
  ])('%s: light and dark, at 360 and 1280 px', async (_what, issuer, name) => {
    const { app } = createTestApp({ secondFactor: { issuer, account: ({ id }) => ({ id, name }) } })
    const site = await host(app)
    const page = await browser.newPage()
    open.push(page, site)
    await page.request.post(`${site.origin}/login`, { form: { username: 'alice', password: PASSWORD } })
    await page.goto(`${site.origin}/two-factor`)
    await page.getByRole('button', { name: 'Enable two-factor authentication' }).click()
    await page.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor()

    const answer = await page.request.get(page.url(), { headers: { accept: 'application/json' } })
    const { uri } = await answer.json()
    expect(new URL(uri).searchParams.get('secret')).toMatch(/^[A-Z2-7]{32}$/)
    expect(await page.locator('a[href^="otpauth:"]').getAttribute('href')).toBe(uri)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 900 })
        expect([colorScheme, width, await scanned(page)]).toEqual([colorScheme, width, uri])
      }
    }
  })
})
