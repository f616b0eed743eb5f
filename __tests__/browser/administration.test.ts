import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ParsedMail, simpleParser } from 'mailparser'
import type { Browser, Page } from 'playwright-core'
import { PASSWORD } from '../support/app'
import {
  collisions,
  inPage,
  launch,
  misfits,
  phoneCode,
  type Site,
  startExample,
  violations,
} from '../support/browser'
import type { Client } from '../support/client'
import { begin, enrolled, keyboard, mouse, takeOver, type Walk, wrongCode } from './walking'

const { describeWith } = require('../support/tools')

jest.setTimeout(240_000)

/** Users that are made besides the four of the demonstration, and what their addresses have. */
const MORE = 120
const ALL = MORE + 4
const SEEDED = /\.\d+@/
/** Seconds. What must be seen before the waiting period ends is one page that is asked for again. */
const DELAY = 10

/** What the example knows of its users. */
const REGISTERED = {
  alice: ['Alice', 'Liddell', '+44 20 7946 0101'],
  bob: ['Bob', 'Marsh', '+44 20 7946 0102'],
  carol: ['Carol', 'Danvers', '+44 20 7946 0103'],
} as const

const root = join(__dirname, '../..')
const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'))

/** A language, and what is said in it. */
interface Tongue {
  lang: string
  dir: 'ltr' | 'rtl'
  own: typeof import('../../example-app/locales/en.json')
  ours: typeof import('../../views/locales/en.json')
}

const tongue = (lang: string, dir: 'ltr' | 'rtl'): Tongue => ({
  lang,
  dir,
  own: read(`example-app/locales/${lang}.json`),
  ours: read(`views/locales/${lang}.json`),
})
const english = tongue('en', 'ltr')
const arabic = tongue('ar', 'rtl')

const dark = { colorScheme: 'dark' } as const
const light = { colorScheme: 'light' } as const

