import { expresses, PASSWORD } from '../support/app'
import { type Case, type Kind, promiseOf, type Row, readTable, tryOut } from '../support/table-cells'
import { routesOf } from '../support/table-routes'
import { type State, states, World } from '../support/table-world'

// Who gets what: every route of the plugin and of the example app, in every state of a session.
//
// A cell says what people get, and after a comma what programs get, where that is not the same. The code of a
// problem stands for its status; people get a page with it. `> verified` is the state of the session afterwards,
// where it has changed. HEAD is GET's, OPTIONS is Express's own, and a method that is not here is the app's 404.

const words = {
  login: '303 /login, not_authenticated',
  challenge: '303 /two-factor/challenge, second_factor_required',
  enrol: '303 /two-factor/enable, enrolment_required',
  'step up': '303 /two-factor/challenge, step_up_required',
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
  csrf: 403,
  not_found: 404,
  already_enabled: 409,
  not_enabled: 409,
  no_enrolment: 409,
}

/** What a POST is sent with: the lines below it. All but the first have a valid token. */
const cases: Record<string, Case> = {
  'no token': { forged: true },
  nothing: {},
  'nothing, begun': { begun: true },
  '11 minutes later': { later: 11 },
  'right code': { body: (phone) => ({ code: phone.code() }) },
  'wrong code': { body: (phone) => ({ code: phone.wrongCode() }) },
  'right code, begun': { begun: true, body: (phone) => ({ code: phone.code() }) },
  'wrong code, begun': { begun: true, body: (phone) => ({ code: phone.wrongCode() }) },
  'backup code': { body: (_phone, world) => ({ code: world.backupCodes[0] as string }) },
  'nobody known': { body: () => ({ username: 'mallory', password: PASSWORD }) },
  'bob, who has none': { body: () => ({ username: 'bob', password: PASSWORD }) },
  'alice, enrolled': { body: () => ({ username: 'alice', password: PASSWORD }) },
  'carol, who must': { body: () => ({ username: 'carol', password: PASSWORD }) },
  '25 pounds': { body: () => ({ to: 'Dot', amount: '25' }) },
}

const ofThePlugin = `
                              | anonymous | unenrolled                  | pending                      | must enrol                  | verified                          | stale
GET  /two-factor              | login     | 200                         | challenge                    | enrol                       | 200                               | 200

GET  /two-factor/enable       | login     | 200, no_enrolment           | challenge                    | 200, no_enrolment           | already_enabled                   | already_enabled
POST /two-factor/enable
     no token                 | login     | csrf                        | challenge                    | csrf                        | csrf                              | csrf
     nothing                  | login     | 303 /two-factor/enable, 201 | challenge                    | 303 /two-factor/enable, 201 | already_enabled                   | already_enabled
     11 minutes later         | login     | password_required           | login > anonymous            | login > anonymous           | already_enabled > stale           | already_enabled
POST /two-factor/enable/confirm
     no token                 | login     | csrf                        | challenge                    | csrf                        | csrf                              | csrf
     nothing                  | login     | malformed                   | challenge                    | malformed                   | malformed                         | malformed
     right code               | login     | no_enrolment                | challenge                    | no_enrolment                | already_enabled                   | already_enabled
     wrong code, begun        | login     | invalid_code                | challenge                    | invalid_code                | already_enabled                   | already_enabled
     right code, begun        | login     | 200 > verified              | challenge                    | 200 > verified              | already_enabled                   | already_enabled
POST /two-factor/enable/cancel
     no token                 | login     | csrf                        | challenge                    | csrf                        | csrf                              | csrf
     nothing                  | login     | no_enrolment                | challenge                    | no_enrolment                | no_enrolment                      | no_enrolment
     nothing, begun           | login     | 303 /two-factor, 204        | challenge                    | 303 /two-factor, 204        | no_enrolment                      | no_enrolment

GET  /two-factor/challenge    | login     | not_enabled                 | 200                          | enrol                       | 200                               | 200
POST /two-factor/challenge
     no token                 | login     | csrf                        | csrf                         | enrol                       | csrf                              | csrf
     nothing                  | login     | malformed                   | malformed                    | enrol                       | malformed                         | malformed
     wrong code               | login     | not_enabled                 | invalid_code                 | enrol                       | invalid_code                      | invalid_code
     right code               | login     | not_enabled                 | 303 /account, 200 > verified | enrol                       | 303 /account, 200                 | 303 /account, 200 > verified
     backup code              | login     | not_enabled                 | 303 /account, 200 > verified | enrol                       | 303 /account, 200                 | 303 /account, 200 > verified
POST /two-factor/challenge/cancel
     no token                 | login     | csrf                        | csrf                         | csrf                        | csrf                              | csrf
     nothing                  | login     | not_enabled                 | 303 /login, 204 > anonymous  | 303 /login, 204 > anonymous | 303 /account, 204                 | 303 /account, 204

GET  /two-factor/disable      | login     | not_enabled                 | challenge                    | enrol                       | 200                               | 200
POST /two-factor/disable
     no token                 | login     | csrf                        | challenge                    | enrol                       | csrf                              | csrf
     nothing                  | login     | malformed                   | challenge                    | enrol                       | malformed                         | malformed
     wrong code               | login     | not_enabled                 | challenge                    | enrol                       | invalid_code                      | invalid_code
     right code               | login     | not_enabled                 | challenge                    | enrol                       | 303 /two-factor, 200 > unenrolled | 303 /two-factor, 200 > unenrolled

GET  /two-factor/backup-codes | login     | not_enabled                 | challenge                    | enrol                       | 200                               | 200
POST /two-factor/backup-codes
     no token                 | login     | csrf                        | challenge                    | enrol                       | csrf                              | step up
     nothing                  | login     | not_enabled                 | challenge                    | enrol                       | 200                               | step up

GET  /two-factor/assets/*     | 200       | 200                         | 200                          | 200                         | 200                               | 200
`

