import type { Request } from 'express'
import session from 'express-session'
import type { AccountViews } from '../../lib/session/account-views'
import { Admission } from '../../lib/session/admission'
import type { AppSession, Marker } from '../../lib/session/marker'
import type { Proof } from '../../lib/session/proof'
import { type RequestState, type Site, startState } from '../../lib/session/request-factor'
import type { Settings } from '../../lib/settings'

const settings = { now: () => 5_000 } as Settings
const proof: Proof = { accountId: 'u-alice', epoch: 2, method: 'totp', askedAt: 4_000 }

/** A stored session with this marker, and what admits it. */
async function admitted(marker: Partial<Marker>, user: unknown = 'u-alice') {
  const store = new session.MemoryStore()
  const req = { baseUrl: '', sessionStore: store } as unknown as Request
  const make = store as unknown as { generate(req: Request): void }
  const Session = (session as unknown as { Session: new (req: Request) => AppSession }).Session
  make.generate = () => {
    req.sessionID = `id-${Math.random()}`
    req.session = new Session(req)
    req.session.cookie = new session.Cookie()
  }
  make.generate(req)
  const full = {
    accountId: 'u-alice',
    epoch: 2,
    loginAt: 1,
    heldAt: 4_000,
    csrf: 'old',
    name: 'Alice',
    ...marker,
  } as Marker
  Object.assign(req.session, { secondFactor: full, ...(user !== null && { passport: { user } }) })
  await new Promise((resolve) => req.session.save(resolve))
  const noted: unknown[] = []
  const views = { note: (...parts: unknown[]) => noted.push(parts) } as unknown as AccountViews
  const state = startState(req, { path: '/two-factor', settings } as Site) as RequestState
  state.become(full.state, { id: 'u-alice', name: 'Alice' })
  const after = () => (req.session as AppSession).secondFactor
  return { req, state, noted, after, admission: new Admission(settings, views) }
}

test.each<[Partial<Marker>, boolean]>([
  [{ state: 'verified' }, true],
  [{ state: 'unenrolled' }, true],
  [{ state: 'must-enrol', passportKey: 'passport', user: 'u-alice' }, true],
  [{ state: 'pending', passportKey: 'passport', user: 'u-alice' }, false],
])('forms that were open before still post, of %j: %p', async (marker, still) => {
  const held = 'passportKey' in marker
  const { req, admission, after, state } = await admitted(marker, held ? null : 'u-alice')
  expect(await admission.enter(req, proof)).toEqual({ returnTo: null })
  const { csrf, ...rest } = after() as Marker
  expect(csrf === 'old').toBe(still)
  expect(rest).toEqual({
    state: 'verified',
    accountId: 'u-alice',
    epoch: 2,
    loginAt: 1,
    method: 'totp',
    verifiedAt: 5_000,
  })
  expect(state).toMatchObject({
    state: 'verified',
    method: 'totp',
    account: { id: 'u-alice', name: 'Alice' },
  })
  expect(req.session).toMatchObject({ passport: { user: 'u-alice' } })
})

test.each<[Partial<Marker>, string | undefined]>([
  [{ state: 'verified', epoch: 2 }, 'begun'],
  [{ state: 'verified', epoch: 1 }, undefined],
  [{ state: 'unenrolled', epoch: 2 }, undefined],
])('a phone that is being set up still is, after a code of %j', async (marker, enrolment) => {
  const { req, admission, after } = await admitted({ ...marker, enrolment: 'begun' })
  await admission.enter(req, proof)
  expect(after()?.enrolment).toBe(enrolment)
  expect(after()).not.toHaveProperty('notSent')
})

test('who turned it off goes on without, under a new id', async () => {
  const { req, admission, after, state, noted } = await admitted({ state: 'verified' })
  const { sessionID } = req
  await admission.stayWithoutFactor(req, 'u-alice', 3, 4_000)
  expect(req.sessionID).not.toBe(sessionID)
  expect(after()).toEqual({ state: 'unenrolled', accountId: 'u-alice', epoch: 3, loginAt: 1, csrf: 'old' })
  expect(state).toMatchObject({ state: 'unenrolled', account: { id: 'u-alice', name: 'Alice' } })
  expect(noted).toEqual([['u-alice', { epoch: 3, enabled: false, disabledAt: 4_000 }, 4_000]])
})
