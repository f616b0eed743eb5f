import { execFileSync } from 'node:child_process'
import type { Express } from 'express'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import {
  focusFrom,
  isBehind,
  misfits,
  phoneCodes,
  type Site,
  type Target,
  violations,
} from '../support/browser'
import { Client } from '../support/client'

/** How somebody fills in, chooses, presses, ticks, and opens what is folded. */
export interface Hand {
  fill(label: string, text: string): Promise<void>
  /** The option with this value, in a list that is folded. */
  choose(label: string, value: string): Promise<void>
  press(role: 'button' | 'link', name: string): Promise<void>
  tick(label: string): Promise<void>
  open(summary: string): Promise<void>
}

export function mouse(page: Page): Hand {
  return {
    fill: (label, text) => page.getByLabel(label, { exact: true }).fill(text),
    async choose(label, value) {
      await page.getByLabel(label, { exact: true }).selectOption(value)
    },
    press: (role, name) => page.getByRole(role, { name, exact: true }).first().click(),
    // The words beside the box do, too.
    tick: (label) => page.getByText(label, { exact: true }).click(),
    open: (summary) => page.locator('summary', { hasText: summary }).click(),
  }
}

export function keyboard(page: Page): Hand {
  /** Tabs to the element the shorter way round, and at each stop on the way sees where the focus is. */
  async function tabTo(element: Locator): Promise<void> {
    await element.waitFor()
    // Without its style sheet no focus is seen.
    await page.waitForLoadState()
    // Looked up once: in a long list that takes longer than a stop.
    const target = (await element.elementHandle()) as Target
    const key = (await isBehind(target)) ? 'Shift+Tab' : 'Tab'
    for (let stops = 0; stops < 60; stops++) {
      const { here, unseen } = await focusFrom(target)
      expect(unseen).toBeNull()
      if (here) return
      await page.keyboard.press(key)
    }
    throw new Error(`Tab never comes to ${element}`)
  }
  return {
    async fill(label, text) {
      await tabTo(page.getByLabel(label, { exact: true }))
      await page.keyboard.press('Control+A')
      await page.keyboard.type(text)
    },
    async choose(label, value) {
      const list = page.getByLabel(label, { exact: true })
      await tabTo(list)
      await page.keyboard.press('Home')
      const options = await list.locator('option').count()
      for (let down = 0; down < options; down++) {
        if ((await list.inputValue()) === value) return
        await page.keyboard.press('ArrowDown')
      }
      expect(await list.inputValue()).toBe(value)
    },
    async press(role, name) {
      await tabTo(page.getByRole(role, { name, exact: true }).first())
      await page.keyboard.press('Enter')
    },
    async tick(label) {
      await tabTo(page.getByLabel(label, { exact: true }))
      await page.keyboard.press('Space')
    },
    async open(summary) {
      await tabTo(page.locator('summary', { hasText: summary }))
      await page.keyboard.press('Enter')
    },
  }
}

export interface Manner {
  hand: (page: Page) => Hand
  /** Looks at every page on the way with axe, and at whether it fits. */
  closely?: boolean
  context?: BrowserContextOptions
}

/** Pages that were looked at closely and found good: they come more than once, to the letter. */
const found = new Set<string>()

/** All of the page but its form token. */
async function markupOf(page: Page): Promise<string> {
  const html = await page.content()
  return html.replace(/(name="_csrf" value=)"[^"]*"/g, '$1')
}

/** Somebody on the way, and how they use the page. */
export interface Walk extends Hand {
  page: Page
  username: string
  /** Waits for the page with this heading. */
  sees(heading: string): Promise<void>
  /** Leaves the window, signed out everywhere, to whoever begins next. */
  leave(): Promise<void>
}

/** Windows that nobody looks through any more, by their settings: a new one costs as much as eight pages. */
const free = new Map<string, Page[]>()

async function windowOf(browser: Browser, settings: BrowserContextOptions): Promise<Page> {
  const left = free.get(JSON.stringify(settings))?.pop()
  if (left) return left
  const context = await browser.newContext(settings)
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  return page
}

/** Somebody with a browser of their own, on the home page of the example app. */
export async function begin(
  browser: Browser,
  site: Site,
  username: string,
  { hand, closely = false, context = {} }: Manner,
): Promise<Walk> {
  const { colorScheme = 'light', ...settings } = context
  const page = await windowOf(browser, settings)
  // A colour on its way is none to judge by.
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  const walk: Walk = {
    ...hand(page),
    page,
    username,
    async leave() {
      await page.context().clearCookies()
      const key = JSON.stringify(settings)
      free.set(key, [...(free.get(key) ?? []), page])
    },
    async sees(heading) {
      await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor()
      expect(await page.title()).toContain('Quayside Savings')
      if (!closely) return
      // Without its style sheet everything is small.
      await page.waitForLoadState()
      const markup = await markupOf(page)
      if (found.has(markup)) return
      expect([heading, await violations(page)]).toEqual([heading, []])
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        expect([heading, width, await misfits(page)]).toEqual([heading, width, []])
      }
      found.add(markup)
    },
  }
  await page.goto(site.origin)
  await walk.sees('Savings, safely moored')
  return walk
}

export async function signIn(walk: Walk, password = PASSWORD): Promise<void> {
  await walk.press('link', 'Sign in')
  await walk.sees('Sign in')
  await walk.fill('User name', walk.username)
  await walk.fill('Password', password)
  await walk.press('button', 'Sign in')
}

export async function signOut(walk: Walk): Promise<void> {
  await walk.press('button', 'Sign out')
  await walk.sees('Savings, safely moored')
}

export interface Enrolled {
  key: string
  backupCodes: string[]
}

/**
 * Enables somebody's second factor by requests alone, for walks that begin behind that; the way itself is walked
 * in `walk`. The code is of the step before: this one's is left to use. Mails come in `lang` from then on.
 */
export async function enrolled(
  site: Site,
  username: string,
  { now = Date.now, lang = 'en' } = {},
): Promise<Enrolled & { client: Client }> {
  const client = new Client(site.origin as unknown as Express)
  await client.post('/login', { username, password: PASSWORD, lang })
  const begun = await client.post('/two-factor/enable', {}, '/two-factor')
  const key: string = begun.body.secret
  const code = new Authenticator(key, now).code(-1)
  const done = await client.post('/two-factor/enable/confirm', { code }, '/two-factor')
  expect(done.body).toMatchObject({ backupCodes: expect.any(Array) })
  return { key, backupCodes: done.body.backupCodes, client }
}

/** Goes on as a program that is signed in. */
export async function takeOver({ page }: Walk, { cookies }: Client, site: Site): Promise<void> {
  const url = site.origin
  await page.context().addCookies([...cookies].map(([name, value]) => ({ name, value, url })))
}

/** Six digits that no step near now has. */
export function wrongCode(key: string): string {
  const near = phoneCodes(key, -2, 6)
  return ['111111', '222222', '333333', '444444', '555555', '666666', '777777'].find(
    (code) => !near.includes(code),
  ) as string
}

/** What zbarimg reads in a picture of the whole page. */
export async function scanned(page: Page): Promise<string> {
  const input = await page.screenshot({ fullPage: true })
  const options = ['--quiet', '--raw', '-Sdisable', '-Sqrcode.enable', '-']
  return execFileSync('zbarimg', options, { input, encoding: 'utf8', stdio: 'pipe' }).trim()
}
