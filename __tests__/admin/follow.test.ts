import { follow } from '../../lib/admin/follow'
import type { Totals } from '../../lib/admin/totals'
import { type SecondFactorEvent, SecondFactorEvents } from '../../lib/events/events'
import type { UserDirectory } from '../../lib/index'

const list = async () => ({ users: [], next: null })

function world(note?: UserDirectory['note']) {
  const events = new SecondFactorEvents()
  let changes = 0
  const totals = { forget: () => void changes++ } as unknown as Totals
  const followed = follow(events, { list, ...(note && { note }) }, totals)
  const happens = (name: 'enabled' | 'reset' | 'verified', accountId = 'u-bob') =>
    events.emit({ name, accountId, at: new Date(0) } as SecondFactorEvent)
  return { ...followed, happens, changes: () => changes }
}

test('what happens to an account is told in its order, and waited for by who asks', async () => {
  const told: [string, boolean][] = []
  const ends: (() => void)[] = []
  const { settled, happens, changes } = world(async (id, activated) => {
    await new Promise<void>((resolve) => ends.push(resolve))
    told.push([id, activated])
  })
  happens('verified')
  await settled('u-bob')
  happens('reset')
  happens('enabled')
  happens('enabled', 'u-carol')
  let over = false
  const waiting = settled('u-bob').then(() => {
    over = true
  })
  await Promise.resolve()
  expect(over).toBe(false)
  // Carol's does not wait for Bob's, and Bob's second one does for his first.
  expect(ends).toHaveLength(2)
  for (const end of ends.splice(0)) end()
  await settled('u-carol')
  while (ends.length === 0) await Promise.resolve()
  ends[0]?.()
  await waiting
  expect(told).toEqual([
    ['u-bob', false],
    ['u-carol', true],
    ['u-bob', true],
  ])
  // Once for each.
  expect(changes()).toBe(3)
})

test.each<[string, () => Promise<void> | void]>([
  ['answers nothing', () => {}],
  [
    'throws',
    () => {
      throw new Error('away')
    },
  ],
  ['rejects', () => Promise.reject(new Error('away'))],
])('a directory that %s is no error of who waits', async (_, note) => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { settled, happens, changes } = world(note)
  happens('reset')
  await settled('u-bob')
  expect(changes()).toBe(1)
  expect(warned).toHaveBeenCalledTimes(note.toString().includes('away') ? 1 : 0)
  warned.mockRestore()
})

test('a directory that keeps nothing counts anew', async () => {
  const { settled, happens, changes } = world()
  happens('enabled')
  await settled('u-bob')
  expect(changes()).toBe(1)
})
