import { expresses, PASSWORD } from '../support/app'
import {
  type Case,
  type Kind,
  promiseOf,
  type Row,
  readTable,
  tryInVain,
  tryOut,
} from '../support/table-cells'
import { routesOf } from '../support/table-routes'
import { type State, states, World } from '../support/table-world'

// Who gets what: every route of the plugin and of the example app, in every state of a session.
//
// A cell says what people get, and after a comma what programs get, where that is not the same. The code of a
// problem stands for its status; people get a page with it. `> verified` is the state of the session afterwards,
// where it has changed. HEAD is GET's, OPTIONS is Express's own, and a method that is not here is the app's 404.
// `/*` stands for the files below a path. To add a route is to add its rows here: without them the test fails.

const words = {
  login: '303 /login, not_authenticated',
  challenge: '303 /two-factor/challenge, second_factor_required',
  enrol: '303 /two-factor/enable, enrolment_required',
  'step up': '303 /two-factor/challenge, step_up_required',
  begun: '303 /two-factor/enable, 201',
  cancelled: '303 /two-factor, 204',
  settings: '303 /two-factor, 200',
  account: '303 /account, 200',
  'setting up': '303 /two-factor/replace, 201',
  devices: '303 /two-factor/devices, 204',
  asked: '303 /two-factor/recovery, 202',
  'given up': '303 /account, 204',
  'signed out': '303 /login, 204',
  'logged out': '303 /, 204',
}

const codes = {
  malformed: 400,
  invalid_transfer: 400,
  not_authenticated: 401,
  invalid_code: 401,
  invalid_credentials: 401,
  second_factor_required: 403,
  step_up_required: 403,
  enrolment_required: 403,
  password_required: 403,
  not_pending: 403,
  not_authorized: 403,
  csrf: 403,
  not_found: 404,
  invalid_ticket: 404,
  recovery_over: 409,
  already_enabled: 409,
  not_enabled: 409,
  no_enrolment: 409,
}

/** What a POST is sent with, as the lines below it say. */
const cases: Record<string, Case> = {
  'no token': { token: 'none' },
  'foreign token': { token: 'foreign' },
  nothing: {},
  'nothing, begun': { begun: 'enable' },
  '11 minutes later': { later: 11 },
  'right code': { body: (phone) => ({ code: phone.code() }) },
  'wrong code': { body: (phone) => ({ code: phone.wrongCode() }) },
  'nothing, replacing': { begun: 'replace' },
  'right code, replacing': { begun: 'replace', body: (phone) => ({ code: phone.code() }) },
  'wrong code, replacing': { begun: 'replace', body: (phone) => ({ code: phone.wrongCode() }) },
  'right code, begun': { begun: 'enable', body: (phone) => ({ code: phone.code() }) },
  'wrong code, begun': { begun: 'enable', body: (phone) => ({ code: phone.wrongCode() }) },
  'backup code': { body: (_phone, world) => ({ code: world.backupCodes[0] as string }) },
  answers: { body: () => ({ firstName: 'Alice', lastName: 'Liddell', phone: '1' }) },
  'unknown ticket': { body: () => ({ ticket: `${'A'.repeat(43)}.MQ` }) },
  'nobody known': { body: () => ({ username: 'mallory', password: PASSWORD }) },
  'bob, who has none': { body: () => ({ username: 'bob', password: PASSWORD }) },
  'alice, enrolled': { body: () => ({ username: 'alice', password: PASSWORD }) },
  'carol, who must': { body: () => ({ username: 'carol', password: PASSWORD }) },
  '25 pounds': { body: () => ({ to: 'Dot', amount: '25' }) },
}

