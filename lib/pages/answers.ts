import type { Request, Response } from 'express'
import { httpStatusOf } from '../errors'
import { isProgram } from './callers'
import { type Languages, problemDetail, problemTitle } from './language'
import type { Page, PageProblem } from './page'
import type { FormToken, Renderer } from './renderer'

/** How answers leave: pages to people, JSON to programs, and the same refusals in both forms. */
export class Answers {
  /** @param formToken the token for the forms of this answer */
  constructor(
    private readonly renderer: Renderer,
    private readonly languages: Languages,
    readonly formToken: (req: Request, res: Response) => FormToken,
    private readonly now: () => number,
  ) {}

  page(req: Request, res: Response, page: Page, status = 200): Promise<void> {
    if ('problem' in page && page.problem) this.#retryAfter(res, page.problem)
    return this.renderer.render(req, res, page, status, this.formToken(req, res))
  }

  json(req: Request, res: Response, body: object | null, status = 200): void {
    this.renderer.headers(req, res)
    if (body === null) res.status(204).end()
    else res.status(status).json(body)
  }

  /** A file to be saved; what is in it is the caller's to send. */
  file(req: Request, res: Response, name: string, type: string): void {
    this.renderer.headers(req, res)
    res.status(200)
    res.setHeader('Content-Type', type)
    res.setHeader('Content-Disposition', `attachment; filename="${name}"`)
  }

  /** 303, so that the browser goes on with GET (RFC 9110 section 15.4.4). */
  redirect(req: Request, res: Response, url: string): void {
    this.renderer.headers(req, res)
    // A mount path may be whatever a client has written in it: nobody is sent to another host by one.
    res.redirect(303, /^\/[\\/]/.test(url) ? '/' : url)
  }

  /** A refusal where there is no page to show it on: a plain one for people. */
  async problem(
    req: Request,
    res: Response,
    problem: PageProblem,
    extra: object = {},
    wayBack = '/',
  ): Promise<void> {
    if (isProgram(req)) this.problemJson(req, res, problem, extra)
    else await this.page(req, res, { name: 'problem', problem, wayBack }, httpStatusOf[problem.code])
  }

  /** A refusal to a program: RFC 9457, with our stable `code`. */
  problemJson(req: Request, res: Response, problem: PageProblem, extra: object = {}): void {
    const language = this.languages.of(req)
    const status = httpStatusOf[problem.code]
    const { code, lockedUntil, clock } = problem
    this.renderer.headers(req, res)
    this.#retryAfter(res, problem)
    res
      .status(status)
      .type('application/problem+json')
      .send(
        JSON.stringify({
          type: 'about:blank',
          status,
          title: problemTitle(language, problem),
          detail: problemDetail(language, problem),
          code,
          ...(lockedUntil !== undefined && { lockedUntil, ...(lockedUntil === null && { suspended: true }) }),
          ...(clock && { clock }),
          ...extra,
        }),
      )
  }

  /** Seconds until the lock ends; an hour where waiting does not help. */
  #retryAfter(res: Response, { lockedUntil, retryAt }: PageProblem): void {
    if (retryAt) res.setHeader('Retry-After', this.#secondsTo(retryAt))
    if (lockedUntil === undefined) return
    res.setHeader('Retry-After', lockedUntil === null ? 3600 : this.#secondsTo(lockedUntil))
  }

  #secondsTo(moment: Date): number {
    return Math.max(1, Math.ceil((moment.getTime() - this.now()) / 1000))
  }
}
