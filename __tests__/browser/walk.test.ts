import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { PASSWORD } from '../support/app'
import { launch, phoneCode, type Site, startExample } from '../support/browser'
import {
  begin,
  type Enrolled,
  enrolled,
  keyboard,
  mouse,
  signIn,
  signOut,
  takeOver,
  type Walk,
  wrongCode,
} from './walking'

const { describeWith } = require('../support/tools')

jest.setTimeout(180_000)

describeWith(['chromium', 'oathtool'], 'the whole way through the example app', () => {
  let browser: Browser
  let site: Site

  beforeAll(async () => {
    ;[browser, site] = await Promise.all([launch(), startExample()])
  })

  afterAll(async () => {
    await browser?.close()
    await site?.close()
  })

  test('with the mouse; axe finds nothing on any page', async () => {
    const walk = await begin(browser, site, 'alice', { hand: mouse, closely: true })
    const enabled = await enable(walk)
    expect(await codesOnClipboard(walk)).toEqual(enabled.backupCodes)
    await signInAndDisable(walk, enabled)
    await walk.leave()
  })

  test('with the keyboard alone; focus is always seen', async () => {
    const walk = await begin(browser, site, 'bob', { hand: keyboard })
    const enabled = await enable(walk)
    await signInAndDisable(walk, enabled)
    await walk.leave()
  })

  test('without JavaScript', async () => {
    const walk = await begin(browser, site, 'carol', { hand: mouse, context: { javaScriptEnabled: false } })
    const { page } = walk
    const enabled = await enable(walk)
    expect(await page.getByText('The codes leave this page').isVisible()).toBe(false)
    for (const name of ['Give me more time', 'Copy', 'Print']) {
      expect(await page.getByRole('button', { name }).count()).toBe(0)
    }
    await signInAndDisable(walk, enabled)
    await walk.leave()
  })

  test('codes leave their page when the time is over, and no reload or going back shows them again', async () => {
    const walk = await begin(browser, site, 'admin', { hand: mouse, closely: true })
    const { page } = walk
    const { client } = await enrolled(site, 'admin')
    await takeOver(walk, client, site)
    await page.goto(`${site.origin}/two-factor/backup-codes`)
    // It goes on by itself until it is stopped.
    await page.clock.install()
    await walk.press('button', 'Make new backup codes')
    await walk.sees('Save your backup codes')
    const backupCodes = await page.locator('#sf-codes li').allTextContents()
    expect(await codesIn(page, backupCodes)).toEqual(backupCodes)
    await letTheCodesPass(walk, backupCodes)

    await page.reload()
    await page.getByText('cannot be shown again').waitFor()
    await walk.sees('Save your backup codes')
    expect(await codesIn(page, backupCodes)).toEqual([])
    await walk.press('link', 'Continue')
    await walk.sees('Two-factor authentication')
    // Chromium has kept nothing of it: it would have to post again, as the reload did.
    await expect(page.goBack()).rejects.toThrow('ERR_CACHE_MISS')
  })

  /** From the home page to the backup codes, by way of everything that can be mistyped. */
  async function enable(walk: Walk): Promise<Enrolled> {
    const { page } = walk
    await signIn(walk, 'a wrong password')
    await page.getByRole('alert').waitFor()
    await walk.sees('Sign in')
    await walk.fill('Password', PASSWORD)
    await walk.press('button', 'Sign in')
    await walk.sees('Your account')

    await walk.press('link', 'Set it up')
    await walk.sees('Two-factor authentication')
    await page.getByText('Off', { exact: true }).waitFor()
    await walk.press('button', 'Enable two-factor authentication')
    await walk.sees('Set up two-factor authentication')
    await walk.open('Can’t scan it?')
    const key = (await page.locator('#sf-key').textContent()) as string
    expect(key).toMatch(/^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/)
    await walk.sees('Set up two-factor authentication')

    const [right, wrong] = [phoneCode(key), wrongCode(key)]
    await walk.fill('6-digit code', wrong)
    await walk.press('button', 'Check')
    await page.getByRole('alert').waitFor()
    await walk.sees('Set up two-factor authentication')
    // With a space, as apps show it.
    await walk.fill('6-digit code', `${right.slice(0, 3)} ${right.slice(3)}`)
    await walk.press('button', 'Check')

    await walk.sees('Save your backup codes')
    const list = page.getByRole('list', { name: 'Your backup codes' }).getByRole('listitem')
    const backupCodes = await list.allTextContents()
    expect(new Set(backupCodes).size).toBe(5)
    const [download] = await Promise.all([page.waitForEvent('download'), walk.press('link', 'Download')])
    expect(download.suggestedFilename()).toBe('Quayside-Savings-backup-codes.txt')
    const file = readFileSync(await download.path(), 'utf8')
    expect(file.split('\r\n').filter((line) => backupCodes.includes(line))).toEqual(backupCodes)
    expect(file).toContain(`Account: ${walk.username}@example.com`)
    expect(file).toContain('Quayside Savings: backup codes for two-factor authentication')
    expect(file).toMatch(/Made on: .*\d/)
    return { key, backupCodes }
  }

  async function codesOnClipboard(walk: Walk): Promise<string[]> {
    const granted = ['clipboard-read', 'clipboard-write']
    await walk.page.context().grantPermissions(granted, { origin: site.origin })
    await walk.press('button', 'Copy')
    await walk.page.getByText('Copied').waitFor()
    return String(await walk.page.evaluate('navigator.clipboard.readText()')).split('\n')
  }

  /** Asks for more time with the mouse, then with the keyboard, and sees the codes leave the page when it is over. */
  async function letTheCodesPass(walk: Walk, backupCodes: string[]): Promise<void> {
    const { page } = walk
    const left = async () => {
      const [, minutes, seconds] =
        /(\d+):(\d\d)/.exec((await page.locator('[data-sf-left]').textContent()) as string) ?? []
      return Number(minutes) * 60 + Number(seconds)
    }
    await page.clock.pauseAt(((await page.evaluate('Date.now()')) as number) + 1000)
    const before = await left()
    expect(before).toBeGreaterThan(10)
    expect(before).toBeLessThan(30)
    await page.clock.runFor(2000)
    expect(await left()).toBe(before - 2)
    await walk.press('button', 'Give me more time')
    expect(await left()).toBe(before + 28)
    // The focus has stayed on the button.
    await page.keyboard.press('Enter')
    expect(await left()).toBe(before + 58)
    await page.clock.runFor((before + 57) * 1000)
    expect(await left()).toBe(1)
    expect(await codesIn(page, backupCodes)).toEqual(backupCodes)
    await page.clock.runFor(1000)
    expect(await page.getByText('The codes have left this page').first().isVisible()).toBe(true)
    expect(await codesIn(page, backupCodes)).toEqual([])
    await page.clock.resume()
    await walk.sees('Save your backup codes')
  }

  /** From the backup codes to an account without a second factor, signing in with either kind of code. */
  async function signInAndDisable(walk: Walk, { key, backupCodes }: Enrolled): Promise<void> {
    const { page } = walk
    await walk.press('link', 'I have saved these codes')
    await walk.sees('Two-factor authentication')
    await page.getByText('On since').waitFor()
    await page.getByText('5 of 5 left').waitFor()
    await signOut(walk)

    await signIn(walk)
    await walk.sees('Enter the code from your authenticator app')
    await walk.fill('6-digit code', wrongCode(key))
    await walk.press('button', 'Continue')
    await page.getByRole('alert').waitFor()
    await walk.sees('Enter the code from your authenticator app')
    await walk.open('My code is refused')
    await walk.sees('Enter the code from your authenticator app')
    // The code of this step is used up by enabling.
    await walk.fill('6-digit code', phoneCode(key, 1))
    await walk.press('button', 'Continue')
    await walk.sees('Your account')
    await walk.press('link', 'Vault')
    await walk.sees('Vault')
    await walk.press('link', 'Transfer')
    await walk.sees('Send money')
    await signOut(walk)

    await signIn(walk)
    await walk.sees('Enter the code from your authenticator app')
    await walk.press('link', 'Use a backup code')
    await walk.sees('Enter a backup code')
    await walk.fill('Backup code', 'nonsense')
    await walk.press('button', 'Continue')
    await page.getByRole('alert').waitFor()
    await walk.sees('Enter a backup code')
    await walk.fill('Backup code', (backupCodes[0] as string).toLowerCase())
    await walk.press('button', 'Continue')
    await walk.sees('Your account')
    await walk.press('link', 'Security')
    await walk.sees('Two-factor authentication')
    await page.getByText('4 of 5 left').waitFor()
    await walk.press('link', 'New codes')
    await walk.sees('New backup codes')
    await walk.press('button', 'Make new backup codes')
    await walk.sees('Save your backup codes')
    const [renewed] = await page.locator('#sf-codes li').allTextContents()
    expect(backupCodes).not.toContain(renewed)
    await walk.press('link', 'I have saved these codes')
    await walk.sees('Two-factor authentication')
    await page.getByText('5 of 5 left').waitFor()

    await walk.press('link', 'Disable two-factor authentication')
    await walk.sees('Disable two-factor authentication')
    await walk.fill('Code from your authenticator app', renewed as string)
    await walk.press('button', 'Disable two-factor authentication')
    await walk.sees('Two-factor authentication')
    await page.getByText('Off', { exact: true }).waitFor()
    await signOut(walk)
    await signIn(walk)
    await walk.sees('Your account')
  }
})

/** Those of the codes that stand anywhere in the document. */
async function codesIn(page: Page, codes: string[]): Promise<string[]> {
  const html = decodeURIComponent((await page.content()).replace(/%(?![0-9A-F]{2})/g, '%25'))
  return codes.filter((code) => html.includes(code))
}
