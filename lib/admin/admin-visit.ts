import type { Request, Response } from 'express'
import type { AccountStatus } from '../account/accounts'
import { readTypedCode, type TypedCode } from '../account/typed-code'
import { readOneLine } from '../one-line'
import type { AdminNotice } from '../pages/admin-pages'
import type { Page, PageProblem } from '../pages/page'
import { problemOf, Visit } from '../routes/visit'
import { save } from '../session/express-sessions'
import type { RequestState } from '../session/request-factor'
import type { AdminRooms } from './admin-rooms'

/** Characters of a reason. */
const LONGEST_REASON = 500

/** One administrator's request, admitted. `account` and `status` are the administrator's own. */
export class AdminVisit extends Visit {
  declare readonly rooms: AdminRooms

  /** @param base where the administrator's router is mounted, as the browser sees it */
  constructor(
    rooms: AdminRooms,
    req: Request,
    res: Response,
    state: RequestState,
    status: AccountStatus | null,
    readonly base: string,
  ) {
    super(rooms, req, res, state, status)
  }

  /** A path of the administrator's router. */
  override url(path = ''): string {
    return `${this.base}${path}`
  }

  /** A refusal that has no page of its own. */
  problem(problem: PageProblem, wayBack = '/users'): Promise<void> {
    return this.rooms.answers.problem(this.req, this.res, problem, {}, this.url(wayBack))
  }

  /** Tells on the next page of the administrator's what was done. */
  async goWithNotice(path: string, notice: AdminNotice): Promise<void> {
    this.marker.adminNotice = notice
    await save(this.req)
    this.redirect(this.url(path))
  }

  /** What was just done; told once. */
  takeNotice(): AdminNotice | null {
    const notice = this.marker.adminNotice ?? null
    // express-session saves it with the end of the request.
    if (!this.program) delete this.marker.adminNotice
    return notice
  }

  /** Field `code`, by its shape; null: malformed. */
  typedCode(): TypedCode | null {
    return readTypedCode(this.field('code'))
  }

  /** What it was done for, without spaces around it; null unless it is one line of 1 to 500 characters. */
  reason(): string | null {
    return readOneLine(this.field('reason'), LONGEST_REASON)
  }

  /**
   * Spends a code of the administrator's own, and makes the session as fresh as after a step-up. Call it last, when
   * shape and state are in order. False: it was refused, and that is answered.
   *
   * @param page the page that people were on, with what is wrong
   * @throws UnavailableError
   */
  async proveWith(typed: TypedCode, page: (problem: PageProblem) => Page | Promise<Page>): Promise<boolean> {
    const { submission } = this.rooms
    const answer = await submission.submit(this.req, this.account, typed, false, 'administration')
    if (answer.accepted) {
      if (await this.enter(answer.proof)) return true
      await this.sessionIsOver()
      return false
    }
    if (answer.reason === 'revoked') await this.sessionIsOver()
    else await this.refuse(problemOf(answer), page)
    return false
  }
}
