import type { Request, Response } from 'express'
import type { Answers } from '../../lib/pages/answers'
import type { Marker } from '../../lib/session/marker'
import type { RequestState } from '../../lib/session/request-factor'
import { turnAway, type Wish } from '../../lib/session/turn-away'
import type { Settings } from '../../lib/settings'

const wish: Wish = { otherwise: '/two-factor' }
const person = { accept: 'text/html', 'sec-fetch-dest': 'document' }

/** What is answered, and how often the session is written. */
function turning(
  state: string,
  {
    headers = {} as Record<string, string>,
    marker = {} as Partial<Marker> | null,
    method = 'GET',
    enrolled = true,
  } = {},
) {
  const answered: unknown[] = []
  let writes = 0
  const session: Record<string, unknown> = {
    ...(marker && { secondFactor: { state, ...marker } }),
    save(done: () => void) {
      writes++
      done()
    },
  }
  const req = {
    method,
    originalUrl: '/vault?x=1',
    headers: { host: 'acme', ...headers },
    session,
  } as unknown as Request
  const answers = {
    problem: async (_req: Request, _res: Response, problem: object) => answered.push(['problem', problem]),
    problemJson: (_req: Request, _res: Response, problem: object, extra?: object) =>
      answered.push(['json', problem, extra]),
    redirect: (_req: Request, _res: Response, url: string) => answered.push(['redirect', url]),
  } as unknown as Answers
  const known = { state, enrolled, wayTo: (page: string) => `/two-factor/${page}` } as unknown as RequestState
  const settings = { loginUrl: '/login' } as Settings
  return {
    session: session as { returnTo?: string; secondFactor?: Marker },
    answered,
    writes: () => writes,
    turn: (more: Partial<Wish> = {}) =>
      turnAway(settings, answers, req, {} as Response, known, { ...wish, ...more }),
  }
}

const challengeUrl = '/two-factor/challenge'
const enableUrl = '/two-factor/enable'

test.each<[string, unknown[], unknown[]]>([
  ['unavailable', ['problem', { code: 'unavailable' }], ['problem', { code: 'unavailable' }]],
  ['anonymous', ['json', { code: 'not_authenticated' }, undefined], ['redirect', '/login']],
  ['pending', ['json', { code: 'second_factor_required' }, { challengeUrl }], ['redirect', challengeUrl]],
  ['must-enrol', ['json', { code: 'enrolment_required' }, { enableUrl }], ['redirect', enableUrl]],
  ['unenrolled', ['json', { code: 'enrolment_required' }, { enableUrl }], ['redirect', enableUrl]],
  ['verified', ['json', { code: 'step_up_required' }, { challengeUrl }], ['redirect', challengeUrl]],
])('%s: programs are told, and people are led', async (state, toProgram, toPerson) => {
  const program = turning(state)
  await program.turn()
  expect(program.answered).toEqual([toProgram])
  const led = turning(state, { headers: person })
  await led.turn()
  expect(led.answered).toEqual([toPerson])
})

test('verified by a provider, without a second factor: to one, and not to a code', async () => {
  const program = turning('verified', { enrolled: false })
  await program.turn({ demands: { methods: ['totp'] } })
  expect(program.answered).toEqual([['json', { code: 'enrolment_required' }, { enableUrl }]])
  expect(program.session.secondFactor).not.toHaveProperty('demands')
})

