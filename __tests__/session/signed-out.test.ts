import type { Request } from 'express'
import type { RequestState } from '../../lib/session/request-factor'
import { leaveIfSignedOut } from '../../lib/session/signed-out'

/** A request whose session the store does not have any more. */
function gone(state: string, begunAt = performance.now()) {
  const asked: string[] = []
  const req = {
    sessionID: 'gone',
    session: {},
    user: { id: 'u-alice' },
    sessionStore: {
      get(_id: string, done: (error: null, data: null) => void) {
        asked.push('get')
        done(null, null)
      },
      generate: () => asked.push('generate'),
    },
  } as unknown as Request
  const known = {
    state,
    begunAt,
    become(next: string, account: null) {
      Object.assign(known, { state: next, account })
    },
  } as unknown as RequestState
  return { req, known, asked, left: () => leaveIfSignedOut(req, known, 0) }
}

test.each(['anonymous', 'unavailable'])('%s: nobody is there who could have signed out', async (state) => {
  const { req, known, asked, left } = gone(state)
  expect(await left()).toBe(false)
  expect([asked, known.state, req.user]).toEqual([[], state, { id: 'u-alice' }])
})

test.each(['unenrolled', 'verified', 'must-enrol'])(
  '%s: nobody from now on, in an empty session',
  async (state) => {
    const { req, known, asked, left } = gone(state)
    expect(await left()).toBe(true)
    expect([asked, known.state, known.account, req.user]).toEqual([
      ['get', 'generate'],
      'anonymous',
      null,
      undefined,
    ])
  },
)

test('half a login is not asked about within a second of its request', async () => {
  expect(await gone('pending').left()).toBe(false)
  expect(await gone('pending', performance.now() - 1001).left()).toBe(true)
})
