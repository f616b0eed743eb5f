import type { Request } from 'express'
import type { Accounts } from '../../lib/account/accounts'
import type { TypedCode } from '../../lib/account/typed-code'
import type { Reporter } from '../../lib/events/reporter'
import type { AccountViews } from '../../lib/session/account-views'
import { CodeSubmission } from '../../lib/session/code-submission'
import type { Settings } from '../../lib/settings'

const typed = { method: 'totp', code: '123456' } as TypedCode
const account = { id: 'u-alice', name: 'Alice' }

/** A session whose code the account answers like this, perhaps too late. */
function submitting(answer: object, state = 'pending', late = false) {
  const told: unknown[] = []
  const verify = jest.fn(async (..._parts: unknown[]) => answer)
  const submission = new CodeSubmission(
    { trustAge: 60_000, now: () => 1_000 } as unknown as Settings,
    { verify } as unknown as Accounts,
    { forget: (id: string) => told.push(`forget ${id}`) } as unknown as AccountViews,
    {
      tell: (_req: Request, name: string, _id: string, what: object) => told.push({ name, ...what }),
      tellFailure: (_req: Request, _id: string, what: object) => told.push({ name: 'failed', ...what }),
      async evenIfLate(
        _req: Request,
        work: Promise<unknown>,
        tell: (outcome: unknown, late: boolean) => void,
      ) {
        const outcome = await work
        tell(outcome, late)
        return outcome
      },
    } as unknown as Reporter,
  )
  const req = { headers: {}, session: { secondFactor: { state, epoch: 7 } } } as unknown as Request
  return { submission, req, told, verify }
}

const accepted = { accepted: true, method: 'totp', backupCodesRemaining: 5, epoch: 7 }

test('an accepted code: told once it is known, and not told to have let in whoever was told otherwise', async () => {
  const { submission, req, told, verify } = submitting(accepted)
  expect(await submission.submit(req, account, typed)).toEqual({
    accepted: true,
    proof: { accountId: 'u-alice', epoch: 7, method: 'totp', askedAt: 1_000 },
    backupCodesRemaining: 5,
    deviceToken: null,
  })
  expect(verify.mock.calls).toEqual([['u-alice', 7, typed, undefined]])
  expect(told).toEqual([{ name: 'verified', method: 'totp', purpose: 'login' }])
  const late = submitting(accepted, 'verified', true)
  await late.submission.submit(late.req, account, typed)
  expect(late.told).toEqual([])
})

test.each<[string, boolean, boolean]>([
  ['pending', true, true],
  ['pending', false, false],
  // Whoever is in already has nothing to gain by it but a thief.
  ['verified', true, false],
])('a browser is trusted by a session that is %s, asked for %p: %p', async (state, trust, is) => {
  const { submission, req, told } = submitting(accepted, state)
  const answer = await submission.submit(req, account, typed, trust)
  expect(answer.accepted && answer.deviceToken !== null).toBe(is)
  expect(told.some((one) => (one as { name: string }).name === 'device-trusted')).toBe(is)
})

test('a refused code: what is remembered of the account is forgotten where it was revoked, and nowhere else', async () => {
  const lock = { until: 9 }
  for (const [answer, happened] of [
    [{ accepted: false, reason: 'revoked' }, ['forget u-alice']],
    [{ accepted: false, reason: 'locked', lock }, []],
    [{ accepted: false, reason: 'not-enrolled' }, []],
    [
      { accepted: false, reason: 'invalid', lock },
      [{ name: 'failed', method: 'totp', purpose: 'administration', lock }],
    ],
  ] as const) {
    const { submission, req, told } = submitting(answer)
    expect(await submission.submit(req, account, typed, false, 'administration')).toEqual(answer)
    expect(told).toEqual(happened)
  }
  const { submission, req, told } = submitting({
    ...accepted,
    method: 'backup-code',
    backupCodesRemaining: 4,
  })
  await submission.submit(req, account, { ...typed, method: 'backup-code' } as TypedCode)
  expect(told).toEqual([
    { name: 'verified', method: 'backup-code', purpose: 'login' },
    { name: 'backup-code-used', remaining: 4 },
  ])
})
