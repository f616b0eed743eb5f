import { OpenRequests } from '../../lib/admin/open-requests'
import { UnavailableError } from '../../lib/errors'
import { type EventName, type SecondFactorEvent, SecondFactorEvents } from '../../lib/events/events'
import type { Recoveries } from '../../lib/recovery/recoveries'
import { Clock } from '../support/clock'

// How seldom it is counted is the business of totals.test.ts: both rest on the same.

function world(count: () => Promise<number>) {
  const countOpen = jest.fn(count)
  const events = new SecondFactorEvents()
  const told: unknown[] = []
  const clock = new Clock()
  const open = new OpenRequests({ countOpen } as unknown as Recoveries, events, clock.now, (error) =>
    told.push(error),
  )
  const emit = (name: EventName) =>
    events.emit({ name, accountId: 'a', at: new Date(0) } as unknown as SecondFactorEvent)
  /** Reads it, after the time that passes from one count to the next. */
  const read = async () => {
    await jest.advanceTimersByTimeAsync(1000)
    return open.read()
  }
  return { countOpen, told, clock, emit, read }
}

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] }))
afterEach(() => void jest.useRealTimers())

test('it is counted anew once a minute, and after what opens a request or ends one', async () => {
  let open = 0
  const { countOpen, clock, emit, read } = world(async () => open++)
  expect([await read(), await read()]).toEqual([0, 0])
  const changes: EventName[] = ['recovery-requested', 'recovery-cancelled', 'recovery-rejected']
  changes.push('recovery-completed', 'disabled', 'reset', 'forgotten')
  for (const [i, name] of changes.entries()) {
    emit(name)
    expect([name, await read()]).toEqual([name, i + 1])
  }
  // Codes are accepted all day long.
  emit('verified')
  expect(await read()).toBe(7)
  clock.forward(60)
  expect(await read()).toBe(8)
  expect(countOpen).toHaveBeenCalledTimes(9)
})

test('a store that is away is told, and takes nothing away but the number', async () => {
  const away = new UnavailableError('The store does not answer')
  const { told, read } = world(() => Promise.reject(away))
  expect([await read(), told]).toEqual([null, [away]])
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const broken = world(() => Promise.reject(new TypeError('a mistake of ours')))
  expect([await broken.read(), broken.told]).toEqual([null, []])
  expect(warned.mock.calls[0]?.[0]).toContain('a mistake of ours')
  warned.mockRestore()
})
