import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler, Response, Router } from 'express'
import type { SessionData } from 'express-session'
import { accountId } from './account/account-id'
import { type AccountStatus, Accounts } from './account/accounts'
import { AccountRecords } from './account/records'
import { type Rotation, type RotationOptions, rotate, rotateBoth } from './account/rotation'
import { createAdminRouter } from './admin/admin-router'
import { type AdminOptions, readAdminOptions } from './admin/options'
import { Keyring } from './crypto/keyring'
import { ConfigurationError } from './errors'
import { SecondFactorEvents } from './events/events'
import { Reporter } from './events/reporter'
import { MailTemplates } from './mail/message'
import { Notifier } from './mail/notifier'
import type { Policy, SecondFactorOptions } from './options'
import { Answers } from './pages/answers'
import { issueToken } from './pages/csrf'
import { createLanguages } from './pages/language'
import { createRenderer, type FormToken } from './pages/renderer'
import { type Support, supportLink } from './pages/support'
import { createRecoveryRooms, endRequestByReset } from './routes/recovery-rooms'
import type { Rooms } from './routes/rooms'
import { createRouter, isRoute } from './routes/router'
import { AccountViews } from './session/account-views'
import { Admission } from './session/admission'
import { CodeSubmission } from './session/code-submission'
import { Enrolments } from './session/enrolments'
import { LoginHook } from './session/login-hook'
import { type PolicyPreview, previewPolicy } from './session/policy-preview'
import { plainPath, type Site, stateOf } from './session/request-factor'
import { createGate, type RequirementOptions } from './session/require-second-factor'
import { RouterThere } from './session/router-there'
import { createSession } from './session/session'
import { Settler } from './session/settle'
import { type VerifiedSession, verifySession } from './session/verify-session'
import { readOptions, type Settings } from './settings'
import { warnOfStore } from './stores/warnings'
import { provideStrategies } from './strategies/host'

export interface SecondFactor {
  // With `...nothing`, TypeScript refuses what Express would call itself: app.use(secondFactor.session)
  /** The middleware that goes right after `passport.session()`. @throws ConfigurationError `SF_NOT_CALLED` */
  session(...nothing: never[]): RequestHandler
  /** The pages and their JSON, to be mounted at option `path`. @throws ConfigurationError `SF_NOT_CALLED` */
  router(...nothing: never[]): Router
  /**
   * The administrator's pages and their JSON, to be mounted wherever the host likes.
   *
   * @throws ConfigurationError `SF_ADMIN_OPTIONS`, `SF_ADMIN_AUTHORIZE`, `SF_ADMIN_DIRECTORY`, `SF_ADMIN_LIMIT`,
   *   `SF_DURATION`, `SF_NOT_CALLED`
   */
  adminRouter(options: AdminOptions, ...nothing: never[]): Router
  /** The gate of a route. @throws ConfigurationError `SF_DURATION`, `SF_REQUIREMENT`, `SF_NOT_CALLED` */
  requireSecondFactor(options?: RequirementOptions, ...nothing: never[]): RequestHandler
  /** What is known of an account. @throws UnavailableError @throws ConfigurationError `SF_ACCOUNT_ID` */
  status(accountId: string | number): Promise<AccountStatus>
  /**
   * Every session of the account proves itself again; call it when the password changed.
   *
   * @throws UnavailableError
   * @throws ConfigurationError `SF_ACCOUNT_ID`
   */
  revokeSessions(accountId: string | number): Promise<void>
  /**
   * The account is closed: whoever is given its id inherits nothing. May be called again, and should be where it threw.
   *
   * @throws UnavailableError
   * @throws ConfigurationError `SF_ACCOUNT_ID`
   */
  forget(accountId: string | number): Promise<void>
  /**
   * Its owner lost everything: takes every factor, code and lock off and ends all sessions. From then on the
   * password alone logs in, so make sure first who is asking. @returns whether there was a second factor
   * @throws UnavailableError
   * @throws ConfigurationError `SF_ACCOUNT_ID`
   */
  reset(accountId: string | number): Promise<boolean>
  /**
   * Seals with the first of the keys what older ones have sealed, while the app runs. Once the accounts are done, so
   * are the requests of option `recovery`: `seen`, `resealed`, `last` and `onProgress` count accounts alone, `done` and
   * `unreadable` are about both.
   *
   * @throws RotationError when the store does not answer, with what was reached
   * @throws ConfigurationError `SF_STORE_LIST`
   */
  rotateKeys(options?: RotationOptions): Promise<Rotation>
  /**
   * What a session is worth where there is no route: at a WebSocket's upgrade, in a worker. Only `verified` has proven
   * a second factor. Costs what a request costs: at most one read of an account in `revalidateAfter`; for a session that
   * has no marker of ours yet, one each time.
   *
   * @param session as express-session has it (`request.session`), or as its store kept it
   * @param request handed on to Passport and to options `policy`, `skip` and `isEnrolled`, where they want one: they are
   *   called with `undefined` for it where there is none
   * @throws UnavailableError when nothing is known of the account now: let nobody in
   */
  verifySession(
    session: Partial<SessionData> | null | undefined,
    request?: IncomingMessage,
  ): Promise<VerifiedSession>
  /**
   * Tells of each of these users what a policy would mean, before it is turned on as option `policy`.
   *
   * @throws UnavailableError
   */
  previewPolicy<User>(
    users: Iterable<User> | AsyncIterable<User>,
    policy: (user: User) => Policy | Promise<Policy>,
  ): AsyncGenerator<PolicyPreview<User>>
  /** What happened, after it is on record. */
  readonly events: SecondFactorEvents
}

