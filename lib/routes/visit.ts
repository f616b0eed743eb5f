import type { Request, Response } from 'express'
import type { AccountStatus, Refusal } from '../account/accounts'
import { endOf, type Lock } from '../account/lockout'
import { httpStatusOf } from '../errors'
import { isProgram } from '../pages/callers'
import type { BackupCodesLeft, Page, PageProblem } from '../pages/page'
import { sessionOf } from '../session/express-sessions'
import type { Marker } from '../session/marker'
import { setUser } from '../session/passport-session'
import type { Proof } from '../session/proof'
import type { RequestState, SessionAccount } from '../session/request-factor'
import { turnAway } from '../session/turn-away'
import type { Rooms } from './rooms'

/** One request to one of our routes, admitted: what it may use, and the ways to answer it. */
export class Visit {
  readonly account: SessionAccount
  readonly program: boolean
  /** What was just read of the account, on routes that ask for it. */
  readonly status: AccountStatus | null

  constructor(
    readonly rooms: Rooms,
    readonly req: Request,
    readonly res: Response,
    readonly state: RequestState,
    status: AccountStatus | null,
  ) {
    this.account = state.account as SessionAccount
    this.program = isProgram(req)
    this.status = status
  }

  get marker(): Marker {
    return sessionOf(this.req).secondFactor as Marker
  }

  get mustEnrol(): boolean {
    return this.state.state === 'must-enrol'
  }

  /** A field of the body; undefined unless the body itself has it. */
  field(name: string): unknown {
    const body = this.req.body as Record<string, unknown> | null | undefined
    return body && typeof body === 'object' && Object.hasOwn(body, name) ? body[name] : undefined
  }

  url(path = ''): string {
    return `${this.state.base}${path}`
  }

  csrfToken(): string {
    return this.rooms.answers.formToken(this.req, this.res).token
  }

  page(page: Page, status = 200): Promise<void> {
    return this.rooms.answers.page(this.req, this.res, page, status)
  }

  json(body: object | null, status = 200): void {
    this.rooms.answers.json(this.req, this.res, body, status)
  }

  redirect(url: string): void {
    this.rooms.answers.redirect(this.req, this.res, url)
  }

  /**
   * The user for `onVerified`, where a proof would complete a login. Asked of the host before anything is written: what
   * fails afterwards would hide backup codes that nobody has seen.
   */
  async userToVerify(): Promise<Express.User | null> {
    const { rooms, req, state } = this
    const completesLogin = state.state === 'pending' || state.state === 'must-enrol'
    return completesLogin && rooms.settings.onVerified ? rooms.submission.user(req) : null
  }

  /**
   * Lets the session in.
   *
   * @returns where the user was going; null: the session was signed out meanwhile
   */
  enter(proof: Proof): Promise<{ returnTo: string | null } | null> {
    return this.rooms.admission.enter(this.req, proof)
  }

  /**
   * Tells the host of a login that is whole now. It may answer.
   *
   * @param user of `userToVerify`
   */
  async tellVerified(user: Express.User | null): Promise<void> {
    if (!user) return
    setUser(this.req, user)
    await this.rooms.settings.onVerified?.(user, this.req, this.res)
  }

  /** The host has answered by itself, in `onVerified`. */
  get answered(): boolean {
    return this.res.headersSent
  }

  /** The account has changed under this session: settled anew, it is led to where it can go on. */
  async sessionIsOver(): Promise<void> {
    const { rooms, req, res, state } = this
    await rooms.settler.settle(req, await rooms.views.read(this.account.id))
    await turnAway(rooms.settings, rooms.answers, req, res, state, { otherwise: state.base })
  }

  /** Refuses: programs get the problem, people the page they were on, with it. */
  async refuse(
    problem: PageProblem,
    page: (problem: PageProblem) => Page | Promise<Page>,
    extra?: object,
  ): Promise<void> {
    if (this.program) this.rooms.answers.problemJson(this.req, this.res, problem, extra)
    else await this.page(await page(problem), httpStatusOf[problem.code])
  }
}

/** What a refused code is called in answers. */
export function problemOf(refusal: Refusal): PageProblem {
  switch (refusal.reason) {
    case 'invalid':
      return { code: 'invalid_code' }
    case 'locked':
      return lockedProblem(refusal.lock)
    case 'not-enrolled':
      return { code: 'not_enabled' }
    case 'revoked':
      return { code: 'not_authenticated' }
  }
}

export function lockedProblem(lock: Lock): PageProblem {
  return { code: 'locked', lockedUntil: endOf(lock) }
}

export function backupCodesLeft({ backupCodes }: AccountStatus): BackupCodesLeft {
  const { remaining, total, generatedAt } = backupCodes
  return { remaining, total, generatedAt: generatedAt === null ? null : new Date(generatedAt) }
}
