import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Request } from 'express'
import i18next from 'i18next'
import { ConfigurationError } from '../errors'
import { createFormats, type Formats } from './formats'
import type { PageProblem } from './page'

/** The language of one answer: its words, its direction, and dates and numbers as its reader writes them. */
export interface Language extends Formats {
  /** Of the catalogue that the words come from: `en`, `pt-BR`. */
  readonly tag: string
  readonly dir: 'ltr' | 'rtl'
  t(key: string, params?: Record<string, string | number>): string
}

export interface LanguagesOptions {
  /** A folder of `<lang>.json` files: each is merged over ours, or adds a language. */
  locales?: string | undefined
  /**
   * The reader's language, where the host knows it; otherwise what the user chose (`req.session.lang`, or as i18next's
   * and i18n's middleware leave it on the request), then `Accept-Language`.
   */
  language?: ((req: Request) => string | undefined) | undefined
}

export interface Languages {
  of(req: Request): Language
  /** The nearest to a tag such as `pt-BR`, else English. */
  named(tag: string): Language
}

type Catalogue = { [key: string]: string | Catalogue }

const ours = join(__dirname, '../../views/locales')
/** Read once for all instances of a process. */
let ourCatalogues: ReadonlyMap<string, Catalogue> | undefined
const fallback = 'en'
/** More languages than anybody reads. */
const MOST_WISHES = 20
/** More languages than the readers of an app have. */
const MOST_KEPT = 200
const rightToLeft = new Set(['ar', 'he', 'fa', 'ur'])

/** Reads the catalogues, ours and the host's, and chooses among them for each request. */
export function createLanguages(options: LanguagesOptions = {}): Languages {
  ourCatalogues ??= readCatalogues(ours)
  const catalogues = new Map(ourCatalogues)
  if (options.locales !== undefined) {
    if (!existsSync(options.locales)) {
      throw new ConfigurationError(
        'SF_LOCALES_MISSING',
        `The folder of option "locales", ${options.locales}, is not there`,
      )
    }
    for (const [tag, theirs] of readCatalogues(options.locales)) {
      catalogues.set(tag, merge(catalogues.get(tag) ?? {}, theirs))
    }
  }

  // An instance of our own: the host may use i18next too. EJS escapes, so i18next must not do it again.
  const i18n = i18next.createInstance()
  i18n.init({
    initAsync: false,
    fallbackLng: fallback,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    resources: Object.fromEntries([...catalogues].map(([tag, translation]) => [tag, { translation }])),
  })

  function make(tag: string, formats: string): Language {
    const translate = i18n.getFixedT(tag)
    return {
      tag,
      dir: rightToLeft.has(tag.split('-')[0] ?? '') ? 'rtl' : 'ltr',
      t: (key, params = {}) => translate(key, params),
      ...createFormats(formats),
    }
  }

  function wished(wishes: (string | undefined)[]): Language {
    for (const wish of wishes) {
      const formats = canonical(wish)
      const tag = formats && nearest(formats, catalogues)
      // Dates follow the whole wish: whoever asks for en-GB reads "3 May", not "May 3".
      if (formats && tag) return known(tag, formats)
    }
    return known(fallback, fallback)
  }

  const languages = new Map<string, Language>()
  function known(tag: string, formats: string): Language {
    const language = languages.get(formats) ?? make(tag, formats)
    // Anybody may wish for tags without end.
    if (languages.size >= MOST_KEPT) languages.clear()
    languages.set(formats, language)
    return language
  }

  return {
    of(req) {
      return wished([
        options.language?.(req),
        ...chosen(req),
        ...req.acceptsLanguages().slice(0, MOST_WISHES),
      ])
    },
    named: (tag) => wished([tag]),
  }
}

/**
 * What the user chose, where an app usually keeps it: `req.session.lang`, or what its own middleware has found,
 * `req.language` (i18next-http-middleware) or `req.locale` (i18n).
 */