/** What Express calls itself, with request, response and next, would leave every request waiting. */
function called<Given extends unknown[], T>(
  most: number,
  written: string,
  make: (...given: Given) => T,
): (...given: Given) => T {
  return (...given) => {
    if (given.length <= most) return make(...given)
    throw new ConfigurationError('SF_NOT_CALLED', `Write ${written}, with the parentheses`)
  }
}

/**
 * Puts a second factor between the password and the app.
 *
 * @throws ConfigurationError when an option is missing or cannot be safe
 */
export function createSecondFactor<User = Express.User>(options: SecondFactorOptions<User>): SecondFactor {
  const settings = readOptions(options)
  const { now } = settings

  // What is known of accounts, and how it changes.
  const keyring = new Keyring(options.keys)
  const records = new AccountRecords(settings.store, keyring, now, settings.storeTimeout)
  const accounts = new Accounts(records, now, settings.backupCodes, settings.trustAge)

  void warnOfStore(settings.store)
  if (settings.recovery) void warnOfStore(settings.recovery.store, 'recovery.store')

  const routerThere = new RouterThere(settings.path)
  const site: Site = {
    settings,
    path: settings.path,
    challengeUrl: settings.challengeUrl,
    loginPaths: pathsOf(...settings.loginPaths),
    exemptPaths: pathsOf(
      settings.loginUrl,
      ...settings.loginPaths,
      settings.challengeUrl,
      // Only one that the host names: elsewhere people sign out by a form, and nobody looks at a page of that address.
      options.logoutUrl,
      supportUrl(options.support),
    ),
    openPaths: openPaths(settings),
    isRoute: (path, method) => isRoute(settings, path, method),
    leads: () => routerThere.leads(),
  }

  // What leaves: pages and JSON.
  const languages = createLanguages({ language: options.language, locales: options.locales })
  const renderer = createRenderer({
    issuer: settings.issuer,
    languages,
    base: (req) => stateOf(req)?.base ?? settings.path,
    views: options.views,
    layout: options.layout,
    stylesheets: options.stylesheets,
    support: options.support,
    nonce: options.nonce,
    contentSecurityPolicy: options.contentSecurityPolicy,
    formAction: options.formAction,
    now,
  })
  const answers = new Answers(renderer, languages, formToken, now)

  // What is told of it: to the host, and by mail.
  const events = new SecondFactorEvents()
  const { audit, notify } = settings
  if (audit) events.on('*', (event) => audit.write(event))
  const templates = new MailTemplates(renderer.template, settings.issuer, supportLink(options.support))
  const notifier =
    notify &&
    new Notifier(notify, languages, templates, (event, reason) =>
      reporter.tell(null, 'mail-failed', event.accountId, { mail: event.name, reason }),
    )
  const reporter: Reporter = new Reporter(events, now, settings.eventOrigin, notifier)

  // The states of a session, and the ways between them.
  const views = new AccountViews(accounts, settings.revalidateAfter, now)
  const settler = new Settler(settings, views, reporter)
  const admission = new Admission(settings, views)
  const recovery = createRecoveryRooms(settings, keyring, accounts, views, reporter)
  const submission = new CodeSubmission(settings, accounts, views, reporter)
  const enrolments = new Enrolments(keyring, now)
  const loginHook = new LoginHook(
    settings,
    views,
    settler,
    admission,
    accounts,
    answers,
    reporter,
    recovery?.due,
  )

  const rooms: Rooms = {
    settings,
    accounts,
    views,
    settler,
    admission,
    submission,
    enrolments,
    answers,
    reporter,
    recovery,
  }

  function formToken(req: Request, res: Response): FormToken {
    if (settings.csrf) {
      if (!settings.csrf.token) return { field: settings.csrf.field ?? '_csrf', token: '' }
      const token = settings.csrf.token(req, res)
      if (typeof token === 'string' && token !== '') return { field: settings.csrf.field ?? '_csrf', token }
      throw new ConfigurationError('SF_CSRF', 'Option csrf.token answered with no text')
    }
    const marker = req.session?.secondFactor
    return { field: '_csrf', token: marker ? issueToken(marker.csrf) : '' }
  }

  const secondFactor: SecondFactor = {
    session: called(0, 'app.use(secondFactor.session())', () =>
      createSession(settings, site, settler, loginHook, answers),
    ),
    router: called(0, `app.use('${settings.path}', secondFactor.router())`, () => {
      routerThere.note()
      return createRouter(rooms, renderer.assets)
    }),
    adminRouter: called(1, 'app.use(path, secondFactor.adminRouter({ authorize, directory }))', (options) =>
      createAdminRouter(readAdminOptions(rooms, options, events)),
    ),
    requireSecondFactor: called(1, 'secondFactor.requireSecondFactor()', (requirement) =>
      createGate(settings, answers, requirement),
    ),
    status: async (id) => accounts.status(accountId(id)),
    async revokeSessions(id) {
      await reporter.evenIfLate(null, accounts.revokeSessions(accountId(id)), () => {
        views.forget(accountId(id))
        reporter.tell(null, 'sessions-revoked', accountId(id), {})
      })
    },
    async forget(id) {
      // The request first: where the second fails, an account that is still there asks to be closed again.
      await recovery?.recoveries.forget(accountId(id))
      await accounts.forget(accountId(id))
      views.forget(accountId(id))
      reporter.tell(null, 'forgotten', accountId(id), {})
    },
    async reset(id) {
      const wasEnabled = await reporter.evenIfLate(null, accounts.reset(accountId(id)), (wasEnabled) => {
        views.forget(accountId(id))
        reporter.tell(null, 'reset', accountId(id), { wasEnabled, by: null, reason: null })
      })
      await endRequestByReset(rooms, accountId(id))
      return wasEnabled
    },
    async rotateKeys(how) {
      const rotation = await rotate(records, how)
      if (!recovery || !rotation.done) return rotation
      // Few and short-lived: gone through as a whole, whatever `after` says.
      return rotateBoth(rotation, () => rotate(recovery.records, { signal: how?.signal }))
    },
    verifySession: (session, request) => verifySession(settings, views, settler, session, request),
    previewPolicy: (users, policy) =>
      previewPolicy(
        settings,
        accounts,
        users,
        policy as Parameters<typeof previewPolicy<unknown>>[3],
      ) as never,
    events,
  }
  provideStrategies(secondFactor, submission)
  return secondFactor
}

function openPaths({ loginUrl, loginPaths, logoutUrl, challengeUrl }: Settings): Set<string> {
  const paths = pathsOf(logoutUrl, challengeUrl)
  for (const path of pathsOf(loginUrl, ...loginPaths)) paths.delete(path)
  return paths
}

function pathsOf(...urls: (string | null | undefined)[]): Set<string> {
  return new Set(
    urls.filter((url) => typeof url === 'string').map((url) => plainPath(url.split(/[?#]/)[0] as string)),
  )
}

/** A help page of the host's own, linked from the challenge. */
function supportUrl(support: Support | undefined): string | undefined {
  const url = typeof support === 'object' ? support.href : support
  return url?.startsWith('/') ? url : undefined
}