describeWith(['chromium', 'oathtool'], 'an administrator, and users who are locked out', () => {
  let browser: Browser
  let site: Site
  let dataDir: string
  const mails = new Map<string, ParsedMail>()
  /** The administrator's key and backup codes: each code is good for one thing. */
  let key: string
  let backupCodes: string[]
  let signedIn: Client

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'administration-'))
    const env = {
      DATA_DIR: dataDir,
      SEED_USERS: String(MORE),
      RECOVERY_DELAY: String(DELAY),
      TRUSTED_DEVICES: '30d',
    }
    ;[browser, site] = await Promise.all([launch(), startExample(env)])
    ;({ key, backupCodes, client: signedIn } = await enrolled(site, 'admin'))
  })

  afterAll(async () => {
    await browser?.close()
    await site?.close()
    rmSync(dataDir, { recursive: true })
  })

  test('in English, dark', async () => {
    const [admin, user] = await Promise.all([
      begin(browser, site, 'admin', { hand: keyboard, context: dark }),
      begin(browser, site, 'alice', { hand: keyboard, context: dark }),
    ])
    await takeOver(admin, signedIn, site)
    await admin.page.goto(`${site.origin}/account`)
    const code = (steps: number) => phoneCode(key, steps)
    await Promise.all([
      lockOutAndAsk(user, english, { locks: true }),
      (async () => {
        await lookUpUsers(admin, english)
        await filterUsers(admin, english)
        await resetSomebody(admin, english, code(0))
      })(),
    ])
    await approve(admin, english, 'Alice Liddell', code(1))
    await recover(user, english)
    await Promise.all([admin.leave(), user.leave()])
  })

  test('from right to left, in Arabic', async () => {
    const [forLogin, forReset, forApproval] = backupCodes as [string, string, string]
    const [admin, user] = await Promise.all([
      begin(browser, site, 'admin', { hand: keyboard, context: light }),
      begin(browser, site, 'bob', { hand: keyboard, context: light }),
    ])
    await Promise.all([
      lockOutAndAsk(user, arabic, { locks: false }),
      (async () => {
        await signIn(admin, arabic)
        await answer(admin, arabic, forLogin)
        await admin.sees(arabic.own.account.title)
        await lookUpUsers(admin, arabic)
        await resetSomebody(admin, arabic, forReset)
      })(),
    ])
    await approve(admin, arabic, 'Bob Marsh', forApproval)
    await recover(user, arabic)
    await Promise.all([admin.leave(), user.leave()])
  })

  test('without JavaScript, and the owner cancels from the mail', async () => {
    const { ours } = english
    const [, , , forLogin, forReset] = backupCodes as [string, string, string, string, string]
    const withoutScript = { hand: mouse, context: { javaScriptEnabled: false } }
    const [user, owner] = await Promise.all([
      begin(browser, site, 'carol', withoutScript),
      begin(browser, site, 'carol', { hand: keyboard, context: light }),
    ])
    await enrolled(site, 'carol')
    await signIn(user, english)
    await user.sees(ours.challenge.title.totp)
    await user.press('link', ours.challenge.recover)
    await user.sees(ours.recovery.title)
    await fillIn(user, english, ['Carol', 'Danvers', ' '])
    await send(user, ours.recovery.ask)
    expect(await refusedAt(user.page, ours.recovery.fields.phone)).toBe(ours.recovery.missing)
    // What was typed is still there.
    await user.fill(ours.recovery.fields.phone, '+44 20 7946 0103')
    await user.press('button', ours.recovery.ask)
    await user.page.getByText(ours.recovery.requested).waitFor()

    const link = await linkIn('carol@example.com', ours.mail.subject['recovery-requested'])
    const told: string[] = []
    owner.page.on('request', (request) => {
      const away = new URL(request.url()).origin !== site.origin
      if (away && request.headers().referer?.includes('ticket')) told.push(request.url())
    })
    await owner.page.goto(link)
    await owner.page.emulateMedia(dark)
    await looksRight(owner, english, ours['recovery-cancel'].title)
    await owner.page.emulateMedia(light)
    await looksRight(owner, english, ours['recovery-cancel'].title)
    expect(await owner.page.getByRole('button', { name: english.own.nav.signOut }).count()).toBe(0)
    await owner.press('button', ours['recovery-cancel'].cancel)
    await owner.page.getByText(ours['recovery-cancel'].is.cancelled).waitFor()
    await looksRight(owner, english, ours['recovery-cancel'].title)
    await mailTo('carol@example.com', ours.mail.subject['recovery-cancelled'])
    await owner.page.goto(link)
    await owner.page.getByText(ours['recovery-cancel'].is.cancelled).waitFor()
    // No other site hears of the link.
    expect(told).toEqual([])

    await user.page.reload()
    await user.page.getByText(ours.recovery.over.cancelled).waitFor()
    await user.leave()

    const support = await begin(browser, site, 'admin', withoutScript)
    await signIn(support, english)
    await answer(support, english, forLogin)
    await support.press('link', english.own.nav.users)
    await support.press('link', ours.admin.recovery.title)
    await support.sees(ours.admin.recovery.title)
    expect(await support.page.getByRole('heading', { name: 'Carol Danvers' }).count()).toBe(0)
    await support.press('link', ours.admin.recovery.toUsers)
    await resetSomebody(support, english, forReset, false)
  })

  /** The list of users, from the menu: its pages, and a search that finds nobody. */
  async function lookUpUsers(walk: Walk, words: Tongue): Promise<void> {
    const { page } = walk
    const { users } = words.ours.admin
    const names = page.getByRole('rowheader')
    const first = page.getByRole('link', { name: users.first })
    await walk.press('link', words.own.nav.users)
    await looksRight(walk, words, users.title)
    const seen = await names.allTextContents()
    expect(seen).toHaveLength(50)
    await walk.press('link', users.next)
    await first.waitFor()
    seen.push(...(await names.allTextContents()))
    await walk.press('link', users.next)
    await page.getByRole('link', { name: users.next }).waitFor({ state: 'detached' })
    seen.push(...(await names.allTextContents()))
    expect(new Set(seen).size).toBe(ALL)
    await walk.press('link', users.first)
    await first.waitFor({ state: 'detached' })

    await walk.fill(users.search, 'nobody at all')
    await walk.press('button', users.find)
    await page.getByText(users.none.found).waitFor()
    await looksRight(walk, words, users.title)
    await walk.press('link', users.clear)
    await names.first().waitFor()
  }

  /** The list by status, on the page and as a file. */
  async function filterUsers(walk: Walk, words: Tongue): Promise<void> {
    const { page } = walk
    const { users } = words.ours.admin
    const filters = page.getByRole('navigation', { name: users.filter }).getByRole('link')
    const filter = async (which: number) => {
      const link = filters.nth(which)
      await walk.press('link', await plain(link.textContent()))
      await link.and(page.locator('[aria-current]')).waitFor()
    }
    // Others enable theirs meanwhile.
    const seeded = (all: User[]) => all.filter(({ email }) => SEEDED.test(email))
    const statuses = async () => [
      ...new Set(await page.getByRole('row', { name: SEEDED }).locator('.sf-badge').allTextContents()),
    ]
    const all = await downloaded(walk, users.csv)
    expect(all).toHaveLength(ALL)
    await filter(1)
    expect(await statuses()).toEqual([users.is.activated])
    const activated = await downloaded(walk, users.csv)
    expect(seeded(activated)).toEqual(seeded(all).filter(({ status }) => status === 'activated'))
    await filter(2)
    expect(await statuses()).toEqual([users.is['not-activated']])
    await filter(0)
  }

  /** From the list of users and back to it, over everything that is refused. */
  async function resetSomebody(walk: Walk, words: Tongue, code: string, closely = true): Promise<void> {
    const { page } = walk
    const { admin, problems } = words.ours
    const sees = (heading: string) => (closely ? looksRight(walk, words, heading) : walk.sees(heading))
    const find = async (whom: string) => {
      await walk.fill(admin.users.search, whom)
      await walk.press('button', admin.users.find)
      await page.waitForURL((url) => url.searchParams.get('q') === whom)
    }
    const found = (await downloaded(walk, admin.users.csv)).filter(
      ({ status, name }) => status === 'activated' && name !== 'Ada Admin',
    )
    // A name that runs the other way, where there is one.
    const other = words.dir === 'rtl' ? /^[A-Z]/ : /^\p{Script=Arabic}/u
    const { name, email } = (found.find((one) => other.test(one.name)) ?? found[0]) as User
    await find(email)
    const row = page.getByRole('row').filter({ hasText: email })
    expect(await row.locator('.sf-badge').textContent()).toBe(admin.users.is.activated)
    await walk.press('link', inserted(admin.users.resetFor, { name }))
    await sees(admin.reset.title)
    await page.getByText(email).waitFor()

    await walk.fill(admin.reason, ' ')
    await walk.fill(admin.code, code)
    await send(walk, admin.reset.submit)
    expect(await refusedAt(page, admin.reason)).toBe(problems.malformed.reason)
    await walk.fill(admin.reason, 'Showed a passport at the counter')
    await walk.fill(admin.code, wrongCode(key))
    await send(walk, admin.reset.submit)
    expect(await refusedAt(page, admin.code)).toBe(problems.invalid_code.detail)
    if (words === english) await sees(admin.reset.title)
    expect(await page.getByLabel(admin.reason, { exact: true }).inputValue()).toBe(
      'Showed a passport at the counter',
    )
    await walk.fill(admin.code, code)
    await walk.press('button', admin.reset.submit)
    const notice = page.getByRole('status')
    await notice.waitFor()
    expect(await plain(notice.textContent())).toBe(inserted(admin.notice.reset, { name }))
    await sees(admin.users.title)
    // Who never signed in has chosen no language, and the administrator's is not theirs.
    await mailTo(email, english.ours.mail.subject.reset)
    // Back at the very search.
    expect(new URL(page.url()).searchParams.get('q')).toBe(email)
    expect(await row.locator('.sf-badge').textContent()).toBe(admin.users.is['not-activated'])
    expect(await row.getByRole('link').count()).toBe(0)
    await page.reload()
    expect(await row.count()).toBe(1)
    expect(await notice.count()).toBe(0)

    await find('admin@example.com')
    const own = page.getByRole('row').filter({ hasText: 'Ada Admin' })
    expect(await plain(own.getByRole('cell').last().textContent())).toBe(admin.users.you)
    expect(await own.getByRole('link').count()).toBe(0)
  }

  /** From the home page, with a phone that is lost, to a request that support has. */
  async function lockOutAndAsk(walk: Walk, words: Tongue, { locks }: { locks: boolean }): Promise<void> {
    const { page, username } = walk
    const { challenge, recovery, lock, mail } = words.ours
    const { key: lost } = await enrolled(site, username, { lang: words.lang })
    await signIn(walk, words)
    await walk.sees(challenge.title.totp)
    if (locks) {
      for (let i = 0; i < 5; i++) {
        await walk.fill(challenge.label.totp, wrongCode(lost))
        await send(walk, challenge.submit)
        await page.getByRole('alert').waitFor()
      }
      await page.getByText(lock.means.totp).waitFor()
    }
    await looksRight(walk, words, challenge.title.totp)
    await walk.press('link', challenge.recover)
    await looksRight(walk, words, recovery.title)

    // The browser itself holds back what is empty; what only looks empty comes back.
    const [first, last, phone] = REGISTERED[username as keyof typeof REGISTERED]
    await fillIn(walk, words, [first, last])
    await walk.press('button', recovery.ask)
    const empty = page.getByLabel(recovery.fields.phone, { exact: true })
    expect(await empty.evaluate((field) => field.matches(':focus:invalid'))).toBe(true)
    await walk.fill(recovery.fields.phone, ' ')
    await send(walk, recovery.ask)
    expect(await refusedAt(page, recovery.fields.phone)).toBe(recovery.missing)
    if (words === english) await looksRight(walk, words, recovery.title)
    await walk.fill(recovery.fields.phone, phone)
    await walk.press('button', recovery.ask)
    await page.getByText(recovery.requested).waitFor()
    await looksRight(walk, words, recovery.title)
    expect(await linkIn(`${username}@example.com`, mail.subject['recovery-requested'])).toContain(site.origin)
  }

  /** The administrator's yes to somebody's request, from the list of users. */
  async function approve(walk: Walk, words: Tongue, whom: string, code: string): Promise<void> {
    const { page } = walk
    const { admin, problems } = words.ours
    await walk.press('link', admin.recovery.title)
    await looksRight(walk, words, admin.recovery.title)
    expect(await page.getByRole('heading', { name: whom }).count()).toBe(1)
    await walk.press('link', admin.recovery.decide)
    await page.getByText(admin.recovery.matches).waitFor()
    await looksRight(walk, words, admin['recovery-request'].title)
    await walk.fill(admin.reason, 'Called back at the number of 2019')
    await walk.fill(admin.code, wrongCode(key))
    await send(walk, admin.recovery.approve)
    expect(await refusedAt(page, admin.code)).toBe(problems.invalid_code.detail)
    if (words === english) await looksRight(walk, words, admin['recovery-request'].title)
    await walk.fill(admin.code, code)
    await walk.press('button', admin.recovery.approve)
    const notice = page.getByRole('status')
    await notice.waitFor()
    expect(await plain(notice.textContent())).toBe(
      inserted(admin.notice['recovery-approved'], { name: whom }),
    )
  }

  /** From a request that support has just approved, over the waiting period, to an account with a new phone. */
  async function recover(walk: Walk, words: Tongue): Promise<void> {
    const { page, username } = walk
    const { recovery, enable, mail } = words.ours
    await page.reload()
    await page.getByText(recovery.approved).waitFor()
    await looksRight(walk, words, recovery.title)
    await mailTo(`${username}@example.com`, mail.subject['recovery-approved'])
    const due = Date.parse((await page.locator('time').first().getAttribute('datetime')) as string)
    // The page says when, and one clock is everybody's.
    await new Promise((resolve) => setTimeout(resolve, due - Date.now()))
    await page.context().clearCookies()
    await page.goto(site.origin)
    await signIn(walk, words)
    await looksRight(walk, words, enable.title)
    await mailTo(`${username}@example.com`, mail.subject['recovery-completed'])

    await page.goto(`${site.origin}/vault`)
    await walk.sees(enable.title)
    await walk.press('button', words.ours['enable-start'].start)
    await proveNewPhone(walk, words)
    await walk.sees(words.own.vault.title)
  }

  /** The mail of this subject to somebody, once it has come. */
  async function mailTo(address: string, subject: string): Promise<string> {
    const folder = join(dataDir, 'mail')
    const patience = Date.now() + 60_000
    for (;;) {
      if (Date.now() > patience) throw new Error(`No mail to ${address}: ${subject}`)
      for (const file of readdirSync(folder)) {
        // Empty while it is written.
        const mail = mails.get(file) ?? (await simpleParser(readFileSync(join(folder, file))))
        if (mail.text) mails.set(file, mail)
        const to = [mail.to].flat().map((each) => each?.text)
        if (to.includes(address) && mail.subject?.includes(subject)) return mail.text as string
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async function linkIn(address: string, subject: string): Promise<string> {
    const [link] = /http\S+\/recovery\/cancel\?ticket=\S+/.exec(await mailTo(address, subject)) ?? []
    return link as string
  }
})

/** Looks at a page, at those with a refused field in one language only: that axe finds nothing, that it fits a phone and a desk, and that it is in the language. */
async function looksRight(walk: Walk, { lang, dir }: Tongue, heading: string): Promise<void> {
  const { page } = walk
  await walk.sees(heading)
  // Without its style sheet everything is small.
  await page.waitForLoadState()
  const said = await inPage(page, ({ lang, dir }) => [lang, dir])
  expect([heading, ...said]).toEqual([heading, lang, dir])
  expect([heading, lang, await violations(page)]).toEqual([heading, lang, []])
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: 800 })
    const wrong = [...(await misfits(page)), ...(await collisions(page))]
    expect([heading, lang, width, wrong]).toEqual([heading, lang, width, []])
  }
}

