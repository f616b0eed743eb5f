import { setImmediate as turn } from 'node:timers/promises'
import { Totals } from '../../lib/admin/totals'
import type { DirectoryTotals } from '../../lib/index'
import { Clock } from '../support/clock'

/** A directory whose counts end when the test says so. */
function world() {
  const clock = new Clock()
  const begun: number[] = []
  const ends: ((activated: number) => void)[] = []
  const directory = {
    list: async () => ({ users: [], next: null }),
    totals: () => {
      begun.push(performance.now())
      return new Promise<DirectoryTotals>((resolve) => {
        ends.push((activated) => resolve({ activated, notActivated: 0 }))
      })
    },
  }
  const totals = new Totals(directory, {} as never, clock.now)
  return { clock, totals, begun, ends }
}

/** Time passes for timers and `performance.now()`, and what waits for them goes on. */
const pass = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds)

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] }))
afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

/** Once everything that waits for nothing else has happened. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn()
}

test('they are counted once a minute, however many look', async () => {
  const { clock, totals, begun, ends } = world()
  const first = [totals.read(), totals.read(), totals.read()]
  await settle()
  ends[0]?.(3)
  expect(await Promise.all(first)).toEqual(Array(3).fill({ activated: 3, notActivated: 0 }))
  clock.forward(59)
  expect(await totals.read()).toMatchObject({ activated: 3 })
  expect(begun).toHaveLength(1)
  clock.forward(1)
  await pass(60_000)
  const again = totals.read()
  await settle()
  ends[1]?.(4)
  expect(await again).toMatchObject({ activated: 4 })
})

test('of changes and looks while one counts, one more count comes of it', async () => {
  const { totals, begun, ends } = world()
  const first = totals.read()
  await settle()
  const later: Promise<DirectoryTotals | null>[] = []
  for (let i = 0; i < 20; i++) {
    totals.forget()
    totals.forget()
    later.push(totals.read())
    await settle()
  }
  ends[0]?.(3)
  expect(await first).toMatchObject({ activated: 3 })
  await settle()
  // Not before the floor is over.
  expect(begun).toHaveLength(1)
  await pass(1000)
  expect(begun).toHaveLength(2)
  ends[1]?.(4)
  for (const answer of await Promise.all(later)) expect(answer).toMatchObject({ activated: 4 })
  expect(await totals.read()).toMatchObject({ activated: 4 })
  expect(begun).toHaveLength(2)
})

test('with a change before each of 20 looks, no two counts begin within a second', async () => {
  const { totals, begun, ends } = world()
  for (let i = 0; i < 20; i++) {
    totals.forget()
    let over = false
    const read = totals.read().then((answer) => {
      over = true
      return answer
    })
    while (!over) {
      await settle()
      ends[i]?.(i)
      await settle()
      if (!over) await pass(100)
    }
    expect(await read).toMatchObject({ activated: i })
  }
  const between = begun.slice(1).map((at, i) => at - (begun[i] as number))
  expect(Math.min(...between)).toBeGreaterThanOrEqual(1000)
})

test('a count of 30 seconds keeps nobody waiting, and begins again after five minutes', async () => {
  const { clock, totals, begun, ends } = world()
  const first = totals.read()
  await pass(1500)
  expect(await first).toBeNull()
  await pass(28_500)
  ends[0]?.(3)
  await settle()
  clock.forward(30)
  totals.forget()
  // Old ones at once, rather than none.
  expect(await totals.read()).toMatchObject({ activated: 3 })
  await pass(200_000)
  clock.forward(200)
  expect(await totals.read()).toMatchObject({ activated: 3 })
  expect(begun).toHaveLength(1)
  await pass(70_000)
  clock.forward(70)
  const later = totals.read()
  await settle()
  expect(begun).toHaveLength(2)
  ends[1]?.(4)
  expect(await later).toMatchObject({ activated: 4 })
})

test('a count that fails is told once, shows none, and is no end of counting', async () => {
  const said: string[] = []
  jest.spyOn(process, 'emitWarning').mockImplementation((text) => void said.push(String(text)))
  let fails = true
  const directory = {
    list: async () => ({ users: [], next: null }),
    totals: async () => {
      if (fails) throw new Error('down')
      return { activated: 1, notActivated: 0 }
    },
  }
  const totals = new Totals(directory, {} as never, new Clock().now)
  expect(await totals.read()).toBeNull()
  const second = totals.read()
  await pass(1000)
  expect(await second).toBeNull()
  fails = false
  const again = totals.read()
  await pass(1000)
  expect(await again).toEqual({ activated: 1, notActivated: 0 })
  expect(said).toEqual(['The directory could not count its users: down'])
  // Old ones, rather than none.
  fails = true
  totals.forget()
  const late = totals.read()
  await pass(1000)
  expect(await late).toEqual({ activated: 1, notActivated: 0 })
})
