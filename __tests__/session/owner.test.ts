import type { Request } from 'express'
import { UnavailableError } from '../../lib/errors'
import { handOn } from '../../lib/session/hand-on'
import { isOwner } from '../../lib/session/owner'
import type { RequestState } from '../../lib/session/request-factor'
import type { Settings } from '../../lib/settings'

const settings = { account: ({ id }: { id: string }) => ({ id, name: id }) } as unknown as Settings

test.each<[string, string | null, string | undefined, boolean]>([
  ['verified', 'u-alice', 'u-alice', true],
  ['unenrolled', 'u-alice', 'u-alice', true],
  ['verified', 'u-alice', 'u-bob', false],
  ['unenrolled', 'u-alice', 'u-bob', false],
  ['verified', 'u-alice', undefined, false],
  ['verified', null, 'u-alice', false],
  // Where the session shows no user there is none to differ.
  ['pending', 'u-alice', 'u-bob', true],
  ['must-enrol', 'u-alice', undefined, true],
  ['anonymous', null, 'u-bob', true],
  ['unavailable', null, undefined, true],
])('a session that is %s, of %p, in a request of %p: its owner %p', (state, account, user, is) => {
  const req = { ...(user && { user: { id: user } }) } as unknown as Request
  const known = { state, account: account && { id: account, name: account } } as unknown as RequestState
  expect(isOwner(settings, req, known)).toBe(is)
})

test('an error goes to the app, and of a store that is away option onUnavailable is told, too', () => {
  const told: unknown[] = []
  const next = jest.fn()
  const hand = handOn({ onUnavailable: (error: unknown) => told.push(error) } as unknown as Settings, next)
  const [mistake, away] = [new Error('a mistake'), new UnavailableError('away')]
  hand(mistake)
  expect([next.mock.calls, told]).toEqual([[[mistake]], []])
  hand(away)
  expect([next.mock.calls, told]).toEqual([[[mistake], [away]], [away]])
})
