import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Request, RequestHandler, Response } from 'express'
import i18next from 'i18next'
import { folder } from './files'

declare module 'express-session' {
  interface SessionData {
    /** The language chosen at login. */
    lang?: string
  }
}

const files = folder('locales')
const tags = readdirSync(files).map((name) => basename(name, '.json'))

/** The languages by name, each as its readers call it. */
export const languages = tags
  .map((tag) => {
    const name = new Intl.DisplayNames(tag, { type: 'language' }).of(tag) ?? tag
    return { tag, name: name.charAt(0).toLocaleUpperCase(tag) + name.slice(1) }
  })
  .sort((a, b) => a.name.localeCompare(b.name, 'en'))

const i18n = i18next.createInstance()
i18n.init({
  initAsync: false,
  fallbackLng: 'en',
  nsSeparator: false,
  // EJS escapes.
  interpolation: { escapeValue: false },
  resources: Object.fromEntries(
    tags.map((tag) => [tag, { translation: JSON.parse(readFileSync(join(files, `${tag}.json`), 'utf8')) }]),
  ),
})

/** What was chosen at login, in this session or the one before; else what the browser wants. */
export function languageOf(req: Request): string | undefined {
  // A logout ends the session: the cookie remembers beyond it.
  const [, kept] = /(?:^|; *)lang=([\w-]+)/.exec(req.headers.cookie ?? '') ?? []
  const chosen = [req.session?.lang, kept].find(known)
  const accepted = req.acceptsLanguages().filter(known)
  // Dates as the reader's country writes them: the browser's en-GB, where English was chosen.
  return accepted.find((tag) => !chosen || baseOf(tag) === chosen) ?? chosen
}

/** Keeps the language that the login form names, for this session and the time after it. */
export const chooseLanguage: RequestHandler = (req, res, next) => {
  const lang: unknown = req.body?.lang
  if (known(lang)) {
    req.session.lang = baseOf(lang)
    res.cookie('lang', baseOf(lang), { httpOnly: true, sameSite: 'lax', secure: req.secure, maxAge: YEAR })
    speak(req, res)
  }
  next()
}

/** Gives the views `t` and what goes with it. */
export const speakLanguage: RequestHandler = (req, res, next) => {
  speak(req, res)
  next()
}

const YEAR = 365 * 86_400_000

function speak(req: Request, res: Response): void {
  const formats = languageOf(req) ?? 'en'
  const lang = baseOf(formats)
  // A bank of London: its pounds stand as in London where the reader names no country.
  const place = formats === 'en' ? 'en-GB' : formats
  const pounds = { style: 'currency', currency: 'GBP', currencyDisplay: 'narrowSymbol' } as const
  Object.assign(res.locals, {
    lang,
    dir: lang === 'ar' ? 'rtl' : 'ltr',
    languages,
    t: i18n.getFixedT(lang),
    // Made where a page wants them: that takes longer than most requests.
    money: (amount: number) => new Intl.NumberFormat(place, pounds).format(amount),
    number: (value: number) => new Intl.NumberFormat(place).format(value),
    day: (date: Date) => new Intl.DateTimeFormat(place, { dateStyle: 'long', timeZone: 'UTC' }).format(date),
  })
}

function known(tag: unknown): tag is string {
  return typeof tag === 'string' && /^[a-z]{2}(-|$)/.test(tag) && tags.includes(baseOf(tag)) && isTag(tag)
}

/** Well-formed by RFC 5646: formatters throw at others. */
function isTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag.slice(0, 36))[0]?.length === tag.length
  } catch {
    return false
  }
}

function baseOf(tag: string): string {
  return tag.slice(0, 2)
}