describe('where people come back to', () => {
  test.each(['pending', 'unenrolled', 'verified'])('%s: the page, written once', async (state) => {
    const { turn, session, writes } = turning(state, { headers: person })
    await turn()
    await turn()
    expect([session.secondFactor?.returnTo, writes()]).toEqual(['/vault?x=1', 1])
    expect(session.secondFactor).not.toHaveProperty('notSent')
  })

  test.each(['must-enrol', 'unavailable'])('%s: nothing is written', async (state) => {
    const { turn, writes } = turning(state, { headers: person })
    await turn()
    expect(writes()).toBe(0)
  })

  test('anonymous: by the convention of Passport, written once, and of no form', async () => {
    const page = turning('anonymous', { headers: person, marker: null })
    await page.turn()
    await page.turn()
    expect([page.session.returnTo, page.writes()]).toEqual(['/vault?x=1', 1])
    const form = turning('anonymous', { headers: { accept: 'text/html' }, method: 'POST', marker: null })
    await form.turn()
    expect([form.session.returnTo, form.writes()]).toEqual([undefined, 0])
  })

  test('a form that was not sent: to its page, and said once it is there', async () => {
    const headers = { accept: 'text/html', referer: 'http://acme/form' }
    const form = turning('verified', { headers, method: 'POST' })
    await form.turn()
    await form.turn()
    expect(form.session.secondFactor).toMatchObject({ returnTo: '/form', notSent: true })
    expect(form.writes()).toBe(1)
    const named = turning('verified', { headers, method: 'POST' })
    await named.turn({ returnTo: '/named' })
    expect(named.session.secondFactor).toMatchObject({ returnTo: '/named', notSent: true })
    const none = turning('verified', { headers: { accept: 'text/html' }, method: 'POST' })
    await none.turn()
    expect(none.session.secondFactor).toMatchObject({ returnTo: '/two-factor', notSent: true })
  })

  test('a page after a form is no form, and a form of the same page is one again', async () => {
    const { turn, session, writes } = turning('verified', {
      headers: person,
      marker: { returnTo: '/vault?x=1', notSent: true },
    })
    await turn()
    expect([session.secondFactor?.notSent, writes()]).toEqual([undefined, 1])
    await turn({ page: '/users' })
    expect([session.secondFactor?.returnTo, writes()]).toEqual(['/users', 2])
  })

  test('half a login by a form keeps where it was going', async () => {
    const { turn, session, writes } = turning('pending', {
      headers: { accept: 'text/html' },
      method: 'POST',
      marker: { returnTo: '/before' },
    })
    await turn()
    expect([session.secondFactor?.returnTo, writes()]).toEqual(['/before', 0])
  })

  test.each(['pending', 'unenrolled', 'verified'])(
    '%s without a marker: nothing to write to',
    async (state) => {
      const { turn, writes } = turning(state, { headers: person, marker: null })
      await turn({ demands: { methods: ['totp'] } })
      expect(writes()).toBe(0)
    },
  )
})

describe('what a gate demands', () => {
  const demands = { methods: ['totp' as const] }
  const background = { accept: 'application/json', 'sec-fetch-dest': 'empty' }

  test.each<[string, Record<string, string>, Partial<Marker>, Partial<Wish>, unknown, number]>([
    ['is kept', {}, {}, { demands }, demands, 1],
    ['is written once', {}, { demands }, { demands }, demands, 0],
    ['gives way to another', {}, { demands: { methods: ['backup-code'] } }, { demands }, demands, 1],
    ['is forgotten by a gate that demands nothing', {}, { demands }, {}, undefined, 1],
    ['also by one that a single-page app asks', background, { demands }, {}, undefined, 1],
    ['but not on the way to a page', background, { demands, returnTo: '/vault' }, {}, demands, 0],
    [
      'where a page asks again it is',
      { accept: 'application/json' },
      { demands, returnTo: '/vault' },
      {},
      undefined,
      1,
    ],
    ['of the background counts, too', background, { returnTo: '/vault' }, { demands }, demands, 1],
    ['and none stays none', background, {}, {}, undefined, 0],
  ])('%s', async (_what, headers, marker, more, kept, writes) => {
    const made = turning('verified', { headers, marker })
    await made.turn(more)
    expect([made.session.secondFactor?.demands, made.writes()]).toEqual([kept, writes])
    expect(Object.hasOwn(made.session.secondFactor as object, 'demands')).toBe(kept !== undefined)
    expect(made.answered).toEqual([['json', { code: 'step_up_required' }, { challengeUrl, ...more.demands }]])
  })
})