const ofThePlugin = `
                                | anonymous | unenrolled        | pending                | must enrol             | verified                | stale
GET  /two-factor                | login     | 200               | challenge              | enrol                  | 200                     | 200

GET  /two-factor/enable         | login     | 200, no_enrolment | challenge              | 200, no_enrolment      | already_enabled         | already_enabled
POST /two-factor/enable
     no token, or foreign token | login     | csrf              | challenge              | csrf                   | csrf                    | csrf
     nothing                    | login     | begun             | challenge              | begun                  | already_enabled         | already_enabled
     11 minutes later           | login     | password_required | login > anonymous      | login > anonymous      | already_enabled > stale | already_enabled
POST /two-factor/enable/confirm
     no token, or foreign token | login     | csrf              | challenge              | csrf                   | csrf                    | csrf
     nothing                    | login     | malformed         | challenge              | malformed              | malformed               | malformed
     right code                 | login     | no_enrolment      | challenge              | no_enrolment           | already_enabled         | already_enabled
     wrong code, begun          | login     | invalid_code      | challenge              | invalid_code           | already_enabled         | already_enabled
     right code, begun          | login     | 200 > verified    | challenge              | 200 > verified         | already_enabled         | already_enabled
POST /two-factor/enable/cancel
     no token, or foreign token | login     | csrf              | challenge              | csrf                   | csrf                    | csrf
     nothing                    | login     | no_enrolment      | challenge              | no_enrolment           | no_enrolment            | no_enrolment
     nothing, begun             | login     | cancelled         | challenge              | cancelled              | no_enrolment            | no_enrolment

GET  /two-factor/challenge      | login     | not_enabled       | 200                    | enrol                  | 200                     | 200
POST /two-factor/challenge
     no token, or foreign token | login     | csrf              | csrf                   | enrol                  | csrf                    | csrf
     nothing                    | login     | malformed         | malformed              | enrol                  | malformed               | malformed
     wrong code                 | login     | not_enabled       | invalid_code           | enrol                  | invalid_code            | invalid_code
     right code, or backup code | login     | not_enabled       | account > verified     | enrol                  | account                 | account > verified
POST /two-factor/challenge/cancel
     no token, or foreign token | login     | csrf              | csrf                   | csrf                   | csrf                    | csrf
     nothing                    | login     | not_enabled       | signed out > anonymous | signed out > anonymous | given up                | given up

GET  /two-factor/disable        | login     | not_enabled       | challenge              | enrol                  | 200                     | 200
POST /two-factor/disable
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | csrf
     nothing                    | login     | malformed         | challenge              | enrol                  | malformed               | malformed
     wrong code                 | login     | not_enabled       | challenge              | enrol                  | invalid_code            | invalid_code
     right code                 | login     | not_enabled       | challenge              | enrol                  | settings > unenrolled   | settings > unenrolled

GET  /two-factor/backup-codes   | login     | not_enabled       | challenge              | enrol                  | 200                     | 200
POST /two-factor/backup-codes
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | step up
     nothing                    | login     | not_enabled       | challenge              | enrol                  | 200                     | step up

GET  /two-factor/replace        | login     | not_enabled       | challenge              | enrol                  | 200, no_enrolment       | step up
POST /two-factor/replace
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | step up
     nothing                    | login     | not_enabled       | challenge              | enrol                  | setting up              | step up
POST /two-factor/replace/confirm
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | step up
     nothing                    | login     | malformed         | challenge              | enrol                  | malformed               | step up
     right code                 | login     | not_enabled       | challenge              | enrol                  | no_enrolment            | step up
     wrong code, replacing      | login     | not_enabled       | challenge              | enrol                  | invalid_code            | step up
     right code, replacing      | login     | not_enabled       | challenge              | enrol                  | settings                | step up
POST /two-factor/replace/cancel
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | step up
     nothing                    | login     | not_enabled       | challenge              | enrol                  | no_enrolment            | step up
     nothing, replacing         | login     | not_enabled       | challenge              | enrol                  | cancelled               | step up

GET  /two-factor/devices        | login     | not_enabled       | challenge              | enrol                  | 200                     | 200
POST /two-factor/devices/revoke
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | csrf
     nothing                    | login     | not_enabled       | challenge              | enrol                  | devices                 | devices
POST /two-factor/devices/:id/revoke
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | csrf
     nothing                    | login     | not_enabled       | challenge              | enrol                  | devices                 | devices

GET  /two-factor/recovery       | login     | not_pending       | 200                    | enrol                  | not_pending             | not_pending
POST /two-factor/recovery
     no token, or foreign token | login     | csrf              | csrf                   | enrol                  | csrf                    | csrf
     nothing                    | login     | not_pending       | malformed              | enrol                  | not_pending             | not_pending
     answers                    | login     | not_pending       | asked                  | enrol                  | not_pending             | not_pending
GET  /two-factor/recovery/cancel | malformed | malformed        | malformed              | malformed              | malformed               | malformed
POST /two-factor/recovery/cancel
     nothing, or foreign token  | malformed | malformed         | malformed              | malformed              | malformed               | malformed
     unknown ticket             | invalid_ticket | invalid_ticket | invalid_ticket       | invalid_ticket         | invalid_ticket          | invalid_ticket
POST /two-factor/recovery/stop
     no token, or foreign token | login     | csrf              | challenge              | enrol                  | csrf                    | csrf
     nothing                    | login     | not_enabled       | challenge              | enrol                  | recovery_over           | recovery_over

GET  /two-factor/assets/*       | 200       | 200               | 200                    | 200                    | 200                     | 200
`

