import type { AccountStatus, Accounts } from '../../lib/account/accounts'
import { AccountViews } from '../../lib/session/account-views'
import { Clock } from '../support/clock'

const SECONDS = 1000
const off = { epoch: 1, enabled: false, devices: [] }
const on = { epoch: 2, enabled: true, devices: [] }

type Told = { epoch: number; enabled: boolean; devices?: { id: string; label?: string }[] }

/** Accounts whose answers the test gives when it likes. */
function world(revalidateAfter = 60 * SECONDS) {
  const clock = new Clock()
  const asked: ((view: Told) => void)[] = []
  const accounts = {
    status: () => new Promise((resolve) => asked.push((view) => resolve(view as AccountStatus))),
  } as unknown as Accounts
  return { clock, asked, views: new AccountViews(accounts, revalidateAfter, clock.now) }
}

test('nothing is known of an account that was not read', () => {
  expect(world().views.remembered('a', 0)).toBeNull()
})

test('what was read is remembered as long as the option says, not a millisecond longer, and for this account', async () => {
  const { views, clock, asked } = world()
  const reading = views.read('a')
  asked[0]?.(on)
  expect(await reading).toEqual(on)
  clock.time += 60 * SECONDS - 1
  expect(views.remembered('a', 2)).toMatchObject(on)
  expect(views.remembered('b', 2)).toBeNull()
  clock.time += 1
  expect(views.remembered('a', 2)).toBeNull()
})

test('its time counts from the question, not from the answer', async () => {
  const { views, clock, asked } = world()
  const reading = views.read('a')
  clock.forward(59)
  asked[0]?.(on)
  await reading
  expect(views.remembered('a', 2)).toMatchObject(on)
  clock.forward(1)
  expect(views.remembered('a', 2)).toBeNull()
})

test('0: nothing is remembered, not even within the millisecond', () => {
  const { views, clock } = world(0)
  views.note('a', on, clock.now())
  expect(views.remembered('a', 2)).toBeNull()
})

test('a clock that was set back makes nothing remembered for longer', () => {
  const { views, clock } = world()
  views.note('a', on, clock.now())
  clock.forward(-3600)
  expect(views.remembered('a', 2)).toBeNull()
})

test('a session of a newer epoch than what is known forces a read; an older one is known to be old', () => {
  const { views, clock } = world()
  views.note('a', on, clock.now())
  expect(views.remembered('a', 3)).toBeNull()
  expect(views.remembered('a', 2)).toMatchObject(on)
  expect(views.remembered('a', 1)).toMatchObject(on)
})

test('what was forgotten is read anew', () => {
  const { views, clock } = world()
  views.note('a', on, clock.now())
  views.forget('a')
  expect(views.remembered('a', 2)).toBeNull()
})

test('what is read after it was forgotten is remembered', async () => {
  const { views, clock, asked } = world()
  views.forget('a')
  clock.forward(1)
  const reading = views.read('a')
  asked[0]?.(on)
  await reading
  expect(views.remembered('a', 2)).toMatchObject(on)
})

test('of the devices their ids are remembered, and where they are not known, a session of one asks', async () => {
  const { views, clock, asked } = world()
  const reading = views.read('a')
  asked[0]?.({ ...on, devices: [{ id: 'one', label: 'Firefox, Linux' }] })
  await reading
  expect(views.remembered('a', 2, 'one')?.devices).toEqual([{ id: 'one' }])
  views.note('b', { epoch: 2, enabled: true }, clock.now())
  expect(views.remembered('b', 2, 'one')).toBeNull()
  expect(views.remembered('b', 2)).toMatchObject({ epoch: 2 })
})

