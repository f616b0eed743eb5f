import type { Request } from 'express'
import {
  knownStateOf,
  plainPath,
  RequestState,
  type Site,
  startState,
  stateOf,
} from '../../lib/session/request-factor'
import type { Settings } from '../../lib/settings'

const site = (parts: Partial<Site> = {}): Site => ({
  settings: {} as Settings,
  path: '/two-factor',
  challengeUrl: null,
  loginPaths: new Set(['/auth/callback']),
  exemptPaths: new Set(['/help']),
  openPaths: new Set(['/logout']),
  isRoute: (path, method) => path === '/challenge' && method !== 'PUT',
  leads: () => {},
  ...parts,
})

const request = (method: string, originalUrl: string, baseUrl = '') =>
  ({ method, originalUrl, baseUrl }) as unknown as Request

test('a request begins as nobody’s, and the host sees what becomes of it', () => {
  const req = request('GET', '/', '/shop')
  const state = startState(req, site()) as RequestState
  const { challengeUrl, enableUrl } = state
  expect([challengeUrl, enableUrl]).toEqual(['/shop/two-factor/challenge', '/shop/two-factor/enable'])
  expect(state).toMatchObject({ enrolled: true, account: null, loadedSession: null })
  const nobody = { state: 'anonymous', method: null, verifiedAt: null, graceUntil: null, formNotSent: false }
  expect(JSON.parse(JSON.stringify(req.secondFactor))).toEqual({ ...nobody, challengeUrl, enableUrl })

  state.becomeVerified({ id: 'u-alice', name: 'Alice' }, 'totp', 1_000)
  state.graceUntil = new Date(2_000)
  state.formNotSent = true
  expect(state).toMatchObject({ enrolled: true, account: { id: 'u-alice', name: 'Alice' } })
  const seen = req.secondFactor
  expect({
    state: seen?.state,
    method: seen?.method,
    verifiedAt: seen?.verifiedAt,
    graceUntil: seen?.graceUntil,
    formNotSent: seen?.formNotSent,
    challengeUrl: seen?.challengeUrl,
    enableUrl: seen?.enableUrl,
  }).toEqual({
    state: 'verified',
    method: 'totp',
    verifiedAt: new Date(1_000),
    graceUntil: new Date(2_000),
    formNotSent: true,
    challengeUrl,
    enableUrl,
  })

  state.becomeVerified({ id: 'u-bob', name: 'Bob' }, 'single-sign-on', null, false)
  expect(state).toMatchObject({ enrolled: false, verifiedAt: null, graceUntil: null })
  expect(startState(req, state.site)).toBeNull()
})

test('a state is of the one instance that found it out', () => {
  const mine = site()
  const req = request('GET', '/')
  expect(() => knownStateOf(req, mine.settings)).toThrow(
    expect.objectContaining({
      code: 'SF_SESSION_MISSING',
      message: expect.stringContaining('it goes after passport.session() and before the routes'),
    }),
  )
  expect(stateOf(req)).toBeUndefined()
  const state = startState(req, mine)
  expect(knownStateOf(req, mine.settings)).toBe(state)
  expect(() => knownStateOf(req, {} as Settings)).toThrow(
    expect.objectContaining({
      code: 'SF_TWO_INSTANCES',
      message: expect.stringMatching(
        /^This gate, .* call createSecondFactor\(\) once, and use what it returned/,
      ),
    }),
  )
  expect(() => startState(req, site())).toThrow(
    expect.objectContaining({
      code: 'SF_TWO_INSTANCES',
      message: expect.stringMatching(/^A request came by .* once, and use what it returned everywhere/),
    }),
  )
})

test('which requests are those of the router, of exempt and of open pages, and of logins', () => {
  const state = new RequestState('/two-factor', site())
  const asked: [string, string][] = [
    ['GET', '/two-factor/challenge'],
    ['PUT', '/Two-Factor/challenge?x=1'],
    ['GET', '/two-factor/other'],
    ['GET', '/help/'],
    ['POST', '/LOGOUT'],
    ['POST', '/elsewhere'],
    ['GET', '/auth/Callback?code=1'],
  ]
  const is = asked.map(([method, url]) => {
    const req = request(method, url)
    return [state.isOpen(req), state.isExempt(req), state.isLogin(req)].map(Number).join('')
  })
  expect(is).toEqual(['110', '010', '000', '010', '100', '000', '001'])
  expect(['/', '', '/A/', '/a'].map(plainPath)).toEqual(['/', '/', '/a', '/a'])
})

test('whoever is sent to a page of the router is noticed, and to the host’s own is not', () => {
  const leads = jest.fn()
  const ours = new RequestState('/two-factor', site({ leads }))
  expect([ours.wayTo('challenge'), ours.wayTo('enable')]).toEqual([
    '/two-factor/challenge',
    '/two-factor/enable',
  ])
  expect(leads).toHaveBeenCalledTimes(2)
  const hosts = new RequestState('/two-factor', site({ leads, challengeUrl: '/my-code' }))
  expect(hosts.wayTo('challenge')).toBe('/my-code')
  expect(leads).toHaveBeenCalledTimes(2)
})
