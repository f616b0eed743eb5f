import type { Request } from 'express'
import { UnavailableError } from '../../lib/errors'
import type { Reporter } from '../../lib/events/reporter'
import type { Recoveries } from '../../lib/recovery/recoveries'
import type { FactorUse } from '../../lib/recovery/request'
import type { AccountViews } from '../../lib/session/account-views'
import { DueRecovery } from '../../lib/session/due-recovery'
import type { Settings } from '../../lib/settings'

const req = {} as Request
const factor = { enabled: true } as FactorUse
const now = { enabled: false, epoch: 2 }

/** An account whose requests answer this when one is due. */
function due(complete: () => Promise<unknown>, read: () => Promise<unknown> = async () => now) {
  const told: unknown[] = []
  const recovery = new DueRecovery(
    { onUnavailable: (error: Error) => told.push(error.message) } as unknown as Settings,
    { complete } as unknown as Recoveries,
    { read, forget: (id: string) => told.push(`forget ${id}`) } as unknown as AccountViews,
    {
      tell: (_req: Request, name: string) => told.push(name),
      async evenIfLate(_req: Request, work: Promise<unknown>, tell: (outcome: unknown) => void) {
        const outcome = await work
        tell(outcome)
        return outcome
      },
    } as unknown as Reporter,
  )
  return { told, completed: (use = factor) => recovery.complete(req, 'u-alice', use) }
}

test.each([
  ['now', now, ['forget u-alice', 'recovery-completed']],
  ['before', now, ['forget u-alice']],
  ['withdrawn', null, ['forget u-alice']],
  [null, null, []],
])('an outcome of %p', async (outcome, answer, happened) => {
  const { told, completed } = due(async () => outcome)
  expect(await completed()).toEqual(answer)
  expect(told).toEqual(happened)
})

test('an account without a second factor has nothing to lose', async () => {
  const complete = jest.fn()
  expect(await due(complete).completed({ enabled: false } as FactorUse)).toBeNull()
  expect(complete).not.toHaveBeenCalled()
})

test('where the requests do not answer the account stays as it is; any other failure is one', async () => {
  const { told, completed } = due(() => Promise.reject(new UnavailableError('away')))
  expect(await completed()).toBeNull()
  expect(told).toEqual(['away'])
  const failure = new Error('a mistake')
  await expect(due(() => Promise.reject(failure)).completed()).rejects.toBe(failure)
})

test('where the account cannot be read afterwards, nobody is told that nothing was changed', async () => {
  const away = new UnavailableError('away')
  await expect(
    due(
      async () => 'now',
      () => Promise.reject(away),
    ).completed(),
  ).rejects.toBe(away)
  expect(away.uncertain).toBe(true)
  const failure = new Error('a mistake')
  await expect(
    due(
      async () => 'now',
      () => Promise.reject(failure),
    ).completed(),
  ).rejects.toBe(failure)
  expect(failure).not.toHaveProperty('uncertain')
})
