import { TimeLimit } from '../../lib/account/time-limit'
import { UnavailableError } from '../../lib/errors'

let now = 1000
beforeEach(() => {
  jest.useFakeTimers()
  now = 1000
  jest.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => {
  jest.restoreAllMocks()
  jest.useRealTimers()
})

const never = () => new Promise<never>(() => {})

test('gives what the work gives, and leaves no timer behind', async () => {
  const limit = new TimeLimit(100)
  expect(await limit.within(async () => 7)).toBe(7)
  expect(jest.getTimerCount()).toBe(0)
  await expect(limit.within(() => Promise.reject(new Error('the work')))).rejects.toThrow('the work')
  expect(jest.getTimerCount()).toBe(0)
})

test('is over for all when a timer said so, whatever the clock says', async () => {
  const limit = new TimeLimit(100, 'The recovery store')
  const waiting = limit.within(never)
  jest.advanceTimersByTime(100)
  await expect(waiting).rejects.toThrow(new UnavailableError('The recovery store did not answer in time'))
  expect(limit.left).toBe(100)
  expect(() => limit.check()).toThrow(UnavailableError)
  const work = jest.fn(never)
  await expect(limit.within(work)).rejects.toThrow(UnavailableError)
  expect(work).not.toHaveBeenCalled()
})

test('is over in the very millisecond in which it ends', () => {
  const limit = new TimeLimit(100)
  now += 99
  expect(() => limit.check()).not.toThrow()
  now += 1
  expect(() => limit.check()).toThrow(new UnavailableError('The factor store did not answer in time'))
})
