import { fewAtATime } from '../../lib/admin/few-at-a-time'
import { follow } from '../../lib/admin/follow'
import { putRight } from '../../lib/admin/put-right'
import { Registered } from '../../lib/admin/registered'
import { Totals } from '../../lib/admin/totals'
import { type SecondFactorEvent, SecondFactorEvents } from '../../lib/events/events'
import type { UserDirectory } from '../../lib/index'
import type { ShownUser } from '../../lib/pages/admin-pages'
import { Clock } from '../support/clock'

// Functions of the host that never answer: no page and no line may wait for them for good.

const never = () => new Promise<never>(() => {})
const directory = (of: Partial<UserDirectory>): UserDirectory => ({
  list: async () => ({ users: [], next: null }),
  ...of,
})
const pass = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds)

let said: string[]
beforeEach(() => {
  said = []
  jest.spyOn(process, 'emitWarning').mockImplementation((text) => void said.push(String(text)))
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] })
})
afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

/** Whether it has ended, as far as can be told now. */
function watched(work: Promise<unknown>): () => boolean {
  let over = false
  void work.then(() => {
    over = true
  })
  return () => over
}

test('what is registered has five seconds a page, is asked for no more then, and is warned of once', async () => {
  const registered = jest.fn(never)
  const page = new Registered({ settings: { registered } } as never)
  const ids = Array.from({ length: 50 }, (_, i) => `u-${i}`)
  const answers = fewAtATime(ids, (id) => page.of(id))
  const over = watched(answers)
  await pass(4999)
  expect(over()).toBe(false)
  await pass(1)
  expect(over()).toBe(true)
  expect(await answers).toEqual(ids.map(() => null))
  expect(registered).toHaveBeenCalledTimes(5)
  expect(said).toEqual(['Option recovery.registered failed: TimeoutError 23'])
})

test('a list waits a moment for a directory that is put right, and no longer', async () => {
  const note = jest.fn(never)
  const stale = Array.from({ length: 10 }, (_, i) => ({ id: `u-${i}`, status: 'activated' }) as ShownUser)
  const over = watched(putRight(directory({ note }), stale))
  await pass(1499)
  expect(over()).toBe(false)
  await pass(1)
  expect(over()).toBe(true)
  expect(said).toEqual([
    'The directory did not take what the records say: The directory did not answer in time',
  ])
})

test('a count that never ends has failed after a minute, and another one begins', async () => {
  let hangs = true
  const count = jest.fn(async () => (hangs ? never() : { activated: 1, notActivated: 2 }))
  const totals = new Totals(directory({ totals: count }), {} as never, new Clock().now)
  const first = totals.read()
  await pass(60_000)
  expect(await first).toBeNull()
  expect(said).toEqual(['The directory could not count its users: It took more than a minute'])
  hangs = false
  await pass(600_000)
  expect(await totals.read()).toEqual({ activated: 1, notActivated: 2 })
  expect(count).toHaveBeenCalledTimes(2)
})

test('what happens to an account is told after what the directory never took', async () => {
  let hangs = true
  const told: boolean[] = []
  const note: UserDirectory['note'] = async (_id, activated) => {
    if (hangs) await never()
    told.push(activated)
  }
  const events = new SecondFactorEvents()
  const { settled } = follow(events, directory({ note }), { forget() {} } as unknown as Totals)
  const happens = (name: 'enabled' | 'reset') =>
    events.emit({ name, accountId: 'u-bob', at: new Date(0) } as SecondFactorEvent)
  happens('enabled')
  await pass(0)
  hangs = false
  happens('reset')
  const over = watched(settled('u-bob'))
  await pass(30_000)
  expect(over()).toBe(true)
  expect(told).toEqual([false])
  expect(said).toHaveLength(1)
})