/** What stands beside a field that was refused, which is where the focus is. */
async function refusedAt(page: Page, label: string): Promise<string> {
  const field = page.getByLabel(label, { exact: true })
  const message = page.getByRole('alert')
  await message.waitFor()
  expect(await message.count()).toBe(1)
  expect(await field.getAttribute('aria-invalid')).toBe('true')
  expect((await field.getAttribute('aria-describedby'))?.split(' ')).toContain(
    await message.getAttribute('id'),
  )
  expect(await field.evaluate((own) => own.matches(':focus'))).toBe(true)
  return plain(message.textContent())
}

/** From the home page to a sign-in form that is filled in, but not sent. */
async function fillInLogin(walk: Walk, { lang }: Tongue): Promise<void> {
  const { page, username } = walk
  const { own } = await spoken(page)
  if (new URL(page.url()).pathname === '/') await walk.press('link', own.nav.signIn)
  await walk.sees(own.login.title)
  await walk.fill(own.login.username, username)
  await walk.fill(own.login.password, PASSWORD)
  // The browser remembers it from the first time on.
  if ((await page.locator('#lang').inputValue()) !== lang) await walk.choose(own.login.language, lang)
}

async function sendLogin(walk: Walk): Promise<void> {
  await walk.press('button', (await spoken(walk.page)).own.login.submit)
}

