import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type axe from 'axe-core'
import type { Express } from 'express'
import { type Browser, chromium, type Locator, type Page } from 'playwright-core'
import { freePort } from './free-port'

const { tools } = require('./tools')

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // What was compiled for one page is there for the next.
  '--js-flags=--no-flush-bytecode',
]

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: tools.chromium.path(), args: flags })
}

/** A running app. */
export interface Site {
  origin: string
  close(): Promise<void>
}

/** The built example, as `npm start` runs it, but for what scrypt costs: a process of its own with an empty data folder. */
export async function startExample(env: Record<string, string> = {}): Promise<Site> {
  const dataDir = mkdtempSync(join(tmpdir(), 'quayside-'))
  const port = await freePort()
  const quick = ['-r', join(__dirname, 'quick-scrypt-process.cjs')]
  const child = spawn(process.execPath, [...quick, join(__dirname, '../../example-app/dist/server.js')], {
    env: { ...process.env, PORT: String(port), DATA_DIR: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  await saying(child, `http://localhost:${port}`)
  return {
    origin: `http://localhost:${port}`,
    async close() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
      rmSync(dataDir, { recursive: true })
    },
  }
}

/** Waits until a process says so; what it said instead is the error. */
export async function saying(child: ChildProcess, words: string): Promise<void> {
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said += chunk
      if (said.includes(words)) resolve()
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)))
  })
}

/** An app of this process. */
export async function host(app: Express): Promise<Site> {
  const server = createServer(app)
  const { port } = await listening(server)
  return {
    origin: `http://localhost:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function listening(server: Server): Promise<AddressInfo> {
  server.listen(0)
  await once(server, 'listening')
  return server.address() as AddressInfo
}

/** What a phone would show for the key, now or so many steps later. */
export function phoneCode(key: string, stepsLater = 0): string {
  return phoneCodes(key, stepsLater, 1)[0] as string
}

/** What it would show from then on, in so many steps. */
export function phoneCodes(key: string, stepsLater: number, steps: number): string[] {
  const at = new Date(Date.now() + stepsLater * 30_000).toISOString().replace('T', ' ').slice(0, 19)
  const args = ['--totp', '-b', key.replace(/\s/g, ''), '-N', `${at} UTC`, '-w', String(steps - 1)]
  return execFileSync('oathtool', args, { encoding: 'utf8' }).trim().split('\n')
}

// biome-ignore lint/suspicious/noExplicitAny: the compiler has no types of a browser here
type Root = any

/** What a function sees in a page, given its root element and this: in one message, for which a locator needs five. */
export function inPage<Given, Seen>(
  page: Page,
  look: (root: Root, given: Given) => Seen,
  given?: Given,
): Promise<Seen> {
  return page.evaluate(`(${look})(document.documentElement, ${JSON.stringify(given ?? null)})`)
}

const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
/** Pages that bring axe-core along wherever they go. */
const equipped = new WeakSet<Page>()

/** Sent to a browser once, and compiled once: for each page anew it takes as long as looking. */
async function bringAxe(page: Page): Promise<void> {
  if (!equipped.has(page)) {
    const source = `globalThis.bringAxe = () => {${axeSource}}`
    await page.addInitScript(source)
    equipped.add(page)
    await page.evaluate(`${source}; 0`)
  }
  await page.evaluate('typeof axe === "undefined" && bringAxe()')
}

/** What axe-core finds wrong with the page, a line each. */
export async function violations(page: Page): Promise<string[]> {
  await bringAxe(page)
  const options: axe.RunOptions = {
    resultTypes: ['violations'],
    rules: { 'target-size': { enabled: true } },
    // Style sheets are fetched again for a rule that is off, unless told otherwise.
    preload: { assets: ['media'] },
  }
  const found: axe.Result[] = await page.evaluate(
    `axe.run(document, ${JSON.stringify(options)}).then((results) => results.violations)`,
  )
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 120)} (${node.failureSummary})`),
  )
}