const ofTheExample = `
                                | anonymous            | unenrolled             | pending                      | must enrol               | verified                    | stale
GET  /                          | 200                  | 200                    | challenge, 200               | enrol, 200               | 200                         | 200
GET  /*                         | 200                  | 200                    | 200                          | 200                      | 200                         | 200
GET  /login                     | 200                  | account                | 200                          | 200                      | account                     | account
POST /login
     no token, or foreign token | csrf                 | csrf                   | csrf                         | csrf                     | csrf                        | csrf
     nothing, or nobody known   | invalid_credentials  | invalid_credentials    | invalid_credentials          | invalid_credentials      | invalid_credentials         | invalid_credentials
     bob, who has none          | account > unenrolled | account                | account > unenrolled         | account > unenrolled     | account > unenrolled        | account > unenrolled
     alice, enrolled            | challenge > pending  | challenge > pending    | challenge                    | challenge > pending      | account                     | account
     carol, who must            | enrol > must enrol   | enrol > must enrol     | enrol > must enrol           | enrol                    | enrol > must enrol          | enrol > must enrol
POST /logout
     no token, or foreign token | csrf                 | csrf                   | csrf                         | csrf                     | csrf                        | csrf
     nothing                    | logged out           | logged out > anonymous | logged out > anonymous       | logged out > anonymous   | logged out > anonymous      | logged out > anonymous
GET  /account                   | login                | 200                    | challenge, not_authenticated | enrol, not_authenticated | 200                         | 200
GET  /vault                     | login                | enrol                  | challenge                    | enrol                    | 200                         | 200
GET  /transfer                  | login                | enrol                  | challenge                    | enrol                    | 200                         | step up
POST /transfer
     no token, or foreign token | login                | enrol                  | challenge                    | enrol                    | csrf                        | step up
     nothing                    | login                | enrol                  | challenge                    | enrol                    | invalid_transfer            | step up
     25 pounds                  | login                | enrol                  | challenge                    | enrol                    | 303 /account#transfers, 200 | step up
GET  /admin/two-factor/users | login | not_authorized | challenge | enrol | not_authorized | not_authorized
GET  /admin/two-factor/users.csv | login | not_authorized | challenge | enrol | not_authorized | not_authorized
GET  /admin/two-factor/users/:id/reset | login | not_authorized | challenge | enrol | not_authorized | not_authorized
POST /admin/two-factor/users/:id/reset
     nothing, or no token | login | not_authorized | challenge | enrol | not_authorized | not_authorized
GET  /admin/two-factor/recovery | login | not_authorized | challenge | enrol | not_authorized | not_authorized
GET  /admin/two-factor/recovery/:id | login | not_authorized | challenge | enrol | not_authorized | not_authorized
POST /admin/two-factor/recovery/:id/approve
     nothing, or no token | login | not_authorized | challenge | enrol | not_authorized | not_authorized
POST /admin/two-factor/recovery/:id/reject
     nothing, or no token | login | not_authorized | challenge | enrol | not_authorized | not_authorized
GET  /api/me                    | not_authenticated    | 200                    | challenge, not_authenticated | enrol, not_authenticated | 200                         | 200
`