async function signIn(walk: Walk, words: Tongue): Promise<void> {
  await fillInLogin(walk, words)
  await sendLogin(walk)
}

/** The language that a page is in. */
async function spoken(page: Page): Promise<Tongue> {
  return (await page.locator('html').getAttribute('lang')) === 'ar' ? arabic : english
}

async function answer(walk: Walk, { ours }: Tongue, code: string): Promise<void> {
  await walk.fill(ours.challenge.label.totp, code)
  await walk.press('button', ours.challenge.submit)
}

/** Presses the button of a form and waits for the answer, which may look like the page before. */
async function send(walk: Walk, button: string): Promise<void> {
  await walk.page.waitForLoadState()
  await Promise.all([walk.page.waitForEvent('load'), walk.press('button', button)])
}

/** From the QR code to where somebody was going. */
async function proveNewPhone(walk: Walk, { ours }: Tongue): Promise<void> {
  const { page } = walk
  await walk.sees(ours.enable.title)
  const shown = page.locator('#sf-key')
  await shown.waitFor({ state: 'attached' })
  const key = (await shown.textContent()) as string
  await walk.fill(ours.enable.label, phoneCode(key, -1))
  await walk.press('button', ours.enable.check)
  await walk.sees(ours['new-backup-codes'].title)
  await walk.press('link', ours['new-backup-codes'].saved)
  await page
    .getByRole('heading', { level: 1, name: ours['new-backup-codes'].title })
    .waitFor({ state: 'detached' })
}