describe('who asks at the same moment', () => {
  test('has one answer with the others, and who asks afterwards has one of their own', async () => {
    const { views, asked } = world()
    const both = [views.shared('a', 2), views.shared('a', 0)]
    const another = views.shared('b', 0)
    expect(asked).toHaveLength(2)
    asked[0]?.(on)
    asked[1]?.(off)
    expect(await Promise.all(both)).toEqual([on, on])
    expect(await another).toEqual(off)
    views.shared('a', 0)
    expect(asked).toHaveLength(3)
  })

  test('asks again where the session is of a newer epoch than the answer', async () => {
    const { views, asked } = world()
    const both = [views.shared('a', 1), views.shared('a', 2)]
    asked[0]?.(off)
    expect(await both[0]).toEqual(off)
    await new Promise(setImmediate)
    expect(asked).toHaveLength(2)
    asked[1]?.(on)
    expect(await both[1]).toEqual(on)
  })

  test('has no answer of before a write, and the end of that look is not the end of a later one', async () => {
    const { views, clock, asked } = world()
    const before = views.shared('a', 0)
    views.note('a', on, clock.now())
    views.shared('a', 0)
    expect(asked).toHaveLength(2)
    asked[0]?.(off)
    await before
    views.shared('a', 0)
    expect(asked).toHaveLength(2)
  })

  test('nor one of before it was forgotten', () => {
    const { views, asked } = world()
    views.shared('a', 0)
    views.forget('a')
    views.shared('a', 0)
    expect(asked).toHaveLength(2)
  })

  test('has a look of their own where nothing is remembered', () => {
    const { views, asked } = world(0)
    views.shared('a', 0)
    views.shared('a', 0)
    expect(asked).toHaveLength(2)
  })
})

describe('a slow read never covers a newer write', () => {
  test.each([
    ['a second', 1],
    ['no time at all', 0],
  ])('that came %s after it was asked', async (_what, seconds) => {
    const { views, clock, asked } = world()
    const reading = views.read('a')
    clock.forward(seconds)
    views.note('a', on, clock.now())
    asked[0]?.(off)
    expect(await reading).toEqual(off)
    expect(views.remembered('a', 0)).toMatchObject(on)
  })

  test('nor does it cover a read that was asked later and answered sooner', async () => {
    const { views, clock, asked } = world()
    const slow = views.read('a')
    clock.forward(1)
    const quick = views.read('a')
    asked[1]?.(on)
    await quick
    asked[0]?.(off)
    await slow
    expect(views.remembered('a', 0)).toMatchObject(on)
  })

  test('also where both are of one epoch', async () => {
    const { views, clock, asked } = world()
    const slow = views.read('a')
    clock.forward(1)
    const quick = views.read('a')
    asked[1]?.({ ...on, devices: [{ id: 'one' }] })
    await quick
    asked[0]?.(on)
    await slow
    expect(views.remembered('a', 2)?.devices).toEqual([{ id: 'one' }])
  })

  test('nor is a write covered by a read of before it that was asked later than the write was begun', async () => {
    const { views, clock, asked } = world()
    const begun = clock.now()
    clock.forward(1)
    const reading = views.read('a')
    asked[0]?.(off)
    await reading
    views.note('a', on, begun)
    expect(views.remembered('a', 0)).toMatchObject(on)
  })

  test('while an account that another process has forgotten shows when what is known has had its time', async () => {
    const { views, clock, asked } = world()
    views.note('a', on, clock.now())
    clock.forward(60)
    const reading = views.read('a')
    asked[0]?.({ ...off, epoch: 0 })
    await reading
    expect(views.remembered('a', 0)).toMatchObject({ epoch: 0, enabled: false })
  })

  test('nor what was forgotten while it was under way', async () => {
    const { views, asked } = world()
    const reading = views.read('a')
    views.forget('a')
    asked[0]?.(on)
    await reading
    expect(views.remembered('a', 2)).toBeNull()
  })

  test('nor does a write that was begun earlier and told later', () => {
    const { views, clock } = world()
    const begun = clock.now()
    clock.forward(1)
    views.note('a', { epoch: 3, enabled: false }, clock.now())
    views.note('a', on, begun)
    expect(views.remembered('a', 2)).toMatchObject({ epoch: 3, enabled: false })
  })

  test('while a later read covers an older one', async () => {
    const { views, clock, asked } = world()
    views.note('a', off, clock.now())
    clock.forward(1)
    const reading = views.read('a')
    asked[0]?.(on)
    await reading
    expect(views.remembered('a', 0)).toMatchObject(on)
  })
})

test('ten thousand accounts are remembered; the one longest not read gives way to the next', () => {
  const { views, clock } = world()
  for (let number = 0; number < 10_000; number++) views.note(`a${number}`, on, clock.now())
  expect(views.remembered('a0', 0)).not.toBeNull()
  views.note('a0', on, clock.now())
  views.note('one more', on, clock.now())
  expect(views.remembered('a0', 0)).not.toBeNull()
  expect(views.remembered('a1', 0)).toBeNull()
  expect(views.remembered('a2', 0)).not.toBeNull()
  expect(views.remembered('one more', 0)).not.toBeNull()
})
