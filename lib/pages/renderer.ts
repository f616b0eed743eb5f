import type { Request, RequestHandler, Response } from 'express'
import { createAssets } from './assets'
import { createHeaders, type HeadersOptions, type SetHeaders } from './headers'
import { type Language, type Languages, problemDetail, problemTitle } from './language'
import type { Page, PageProblem } from './page'
import { link, type Support, supportLink } from './support'
import { bare, createTemplates, type Template } from './templates'

const fieldPages: ReadonlySet<Page['name']> = new Set([
  'enable',
  'challenge',
  'disable',
  'admin/reset',
  'admin/recovery-request',
])

/** The hidden field that every form carries against forgery. */
export interface FormToken {
  field: string
  token: string
}

/** What a layout is made of. `head` and `body` are HTML, the rest is text. */
export interface LayoutParts {
  title: string
  /** Our style sheets and script. */
  head: string
  /** The card. */
  body: string
  lang: string
  dir: 'ltr' | 'rtl'
  /** The host's nonce, or ''. */
  nonce: string
}

/** Everything around the card: the name of a view of the host's, or a function. */
export type Layout = string | ((parts: LayoutParts, req: Request, res: Response) => string | Promise<string>)

export interface RendererOptions extends HeadersOptions {
  issuer: string
  languages: Languages
  /** Where the router is mounted, as the browser sees it; `req.baseUrl` if not given. */
  base?: ((req: Request) => string) | undefined
  /** A folder whose files replace ours, file by file: pages, partials, layout and assets. */
  views?: string | undefined
  layout?: Layout | undefined
  /** URLs of further style sheets, after ours. */
  stylesheets?: string[] | undefined
  support?: Support | undefined
  /** Milliseconds since 1970. */
  now?: (() => number) | undefined
}

export interface Renderer {
  render(req: Request, res: Response, page: Page, status: number, form: FormToken): Promise<void>
  /** The headers of every answer, for those that are not pages. */
  headers: SetHeaders
  /** For `router.use('/assets', assets)`. */
  assets: RequestHandler
  template: Template
}

/** Renders our pages with our own EJS, whatever the host's view engine is. */
export function createRenderer(options: RendererOptions): Renderer {
  const { issuer, languages, layout, stylesheets = [], now = Date.now } = options
  const template = createTemplates(options.views)
  const assets = createAssets(options.views)
  const headers = createHeaders(options)
  const support = supportLink(options.support)

  async function render(req: Request, res: Response, given: Page, status: number, form: FormToken) {
    // Without a prototype: what somebody wrote on Object.prototype must not look like a page's field.
    const page = bare(given)
    const language = languages.of(req)
    const nonce = headers(req, res) ?? ''
    // A path that begins with // would be another host's.
    const base = (options.base?.(req) ?? req.baseUrl).replace(/^\/+/, '/').replace(/\/$/, '')
    const heading = headingOf(language, page)
    const problem = 'problem' in page && page.problem ? page.problem : null
    const { tag: lang, dir } = language

    const view = {
      page,
      problem: problem && worded(language, page, problem),
      heading,
      form: bare(form),
      base,
      now: now(),
      home: base || '/',
      issuer,
      support,
      link,
      language,
      t: language.t,
      lang,
      dir,
      nonce,
    }
    const parts: LayoutParts = {
      title:
        problem && page.name !== 'problem' ? language.t('common.errorTitle', { title: heading }) : heading,
      head: template('partials/head', {
        ...view,
        stylesheets: [
          `${base}/assets${assets.path('second-factor.css')}`,
          ...(page.name.startsWith('admin/') ? [`${base}/assets${assets.path('admin.css')}`] : []),
          ...stylesheets,
        ],
        // An address with a ticket is nobody's business, and logs keep what browsers name as the referrer.
        ticketInAddress: req.query.ticket !== undefined,
        script: `${base}/assets${assets.path('second-factor.js')}`,
      }),
      body: template('partials/card', { ...view, content: template(page.name, view) }),
      lang,
      dir,
      nonce,
    }
    const html =
      typeof layout === 'function'
        ? await layout(parts, req, res)
        : typeof layout === 'string'
          ? await hostView(layout, parts, req, res)
          : template('layout', { ...parts, issuer })

    res.statusCode = status
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    res.setHeader('Content-Length', Buffer.byteLength(html))
    res.end(req.method === 'HEAD' ? undefined : html)
  }

  return { render, headers, assets: assets.handler, template }
}

function hostView(name: string, parts: LayoutParts, req: Request, res: Response): Promise<string> {
  return new Promise((resolve, reject) => {
    req.app.render(
      name,
      { ...req.app.locals, ...res.locals, ...parts },
      (error: Error | null, html: string) => (error ? reject(error) : resolve(html)),
    )
  })
}

function headingOf(language: Language, page: Page): string {
  if (page.name === 'problem') return problemTitle(language, page.problem)
  if (page.name === 'challenge') return language.t(`challenge.title.${page.method}`)
  const replaces = (page.name === 'enable' || page.name === 'enable-start') && page.purpose === 'replace'
  if (replaces) return language.t(`${page.name}.replaceTitle`)
  const [folder, name] = page.name.split('/')
  return name ? language.t(`admin.${name}.title`) : language.t(`${folder}.title`)
}

/** A problem in words. One that concerns the page's field stands beside it, any other above the page's action. */
function worded(language: Language, page: Page, problem: PageProblem) {
  const beside = ['malformed', 'invalid_code', 'password_required', 'step_up_required']
  return bare({
    ...problem,
    title: problemTitle(language, problem),
    detail: problemDetail(language, problem),
    onField: beside.includes(problem.code) && hasField(page),
  })
}

function hasField(page: Page): boolean {
  return page.name === 'enable-start' ? page.ask === 'password' : fieldPages.has(page.name)
}