const ofTheExample = `
                       | anonymous                      | unenrolled             | pending                        | must enrol                     | verified                       | stale
GET  /                 | 200                            | 200                    | challenge, 200                 | enrol, 200                     | 200                            | 200
GET  /*                | 200                            | 200                    | 200                            | 200                            | 200                            | 200
GET  /login            | 200                            | 303 /account, 200      | 200                            | 200                            | 303 /account, 200              | 303 /account, 200
POST /login
     no token          | csrf                           | csrf                   | csrf                           | csrf                           | csrf                           | csrf
     nothing           | invalid_credentials            | invalid_credentials    | invalid_credentials            | invalid_credentials            | invalid_credentials            | invalid_credentials
     nobody known      | invalid_credentials            | invalid_credentials    | invalid_credentials            | invalid_credentials            | invalid_credentials            | invalid_credentials
     bob, who has none | 303 /account, 200 > unenrolled | 303 /account, 200      | 303 /account, 200 > unenrolled | 303 /account, 200 > unenrolled | 303 /account, 200 > unenrolled | 303 /account, 200 > unenrolled
     alice, enrolled   | challenge > pending            | challenge > pending    | challenge                      | challenge > pending            | 303 /account, 200              | 303 /account, 200
     carol, who must   | enrol > must enrol             | enrol > must enrol     | enrol > must enrol             | enrol                          | enrol > must enrol             | enrol > must enrol
POST /logout
     no token          | csrf                           | csrf                   | csrf                           | csrf                           | csrf                           | csrf
     nothing           | 303 /, 204                     | 303 /, 204 > anonymous | 303 /, 204 > anonymous         | 303 /, 204 > anonymous         | 303 /, 204 > anonymous         | 303 /, 204 > anonymous
GET  /account          | login                          | 200                    | challenge, not_authenticated   | enrol, not_authenticated       | 200                            | 200
GET  /vault            | login                          | enrol                  | challenge                      | enrol                          | 200                            | 200
GET  /transfer         | login                          | enrol                  | challenge                      | enrol                          | 200                            | step up
POST /transfer
     no token          | login                          | enrol                  | challenge                      | enrol                          | csrf                           | step up
     nothing           | login                          | enrol                  | challenge                      | enrol                          | invalid_transfer               | step up
     25 pounds         | login                          | enrol                  | challenge                      | enrol                          | 303 /account#transfers, 200    | step up
GET  /api/me           | not_authenticated              | 200                    | challenge, not_authenticated   | enrol, not_authenticated       | 200                            | 200
`

/** Where there is no page. The host's own GETs are like the first: who must prove something is led there first. */
const ofNobody = `
                         | anonymous | unenrolled | pending              | must enrol       | verified  | stale
GET  /nowhere            | not_found | not_found  | challenge, not_found | enrol, not_found | not_found | not_found
GET  /two-factor/nowhere | not_found | not_found  | challenge, not_found | enrol, not_found | not_found | not_found
`

const rows = [ofThePlugin, ofTheExample].flatMap((text) => readTable(text, cases))
const nowhere = readTable(ofNobody, cases)
const everything = [...rows, ...nowhere]
const pathsOf = (some: Row[]) => [...new Set(some.map(({ path }) => path))]

describe.each(Object.entries(expresses))('on %s', (_name, express) => {
  let world: World
  jest.setTimeout(60_000)
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
      const promised: Record<string, string> = {}
      const found: Record<string, string> = {}
      const url = path === '/*' ? '/style.css' : path.endsWith('/*') ? await world.asset() : path
      for (const { kind, method, cell, what } of cellsOf(path, state)) {
        const name = `${kind}: ${method}${what ? `, ${what}` : ''}`
        promised[name] = cell
        found[name] = await tryOut(world, state, kind, method, url, what === null ? {} : cases[what])
      }
      expect(found).toEqual(promised)
    })
  })
})

/** Everything that is tried at a path in a state, and what must come of it. */
function cellsOf(path: string, state: State) {
  const there = everything.filter((row) => row.path === path)
  const kinds: Kind[] = ['person', 'program']
  return kinds.flatMap((kind) => {
    const say = (cell: string) => promiseOf(cell, kind, words, codes)
    const elsewhere = (nowhere[0] as Row).cells[state]
    const get = there.find(({ method }) => method === 'GET')?.cells[state]
    const got = say(get ?? (path.startsWith('/two-factor') ? 'not_found' : elsewhere))
    const posts = there.filter(({ method }) => method === 'POST')
    const isRoute = !nowhere.some((row) => row.path === path) && !path.endsWith('*')
    const allowed = [...(get ? ['GET', 'HEAD'] : []), ...(posts.length ? ['POST'] : [])]
    return [
      { kind, method: 'GET', what: null, cell: got },
      { kind, method: 'HEAD', what: null, cell: got.replace(/^(4\d\d) \w+/, '$1') },
      ...posts.map(({ what, cells }) => ({ kind, method: 'POST', what, cell: say(cells[state]) })),
      ...(posts.length ? [] : [{ kind, method: 'POST', what: null, cell: say('not_found') }]),
      { kind, method: 'PUT', what: null, cell: say('not_found') },
      { kind, method: 'DELETE', what: null, cell: say('not_found') },
      { kind, method: 'OPTIONS', what: null, cell: isRoute ? `200 ${allowed.join(' ')}` : say('not_found') },
    ]
  })
}