/** Where there is no page. The host's own GETs are like the first: who must prove something is led there first. */
const ofNobody = `
                         | anonymous | unenrolled | pending              | must enrol       | verified  | stale
GET  /nowhere            | not_found | not_found  | challenge, not_found | enrol, not_found | not_found | not_found
GET  /two-factor/nowhere | not_found | not_found  | challenge, not_found | enrol, not_found | not_found | not_found
`

// A busy machine may take its time.
jest.setTimeout(60_000)

const rows = [ofThePlugin, ofTheExample].flatMap((text) => readTable(text, cases))
const nowhere = readTable(ofNobody, cases)
const everything = [...rows, ...nowhere]
const kinds: Kind[] = ['person', 'program']
const pathsOf = (some: Row[]) => [...new Set(some.map(({ path }) => path))]

describe.each(Object.entries(expresses))('on %s', (_name, express) => {
  let world: World
  beforeAll(async () => {
    world = await World.open(express)
  })
  afterAll(() => world.close())

  test('the table has every route of the app, and no other', () => {
    const known = pathsOf(rows).flatMap((path) => {
      const names = path.split('/').slice(1)
      return names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`)
    })
    const listed = new Set(rows.map(({ method, path }) => `${method} ${path}`))
    expect(routesOf(world.app, known).sort()).toEqual([...listed].sort())
  })

  describe.each(pathsOf(everything))('%s', (path) => {
    test.each(states)('%s', async (state) => {
      const url = urlOf(path, await world.asset())
      const promised: Partial<Record<Kind, object>> = {}
      const found: Partial<Record<Kind, object>> = {}
      for (const kind of kinds) {
        const { listed, unlisted } = promisesOf(path, state, kind)
        promised[kind] = { ...listed, ...unlisted, 'state after these': state }
        const tried: Record<string, string> = {}
        for (const { method, what } of rowsOf(path)) {
          tried[what ?? method] = await tryOut(world, state, kind, method, url, cases[what ?? ''])
        }
        found[kind] = { ...tried, ...(await tryInVain(world, state, kind, Object.keys(unlisted), url)) }
      }
      expect(found).toEqual(promised)
    })
  })
})

/** An address that a route's path matches. */
function urlOf(path: string, asset: string): string {
  if (path.endsWith('/*')) return path === '/*' ? '/style.css' : asset
  return path.replace(/:\w+/g, '1')
}

function rowsOf(path: string): Row[] {
  return everything.filter((row) => row.path === path)
}

/** What the rows of a path promise, and what follows for the methods that have none. */
function promisesOf(path: string, state: State, kind: Kind) {
  const say = (cell: string) => promiseOf(cell, kind, words, codes)
  const listed: Record<string, string> = {}
  for (const { method, what, cells } of rowsOf(path)) listed[what ?? method] = say(cells[state])

  const notFound = say('not_found')
  const [get, post] = ['GET', 'POST'].map((method) => rowsOf(path).some((row) => row.method === method))
  // Who must prove something first is led there from wherever the app is, but not from the plugin's own URLs.
  const led = !path.startsWith('/two-factor')
  const got = listed.GET ?? (led ? say((nowhere[0] as Row).cells[state]) : notFound)
  const allowed = [...(get ? ['GET', 'HEAD'] : []), ...(post ? ['POST'] : [])].join(' ')
  const routed = rows.some((row) => row.path === path) && !path.endsWith('*')
  const unlisted: Record<string, string> = {
    ...(!get && { GET: got }),
    HEAD: got.replace(/^(4\d\d) \w+/, '$1'),
    ...(!post && { POST: notFound }),
    PUT: notFound,
    DELETE: notFound,
    OPTIONS: routed ? `200 ${allowed}` : notFound,
  }
  return { listed, unlisted }
}
