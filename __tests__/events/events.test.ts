import type { EventDetails, EventName, SecondFactorEvent } from 'express-second-factor'
import { SecondFactorEvents } from '../../lib/events/events'

const at = new Date(Date.UTC(2026, 4, 3))
const until = new Date(Date.UTC(2026, 4, 4))
const enabled = { name: 'enabled', accountId: 'u-alice', at, method: 'totp' } as const
const locked = { name: 'locked', accountId: 'u-alice', at, method: 'totp', until } as const

let events: SecondFactorEvents
let warnings: jest.SpyInstance
beforeEach(() => {
  events = new SecondFactorEvents()
  warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
})
afterEach(() => warnings.mockRestore())

/** All that is under way without a timer. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('a listener hears the events of its name, with all their fields', () => {
  const heard: unknown[] = []
  events.on('locked', (event) => heard.push(event))
  events.emit(enabled)
  events.emit(locked)
  expect(heard).toEqual([locked])
})

test("'*' hears all of them", () => {
  const heard: string[] = []
  events.on('*', ({ name }) => heard.push(name))
  events.emit(enabled)
  events.emit(locked)
  expect(heard).toEqual(['enabled', 'locked'])
})

test("the listeners of a name come first, then those of '*', each in the order in which they were added", () => {
  const heard: string[] = []
  events.on('*', () => heard.push('* 1'))
  events.on('enabled', () => heard.push('enabled 1'))
  events.on('*', () => heard.push('* 2'))
  events.on('enabled', () => heard.push('enabled 2'))
  events.emit(enabled)
  expect(heard).toEqual(['enabled 1', 'enabled 2', '* 1', '* 2'])
})

test('listeners are not waited for', () => {
  const later = jest.fn()
  events.on('enabled', () => new Promise(() => {}))
  events.on('enabled', later)
  expect(events.emit(enabled)).toBeUndefined()
  expect(later).toHaveBeenCalledTimes(1)
})

describe('what `on` answers', () => {
  test('stops this listener and no other, and may be called again', () => {
    const [first, second] = [jest.fn(), jest.fn()]
    const off = events.on('enabled', first)
    events.on('enabled', second)
    off()
    off()
    events.emit(enabled)
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1])
  })

  test('stops it for the name that it was added for', () => {
    const heard = jest.fn()
    const off = events.on('enabled', heard)
    events.on('*', heard)
    off()
    events.emit(enabled)
    expect(heard).toHaveBeenCalledTimes(1)
  })

  test('may be called by the listener itself: it hears one event', () => {
    const second = jest.fn()
    const first = jest.fn((): void => off())
    const off: () => void = events.on('enabled', first)
    events.on('enabled', second)
    events.emit(enabled)
    events.emit(enabled)
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 2])
  })
})

test('a listener that adds another at every event: each hears the next event, and there is an end', () => {
  const heard: number[] = []
  const add = (generation: number) => {
    events.on('enabled', () => {
      heard.push(generation)
      if (generation < 100) add(generation + 1)
    })
  }
  add(1)
  events.emit(enabled)
  expect(heard).toEqual([1])
  events.emit(enabled)
  expect(heard).toEqual([1, 1, 2])
})

test.each<[string, () => unknown, string]>([
  [
    'throws',
    () => {
      throw new Error('log is full')
    },
    'A listener of the event enabled failed: log is full',
  ],
  [
    'rejects',
    () => Promise.reject(new Error('log is full')),
    'A listener of the event enabled failed: log is full',
  ],
  [
    'rejects with nothing',
    () => Promise.reject(),
    'A listener of the event enabled failed: not with an Error',
  ],
  [
    'throws what is no text',
    () => {
      throw { message: Symbol() }
    },
    'A listener of the event enabled failed: not with an Error',
  ],
])('a listener that %s is a warning, and the others hear the event', async (_how, fail, warning) => {
  const others = [jest.fn(), jest.fn()]
  events.on('enabled', fail)
  for (const other of others) events.on('enabled', other)
  events.emit(enabled)
  await settled()
  for (const other of others) expect(other).toHaveBeenCalledWith(enabled)
  expect(warnings.mock.calls).toEqual([[warning, { type: 'SecondFactorWarning', code: 'SF_LISTENER' }]])
})

test('a listener that changes its event changes nobody else’s, its dates included', async () => {
  const heard: unknown[] = []
  const original = { ...locked, at: new Date(at), until: new Date(until) }
  events.on('locked', async (event) => {
    event.accountId = 'u-mallory'
    event.at.setTime(0)
    event.until.setTime(0)
    ;(event as { name: string }).name = 'enabled'
    throw new Error('changed')
  })
  events.on('locked', (event) => heard.push(event))
  events.on('*', (event) => heard.push(event))
  events.emit(original)
  await settled()
  expect(heard).toEqual([locked, locked])
  expect(original).toEqual(locked)
  // And the warning tells what it really was.
  expect(warnings.mock.calls[0]?.[0]).toMatch(/event locked/)
})

test('types: `npx tsc` checks them', () => expect(types).toBeInstanceOf(Function))
function types(): void {
  events.on('verified', ({ method, purpose, accountId, at, ip }) => {
    const known: 'totp' | 'backup-code' | 'trusted-device' | 'single-sign-on' = method
    const why: 'login' | 'step-up' | 'enable' | 'disable' | 'administration' = purpose
    return [known, why, accountId.length, at.getTime(), ip?.length]
  })
  events.on('locked', ({ until }) => until.getTime())
  // @ts-expect-error no such event
  events.on('verfied', () => {})
  // @ts-expect-error this one has no end
  events.on('suspended', ({ until }) => until)
  // @ts-expect-error not all events have it
  events.on('*', ({ until }) => until)
  events.on('*', (event) => {
    if (event.name === 'backup-code-used') return event.remaining.toFixed()
    // @ts-expect-error nor do the others
    return event.remaining
  })
  // @ts-expect-error a field is missing
  const incomplete: SecondFactorEvent<'failed'> = { name: 'failed', accountId: 'a', at, method: 'totp' }
  const names: Record<EventName, keyof EventDetails> | null = null
  void [incomplete, names]
}
