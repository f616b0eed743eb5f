import type { Request } from 'express'
import { ToldOnce } from '../../lib/session/told-once'

const by = (sessionID: string) => ({ sessionID }) as Request

test('each happening of each session in each epoch is told once', () => {
  const told = new ToldOnce()
  expect(told.isFirst(by('s1'), 'challenged', 1)).toBe(true)
  expect(told.isFirst(by('s1'), 'challenged', 1)).toBe(false)
  expect(told.isFirst(by('s2'), 'challenged', 1)).toBe(true)
  expect(told.isFirst(by('s1'), 'policy-held', 1)).toBe(true)
  expect(told.isFirst(by('s1'), 'challenged', 2)).toBe(true)
  expect(told.isFirst(by('s1'), 'challenged', 1)).toBe(false)
  // Another instance's sessions are others.
  expect(new ToldOnce().isFirst(by('s1'), 'challenged', 1)).toBe(true)
})

test('the last 10,000 are remembered, and no more', () => {
  const told = new ToldOnce()
  for (let n = 0; n <= 10_000; n++) told.isFirst(by(`s${n}`), 'verified', 1)
  expect(told.isFirst(by('s1'), 'verified', 1)).toBe(false)
  expect(told.isFirst(by('s0'), 'verified', 1)).toBe(true)
})