function chosen(req: Request): string[] {
  const { session, language, locale } = req as {
    session?: { lang?: unknown }
    language?: unknown
    locale?: unknown
  }
  return [session?.lang, language, locale].filter((tag) => typeof tag === 'string')
}

/** What a refusal is called, in a line: the `title` of `application/problem+json` and a page's heading. */
export function problemTitle(language: Language, { code, about }: PageProblem): string {
  const noCode = code === 'malformed' && about !== undefined
  return language.t(`problems.${code}.${noCode ? 'titleRequest' : 'title'}`)
}

/** What a refusal means and what to do next: the `detail` to programs, the message beside the field to people. */
export function problemDetail(language: Language, problem: PageProblem): string {
  const { t } = language
  if (problem.code === 'locked' && problem.lockedUntil !== undefined) {
    return problem.lockedUntil === null
      ? t('problems.locked.suspended')
      : t('problems.locked.until', { time: language.time(problem.lockedUntil) })
  }
  if (problem.code === 'invalid_code' && problem.clock) {
    const { direction, seconds, timeZone } = problem.clock
    const kind = timeZone ? 'timeZone' : 'clock'
    return t(`problems.invalid_code.${kind}.${direction}`, { difference: span(language, seconds) })
  }
  if (problem.code === 'step_up_required' && problem.about)
    return t(`problems.step_up_required.${problem.about}`)
  if (problem.code === 'recovery_limit' && problem.retryAt) {
    return t('problems.recovery_limit.until', { moment: language.moment(problem.retryAt) })
  }
  if (problem.about === 'answers' || problem.about === 'ticket')
    return t(`problems.malformed.${problem.about}`)
  if (problem.about === 'reason' || problem.about === 'request' || problem.about === 'user')
    return t(`problems.${problem.code}.${problem.about}`)
  if (problem.about === 'password') return t(`problems.${problem.code}.password`)
  if (problem.about === 'uncertain') return t('problems.unavailable.uncertain')
  if (problem.about === 'login') return t('problems.password_required.login')
  return t(`problems.${problem.code}.detail`)
}

/** `3 minutes`, `2 hours` */
function span({ t, number }: Language, seconds: number): string {
  if (seconds < 3600) {
    const minutes = Math.max(1, Math.round(seconds / 60))
    return t('common.minutes', { count: minutes, number: number(minutes) })
  }
  return t('common.hours', { count: seconds / 3600, number: number(seconds / 3600) })
}

function readCatalogues(folder: string): Map<string, Catalogue> {
  const catalogues = new Map<string, Catalogue>()
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const tag = canonical(basename(file, '.json'))
    if (tag === undefined) {
      throw new ConfigurationError(
        'SF_LOCALE_NAME',
        `${join(folder, file)} is not named after a language, as "de.json" is`,
      )
    }
    try {
      catalogues.set(tag, JSON.parse(readFileSync(join(folder, file), 'utf8')))
    } catch (cause) {
      throw new ConfigurationError('SF_LOCALE_UNREADABLE', `${join(folder, file)} is no JSON: ${cause}`)
    }
  }
  return catalogues
}

function merge(base: Catalogue, over: Catalogue): Catalogue {
  const merged = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = typeof value === 'object' && typeof below === 'object' ? merge(below, value) : value
  }
  return merged
}

function canonical(tag: string | undefined): string | undefined {
  try {
    // RFC 5646 section 4.4.1: 35 characters hold any tag that means something.
    return tag && tag.length <= 35 ? Intl.getCanonicalLocales(tag)[0] : undefined
  } catch {
    return undefined
  }
}

/** The catalogue for `pt-BR-x`: that of its own name, else of `pt-BR`, else of `pt`. */
function nearest(tag: string, catalogues: Map<string, Catalogue>): string | undefined {
  const parts = tag.split('-')
  while (parts.length > 0 && !catalogues.has(parts.join('-'))) parts.pop()
  return parts.join('-') || undefined
}