/** The fields of the form to support, as many as there are answers. */
async function fillIn(walk: Walk, { ours }: Tongue, answers: string[]): Promise<void> {
  const { firstName, lastName, phone } = ours.recovery.fields
  const labels = [firstName, lastName, phone]
  for (const [i, typed] of answers.entries()) await walk.fill(labels[i] as string, typed)
}

/** What a catalogue says, with these in it. */
function inserted(text: string, values: Record<string, string>): string {
  return text.replace(/{{(\w+)}}/g, (_, name) => values[name] as string)
}

async function plain(text: Promise<string | null>): Promise<string> {
  return ((await text) ?? '').replace(/\s+/g, ' ').trim()
}

type User = Record<'id' | 'name' | 'email' | 'status', string>

/** The users in the file behind a link. */
async function downloaded(walk: Walk, link: string): Promise<User[]> {
  const [download] = await Promise.all([walk.page.waitForEvent('download'), walk.press('link', link)])
  expect(download.suggestedFilename()).toBe('users.csv')
  const text = readFileSync(await download.path(), 'utf8')
  // None of these names has a comma or a quotation mark in it.
  const [names, ...users] = text
    .replace(/\r\n$/, '')
    .split('\r\n')
    .map((line) => line.split(',').map((value) => value.replaceAll('"', '')))
  expect(names?.slice(0, 4)).toEqual(['\ufeffid', 'name', 'email', 'status'])
  return users.map(([id, name, email, status]) => ({ id, name, email, status }) as User)
}