/** Elements that reach out of the page, that cut their text, or that are too small to hit; a line each. */
export function misfits(page: Page): Promise<string[]> {
  return inPage(page, (root) => {
    const window = root.ownerDocument.defaultView
    const found: string[] = []
    const tag = (element: Root): string => element.outerHTML.slice(0, 120)
    if (root.scrollWidth > window.innerWidth) found.push(`the page is ${root.scrollWidth} px wide`)
    for (const element of root.querySelectorAll('body *')) {
      const { width, height, left, right } = element.getBoundingClientRect()
      const style = window.getComputedStyle(element)
      if (width <= 1 || height <= 1 || style.visibility === 'hidden') continue
      const away = left < -100 || left >= window.innerWidth
      const skipLink = away && style.position === 'absolute'
      if (!skipLink && (left < -0.5 || right > window.innerWidth + 0.5))
        found.push(`outside: ${tag(element)}`)
      // What is cut on purpose says so with an ellipsis.
      const clips = style.overflowX !== 'visible' && style.textOverflow !== 'ellipsis'
      if (clips && element.scrollWidth > element.clientWidth) found.push(`cut: ${tag(element)}`)
      const beside = element.parentElement.textContent.length > element.textContent.length
      const inText = beside && style.display === 'inline'
      const target = element.matches('a, button, summary, input:not([type=hidden])')
      if (target && !inText && (width < 24 || height < 24)) found.push(`${width}x${height}: ${tag(element)}`)
    }
    return found
  })
}

/** Text that lies on other text, or that reaches out of the box that it is in; a line each. */
export function collisions(page: Page): Promise<string[]> {
  return inPage(page, ({ ownerDocument: document }) => {
    const { body } = document
    const window = document.defaultView
    const found: string[] = []
    const pieces: { text: string; left: number; right: number; top: number; bottom: number }[] = []
    // What only screen readers see is a dot.
    const isDot = (element: Root): boolean =>
      element !== body && (element.clientWidth === 1 || isDot(element.parentElement))
    const walker = document.createTreeWalker(body, window.NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.textContent.trim().slice(0, 60)
      const parent = node.parentElement
      if (!text || parent.matches('script, style, noscript, option') || !parent.checkVisibility()) continue
      if (isDot(parent)) continue
      let box = parent
      while (window.getComputedStyle(box).display.startsWith('inline') && box !== body)
        box = box.parentElement
      const bounds = box.getBoundingClientRect()
      const range = document.createRange()
      range.selectNodeContents(node)
      for (const { left, right, top, bottom } of range.getClientRects()) {
        if (right - left < 1 || left < -100 || left >= window.innerWidth) continue
        if (left < bounds.left - 1 || right > bounds.right + 1) found.push(`out of its box: ${text}`)
        // A line is as high as its font wants; the letters are in the middle of it.
        const quarter = (bottom - top) / 4
        pieces.push({ text, left, right, top: top + quarter, bottom: bottom - quarter })
      }
    }
    pieces.forEach((one, index) => {
      for (const other of pieces.slice(index + 1)) {
        const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left)
        const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top)
        if (wide > 1 && high > 1) found.push(`on one another: ${one.text} | ${other.text}`)
      }
    })
    return found
  })
}

/** An element that was looked up. */
export type Target = NonNullable<Awaited<ReturnType<Locator['elementHandle']>>>

/** Whether Shift+Tab comes to an element sooner than Tab. */
export function isBehind(element: Target): Promise<boolean> {
  return element.evaluate((own) => {
    const { activeElement, body } = own.ownerDocument
    const stops = 'a[href], button, input:not([type=hidden]), select, summary'
    const all: (typeof own)[] = [...body.querySelectorAll(stops)].filter((each) => each.checkVisibility())
    // The page itself is a stop, too, before the first and after the last.
    const round = all.length + 1
    const forwards = all.indexOf(own) - all.indexOf(activeElement)
    return (forwards + round) % round > round / 2
  })
}

/** Whether the focus is on this element; if it is nowhere to be seen, what has it. */
export function focusFrom(element: Target): Promise<{ here: boolean; unseen: string | null }> {
  return element.evaluate((own) => {
    const { activeElement, body, defaultView: window } = own.ownerDocument
    const here = activeElement === own
    if (!activeElement || activeElement === body) return { here, unseen: null }
    const { outlineStyle, outlineWidth } = window.getComputedStyle(activeElement)
    const { width, height, left, top, bottom } = activeElement.getBoundingClientRect()
    const onScreen = width > 1 && height > 1 && left >= 0 && bottom > 0 && top < window.innerHeight
    const outlined = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2
    return { here, unseen: onScreen && outlined ? null : activeElement.outerHTML.slice(0, 120) }
  })
}
