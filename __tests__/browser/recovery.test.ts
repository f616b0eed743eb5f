import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import type { Browser } from 'playwright-core'
import { launch, misfits, phoneCode, type Site, startExample, violations } from '../support/browser'
import { begin, mouse, signIn, signOut, type Walk } from './walking'

const { describeWith } = require('../support/tools')

jest.setTimeout(180_000)

describeWith(['chromium', 'oathtool'], 'recovery through support', () => {
  let browser: Browser
  let site: Site
  let dataDir: string

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'recovery-'))
    ;[browser, site] = await Promise.all([launch(), startExample({ DATA_DIR: dataDir })])
  })

  afterAll(async () => {
    await browser?.close()
    await site?.close()
    rmSync(dataDir, { recursive: true })
  })

  /** The text of the mail with this in it, once it has come. */
  async function mailWith(words: string): Promise<string> {
    for (;;) {
      const folder = join(dataDir, 'mail')
      for (const file of readdirSync(folder)) {
        const { text = '' } = await simpleParser(readFileSync(join(folder, file)))
        if (text.includes(words)) return text
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Looks at a page as it is, in light and dark, on a phone and on a desk. */
  async function looksRight({ page }: Walk): Promise<void> {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        expect([page.url(), colorScheme, width, await misfits(page)]).toEqual([
          page.url(),
          colorScheme,
          width,
          [],
        ])
      }
      expect(await violations(page)).toEqual([])
    }
  }

  test('asked at the challenge, cancelled from the mail', async () => {
    const walk = await begin(browser, site, 'alice', { hand: mouse })
    const { page } = walk
    await signIn(walk)
    await walk.press('link', 'Set it up')
    await walk.press('button', 'Enable two-factor authentication')
    await walk.open('Can’t scan it?')
    const key = (await page.locator('#sf-key').textContent()) as string
    await walk.fill('6-digit code', phoneCode(key))
    await walk.press('button', 'Check')
    await walk.press('link', 'I have saved these codes')
    await signOut(walk)

    await signIn(walk)
    await walk.sees('Enter the code from your authenticator app')
    await looksRight(walk)
    await walk.press('link', 'I cannot use my authenticator or my backup codes')
    await walk.sees('Recover your account')
    await looksRight(walk)
    await walk.fill('First name', 'Alice')
    await walk.fill('Last name', 'Liddell')
    await walk.fill('Phone number given at registration', '+44 20 7946 0101')
    await walk.press('button', 'Ask support')
    await page.getByText('Support has your request.').waitFor()
    await looksRight(walk)

    const [link] = /http\S+\/recovery\/cancel\?ticket=\S+/.exec(
      await mailWith('has asked support'),
    ) as RegExpExecArray
    // The owner, with another browser and nobody signed in.
    const owner = await begin(browser, site, 'alice', { hand: mouse })
    const requested: string[] = []
    owner.page.on('request', (request) => {
      const { referer = '' } = request.headers()
      if (new URL(request.url()).origin !== site.origin && referer.includes('ticket'))
        requested.push(request.url())
    })
    await owner.page.goto(link)
    await owner.sees('Cancel the recovery of your account')
    await looksRight(owner)
    await owner.press('button', 'Cancel the request')
    await owner.page.getByText('The request is cancelled.').waitFor()
    await looksRight(owner)
    expect(requested).toEqual([])

    await page.goto(`${site.origin}/two-factor/recovery`)
    await page.getByText('Your last request was cancelled.').waitFor()
    await mailWith('stays as it is')
  })
})
