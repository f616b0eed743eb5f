import fc from 'fast-check'
import { ENROLMENT_LIFE } from '../../lib/account/enrolment'
import { type AccountView, heldGoesOn, judgeLogin } from '../../lib/session/judge'
import type { HeldMarker, Marker } from '../../lib/session/marker'

const MINUTE = 60_000
const common = { accountId: 'alice', epoch: 3, loginAt: 1000, csrf: 'x' }
const held = { ...common, user: 'alice', passportKey: 'passport', name: 'Alice', heldAt: 1000 }
const unenrolled: Marker = { ...common, state: 'unenrolled' }
const verified: Marker = { ...common, state: 'verified', method: 'totp', verifiedAt: 1000 }
const pending: HeldMarker = { ...held, state: 'pending' }
const mustEnrol: HeldMarker = { ...held, state: 'must-enrol' }

const others = (marker: Marker): Marker => ({ ...marker, accountId: 'bob' })
const on: AccountView = { enabled: true, epoch: 3 }
const off: AccountView = { enabled: false, epoch: 3 }

describe('a session that Passport calls logged in', () => {
  test.each<[string, Marker | undefined, AccountView, boolean, object]>([
    ['verified in this epoch', verified, on, false, { verdict: 'keep', marker: verified }],
    ['verified in another epoch', verified, { ...on, epoch: 4 }, false, { verdict: 'hold', as: 'pending' }],
    ['verified in a later epoch', verified, { ...on, epoch: 2 }, false, { verdict: 'hold', as: 'pending' }],
    [
      'enrolled elsewhere meanwhile',
      unenrolled,
      { ...on, epoch: 4 },
      false,
      { verdict: 'hold', as: 'pending' },
    ],
    ['unenrolled in this epoch', unenrolled, on, false, { verdict: 'hold', as: 'pending' }],
    ['without our marker', undefined, on, false, { verdict: 'hold', as: 'pending' }],
    ['with half a login of its own', pending, on, false, { verdict: 'hold', as: 'pending' }],
    ["with somebody else's proof", others(verified), on, false, { verdict: 'hold', as: 'pending' }],
  ])('of an account with a second factor, %s', (_what, marker, view, required, judgement) => {
    expect(judgeLogin(marker, 'alice', view, required)).toEqual(judgement)
    expect(judgeLogin(marker, 'alice', view, !required)).toEqual(judgement)
  })

  test.each<[string, Marker | undefined, AccountView, object, object]>([
    ['unenrolled in this epoch', unenrolled, off, { verdict: 'keep', marker: unenrolled }, mustBe()],
    ['without our marker', undefined, off, { verdict: 'adopt' }, mustBe()],
    ['with half a login', pending, off, { verdict: 'adopt' }, mustBe()],
    ["with somebody else's marker", others(unenrolled), off, { verdict: 'adopt' }, mustBe()],
    ["with somebody else's proof", others(verified), off, { verdict: 'adopt' }, mustBe()],
    [
      'of an epoch that is over',
      unenrolled,
      { ...off, epoch: 4 },
      { verdict: 'log-out' },
      { verdict: 'log-out' },
    ],
    [
      'verified before it was turned off',
      verified,
      { ...off, epoch: 4 },
      { verdict: 'log-out' },
      { verdict: 'log-out' },
    ],
    ['verified, of the same epoch', verified, off, { verdict: 'log-out' }, { verdict: 'log-out' }],
  ])(
    'of an account without a second factor, %s, by what the host demands',
    (_what, marker, view, optional, required) => {
      expect(judgeLogin(marker, 'alice', view, false)).toEqual(optional)
      expect(judgeLogin(marker, 'alice', view, true)).toEqual(required)
    },
  )

  const anyMarker = fc.option(
    fc
      .record({
        base: fc.constantFrom(unenrolled, verified, pending, mustEnrol),
        accountId: fc.constantFrom('alice', 'bob', ''),
        epoch: fc.nat(4),
        loginAt: fc.nat(),
      })
      .map(({ base, ...own }) => ({ ...base, ...own }) as Marker),
    { nil: undefined },
  )
  const anyView = fc.record({ enabled: fc.boolean(), epoch: fc.nat(4) })

  test('in any state: only a proof of this account and epoch goes on where there is a second factor', () => {
    fc.assert(
      fc.property(anyMarker, anyView, fc.boolean(), (marker, view, required) => {
        const judgement = judgeLogin(marker, 'alice', view, required)
        const ownInEpoch = marker?.accountId === 'alice' && marker.epoch === view.epoch
        if (view.enabled) {
          const proven = ownInEpoch && marker?.state === 'verified'
          expect(judgement.verdict).toBe(proven ? 'keep' : 'hold')
        }
        if (judgement.verdict === 'keep') {
          expect(ownInEpoch).toBe(true)
          expect(judgement.marker).toBe(marker)
          expect(judgement.marker.state).toBe(view.enabled ? 'verified' : 'unenrolled')
        }
        if (judgement.verdict === 'adopt') {
          expect([view.enabled, required]).toEqual([false, false])
          expect(marker?.accountId === 'alice' && ['unenrolled', 'verified'].includes(marker.state)).toBe(
            false,
          )
        }
        if (required && !view.enabled) expect(['hold', 'log-out']).toContain(judgement.verdict)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('half a login goes on', () => {
  const start = held.heldAt

  test.each<[string, HeldMarker, number]>([
    ['pending: ten minutes', pending, 10 * MINUTE],
    ['pending, whatever it holds besides', { ...pending, enrolment: 'sealed' }, 10 * MINUTE],
    ['must enrol: ten minutes', mustEnrol, 10 * MINUTE],
    [
      'enrolling: as long as the enrolment that it began in that time',
      { ...mustEnrol, enrolment: 'sealed' },
      10 * MINUTE + ENROLMENT_LIFE,
    ],
  ])('%s', (_what, marker, life) => {
    expect(heldGoesOn(marker, start)).toBe(true)
    expect(heldGoesOn(marker, start + life - 1)).toBe(true)
    expect(heldGoesOn(marker, start + life)).toBe(false)
  })

  test('not when it began further in the future than clocks differ', () => {
    expect(heldGoesOn(pending, start - 60_000)).toBe(true)
    expect(heldGoesOn(pending, start - 60_001)).toBe(false)
  })

  test.each<[string, HeldMarker, AccountView, boolean]>([
    ['pending, with a second factor, in its epoch', pending, on, true],
    ['pending, in another epoch', pending, { ...on, epoch: 4 }, false],
    ['pending, its second factor turned off', pending, off, false],
    ['must enrol, without a second factor, in its epoch', mustEnrol, off, true],
    ['must enrol, in another epoch', mustEnrol, { ...off, epoch: 4 }, false],
    ['must enrol, and has meanwhile', mustEnrol, on, false],
  ])('where the account was read: %s', (_what, marker, view, goesOn) => {
    expect(heldGoesOn(marker, start, view)).toBe(goesOn)
    expect(heldGoesOn(marker, start + 10 * MINUTE, view)).toBe(false)
  })
})

function mustBe() {
  return { verdict: 'hold', as: 'must-enrol' }
}
