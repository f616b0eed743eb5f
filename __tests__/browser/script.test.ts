import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { createTestApp, PASSWORD } from '../support/app'
import { host, launch } from '../support/browser'
import { Client, enrol } from '../support/client'
import { Clock } from '../support/clock'

const { describeWith } = require('../support/tools')

jest.setTimeout(180_000)

describeWith(['chromium'], 'what the script adds to the challenge', () => {
  let browser: Browser
  const open: { close(): Promise<void> }[] = []

  beforeAll(async () => {
    browser = await launch()
  })

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })

  afterAll(() => browser?.close())

  test('a form is sent once, however often its button is clicked', async () => {
    const { page } = await challenged()
    await page.locator('#sf-field').fill('123456')
    const form = page.locator('form', { has: page.locator('#sf-field') })
    const clicks = await form.evaluate((element) => {
      const sent: boolean[] = []
      // After the listener of the script: sees what that has decided, and keeps the page where it is.
      element.addEventListener('submit', (event: { defaultPrevented: boolean; preventDefault(): void }) => {
        sent.push(!event.defaultPrevented)
        event.preventDefault()
      })
      element.querySelector('button').click()
      element.requestSubmit()
      element.requestSubmit()
      return { sent, disabled: element.querySelector('button').disabled }
    })
    expect(clicks).toEqual({ sent: [true, false, false], disabled: true })
  })

  test('the field comes back by itself when a lock is over', async () => {
    const { page, phone, clock } = await challenged()
    for (let failures = 0; failures < 5; failures++) await send(page, phone.wrongCode(failures))
    const field = page.locator('#sf-field')
    const left = page.locator('[data-sf-lock] [data-sf-left]')
    expect(await field.isDisabled()).toBe(true)
    const place = (await field.boundingBox())?.y

    await page.clock.pauseAt(((await page.evaluate('Date.now()')) as number) + 1000)
    const before = Number(((await left.textContent()) as string).split(':')[1])
    expect(before).toBeGreaterThan(5)
    await page.clock.runFor((before - 1) * 1000)
    expect(await left.textContent()).toBe('0:01')
    expect(await field.isDisabled()).toBe(true)
    await page.clock.runFor(1000)
    expect(await page.getByRole('alert').first().textContent()).toBe('You can try again now.')
    expect(await field.isEnabled()).toBe(true)
    expect(await field.evaluate((own) => own === own.ownerDocument.activeElement)).toBe(true)
    expect((await field.boundingBox())?.y).toBe(place)

    await page.clock.resume()
    clock.forward(30)
    await send(page, phone.code())
    await page.getByText('verified').waitFor()
  })

  test('times are told in the zone and the way of the reader', async () => {
    const { page, phone } = await challenged({ timezoneId: 'Asia/Kolkata', locale: 'en-GB' })
    for (let failures = 0; failures < 5; failures++) await send(page, phone.wrongCode(failures))
    const time = page.locator('[data-sf-lock] time')
    const until = new Date((await time.getAttribute('datetime')) as string)
    const told = new Intl.DateTimeFormat('en-GB', {
      timeZone: 'Asia/Kolkata',
      hour: 'numeric',
      minute: '2-digit',
    })
    expect(await time.textContent()).toBe(told.format(until))
  })

  /** A page at the challenge, and the phone of the account. */
  async function challenged(options: BrowserContextOptions = {}) {
    // The browser's clock is the real one, so the server's begins there too.
    const clock = new Clock(Date.now())
    const { app } = createTestApp({ clock })
    const { authenticator: phone } = await enrol(new Client(app), clock.now)
    const site = await host(app)
    const context = await browser.newContext(options)
    const page = await context.newPage()
    open.push(context, site)
    await page.clock.install()
    const form = { username: 'alice', password: PASSWORD }
    await page.request.post(`${site.origin}/login`, { form, maxRedirects: 0 })
    await page.goto(`${site.origin}/two-factor/challenge`)
    return { page, phone, clock }
  }
})

async function send(page: Page, code: string): Promise<void> {
  await page.locator('#sf-field').fill(code)
  const answered = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.getByRole('button', { name: 'Continue' }).click()
  await answered
  await page.waitForLoadState()
}
