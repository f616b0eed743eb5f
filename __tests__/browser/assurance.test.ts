import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore } from 'express-second-factor'
import session from 'express-session'
import type { Browser } from 'playwright-core'
import { createApp } from '../../example-app/app'
import { readConfig } from '../../example-app/config'
import { PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { host, launch, phoneCode, type Site, startExample } from '../support/browser'
import { Clock } from '../support/clock'
import {
  begin,
  enrolled,
  keyboard,
  type Manner,
  mouse,
  scanned,
  signIn,
  signOut,
  takeOver,
  type Walk,
  wrongCode,
} from './walking'

const { describeWith } = require('../support/tools')

jest.setTimeout(180_000)

const TRUST = 'Don’t ask again on this device for 30 days'
const DAY = 86_400

// Headless Chromium does not say that it is Chrome.
const userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'

const closely: Manner = { hand: mouse, closely: true, context: { userAgent } }
const manners: [string, string, Manner][] = [
  ['with the mouse; axe finds nothing on any page', 'alice', closely],
  ['with the keyboard alone; focus is always seen', 'bob', { hand: keyboard, context: { userAgent } }],
  ['without JavaScript', 'carol', { hand: mouse, context: { userAgent, javaScriptEnabled: false } }],
]

describeWith(['chromium', 'oathtool', 'zbarimg'], 'phones, browsers and deadlines', () => {
  let browser: Browser
  let site: Site
  const open: { close(): Promise<void> }[] = []

  beforeAll(async () => {
    ;[browser, site] = await Promise.all([launch(), startExample({ TRUSTED_DEVICES: '30d' })])
  })

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })

  afterAll(async () => {
    await browser?.close()
    await site?.close()
  })

  test.each(manners)('a new phone, then a trusted browser: %s', async (_how, username, manner) => {
    const walk = await begin(browser, site, username, manner)
    const { key: old, backupCodes, client } = await enrolled(site, username)
    await takeOver(walk, client, site)
    await walk.page.goto(`${site.origin}/two-factor`)
    await walk.sees('Two-factor authentication')
    const key = await replacePhone(walk, old, Boolean(manner.closely))
    await trustAndStop(walk, key, backupCodes)
    await walk.leave()
  })

  test.each(manners)(
    'the days run out, and nothing goes on without enrolling: %s',
    async (_how, username, manner) => {
      const clock = new Clock(Date.now())
      const site = await inProcess(clock, { REQUIRE_TWO_FACTOR_FROM: inDays(3) })
      const walk = await begin(browser, site, username, manner)
      const { page } = walk
      await signIn(walk)
      await page.getByText('3 days left to set up two-factor authentication.').waitFor()
      await walk.sees('Your account')
      await walk.press('link', 'Set it up now')
      await page.getByText('3 days left.').waitFor()
      await walk.sees('Two-factor authentication')

      clock.forward(2 * DAY)
      await page.reload()
      await page.getByText('1 day left.').waitFor()
      // The login is long ago.
      await walk.press('link', 'Enable two-factor authentication')
      await page.getByText('1 day left.').waitFor()
      await walk.sees('Set up two-factor authentication')
      await walk.press('link', 'Account')
      await walk.sees('Your account')

      clock.forward(DAY)
      await walk.press('link', 'Account')
      await page.getByText('Set it up to go on.').waitFor()
      expect(await page.getByText('days left').count()).toBe(0)
      await walk.sees('Set up two-factor authentication')
      await page.goto(`${site.origin}/transfer`)
      await walk.sees('Set up two-factor authentication')
      await walk.fill('Password', PASSWORD)
      await walk.press('button', 'Start')
      const phone = new Authenticator(await shownKey(walk), clock.now)
      await walk.fill('6-digit code', phone.code())
      await walk.press('button', 'Check')
      await walk.sees('Save your backup codes')
      await walk.press('link', 'I have saved these codes')
      await walk.sees('Send money')
      await walk.press('link', 'Security')
      await page.getByText('so it cannot be disabled').waitFor()
      await walk.sees('Two-factor authentication')
      await walk.leave()
    },
  )

  test.each(manners)(
    'a form that was sent too late is told of, twice: %s',
    async (_how, username, manner) => {
      const clock = new Clock(Date.now())
      const site = await inProcess(clock)
      const walk = await begin(browser, site, username, manner)
      const { page } = walk
      const notice = page.getByText('What you sent was not carried out')
      const { key, client } = await enrolled(site, username, { now: clock.now })
      const phone = new Authenticator(key, clock.now)
      await takeOver(walk, client, site)
      await page.goto(`${site.origin}/transfer`)
      await walk.sees('Send money')
      expect(await notice.count()).toBe(0)

      await walk.fill('To', 'Bob')
      await walk.fill('Amount in pounds', '25')
      clock.forward(301)
      await walk.press('button', 'Send')
      await page.getByText('What you sent has not been carried out').waitFor()
      await walk.sees('Enter the code from your authenticator app')
      await answer(walk, phone.wrongCode())
      await page.getByRole('alert').waitFor()
      await page.getByText('What you sent has not been carried out').waitFor()
      await answer(walk, phone.code())
      await notice.waitFor()
      await walk.sees('Send money')

      await walk.fill('To', 'Bob')
      await walk.fill('Amount in pounds', '25')
      await walk.press('button', 'Send')
      await walk.sees('Your account')
      expect(await notice.count()).toBe(0)
      expect(await page.getByText('-£25.00').count()).toBe(1)

      // Also where the form is one of the plugin's.
      await walk.press('link', 'Security')
      await walk.press('link', 'New codes')
      await walk.sees('New backup codes')
      clock.forward(301)
      await walk.press('button', 'Make new backup codes')
      await page.getByText('What you sent has not been carried out').waitFor()
      await answer(walk, phone.code())
      await notice.waitFor()
      await walk.sees('New backup codes')
      await walk.leave()
    },
  )

  /** From the settings and back. */
  async function replacePhone(walk: Walk, old: string, scans: boolean): Promise<string> {
    const { page } = walk
    await walk.press('link', 'Replace')
    await walk.sees('Set up your new phone')
    await page.getByText('Your backup codes stay as they are.').waitFor()
    await walk.press('button', 'Start')
    await page.getByText('Your old phone keeps working').waitFor()
    await walk.sees('Set up your new phone')
    await walk.press('button', 'Cancel')
    await walk.sees('Two-factor authentication')

    await walk.press('link', 'Replace')
    await walk.press('button', 'Start')
    const key = await shownKey(walk)
    expect(key).not.toBe(old)
    if (scans) expect(new URL(await scanned(page)).searchParams.get('secret')).toBe(key.replace(/\s/g, ''))
    await walk.fill('6-digit code', wrongCode(key))
    await walk.press('button', 'Check')
    await page.getByRole('alert').waitFor()
    await walk.sees('Set up your new phone')

    await walk.fill('6-digit code', phoneCode(key, -1))
    await walk.press('button', 'Check')
    await page.getByText('Codes from the old one no longer work').waitFor()
    await walk.sees('Two-factor authentication')
    await page.getByText('5 of 5 left').waitFor()
    return key
  }

  /** From the settings to a login that is asked for a code again. */
  async function trustAndStop(walk: Walk, key: string, backupCodes: string[]): Promise<void> {
    const { page } = walk
    await page.getByText('None', { exact: true }).waitFor()
    await signOut(walk)

    await signIn(walk)
    await walk.sees('Enter the code from your authenticator app')
    expect(await page.getByLabel(TRUST).isChecked()).toBe(false)
    await walk.tick(TRUST)
    expect(await page.getByLabel(TRUST).isChecked()).toBe(true)
    await answer(walk, phoneCode(key))
    await walk.sees('Your account')
    await page.getByText('with your password and a code').waitFor()
    await signOut(walk)

    await signIn(walk)
    await walk.sees('Your account')
    await page.getByText('with your password on a trusted device').waitFor()
    await walk.press('link', 'Transfer')
    await walk.sees('Enter the code from your authenticator app')
    expect(await page.getByLabel(TRUST).count()).toBe(0)
    await answerWithBackupCode(walk, backupCodes[0] as string)
    await walk.sees('Send money')
    await signOut(walk)

    await signIn(walk)
    await walk.press('link', 'Security')
    await page.getByText('1 device', { exact: true }).waitFor()
    await walk.sees('Two-factor authentication')
    await walk.press('link', 'Manage')
    await walk.sees('Trusted devices')
    await page.getByText('This device.').waitFor()
    await walk.press('button', 'Stop trusting Firefox, Windows')
    // What this session rested on is gone.
    await walk.sees('Enter the code from your authenticator app')
    await answerWithBackupCode(walk, backupCodes[1] as string)
    await page.getByText('There is no trusted device yet').waitFor()
    await walk.sees('Trusted devices')
    await walk.press('link', 'Back')
    await walk.sees('Two-factor authentication')
    await signOut(walk)
    await signIn(walk)
    await walk.sees('Enter the code from your authenticator app')
  }

  /** The example app in this process, with a clock that tests set. */
  async function inProcess(clock: Clock, env: Record<string, string> = {}): Promise<Site> {
    const dataDir = mkdtempSync(join(tmpdir(), 'assurance-'))
    const { app, close } = await createApp({
      ...readConfig({ DATA_DIR: dataDir, ...env }),
      store: new MemoryStore(),
      sessionStore: new session.MemoryStore(),
      now: clock.now,
    })
    const site = await host(app)
    open.push(site, {
      async close() {
        await close()
        rmSync(dataDir, { recursive: true })
      },
    })
    return site
  }
})

async function shownKey(walk: Walk): Promise<string> {
  const key = walk.page.locator('#sf-key')
  await key.waitFor({ state: 'attached' })
  return (await key.textContent()) as string
}

async function answer(walk: Walk, code: string): Promise<void> {
  await walk.fill('6-digit code', code)
  await walk.press('button', 'Continue')
}

async function answerWithBackupCode(walk: Walk, code: string): Promise<void> {
  await walk.press('link', 'Use a backup code')
  await walk.fill('Backup code', code)
  await walk.press('button', 'Continue')
}

function inDays(days: number): string {
  // A minute less: the clock of the app was read before.
  return new Date(Date.now() + days * DAY * 1000 - 60_000).toISOString()
}
