import { MemoryStore } from 'express-second-factor'
import { isSamePlace, notePlace, noteSamePlace } from '../../lib/stores/place'
import type { SqlDatabase } from '../../lib/stores/sql/connect'
import { placeOf } from '../../lib/stores/sql/place-of'

const at = {}

test.each<[{ at: object; name: string }, { at: object; name: string }, boolean, boolean]>([
  // One name, of tables and of keys' beginnings.
  [{ at, name: 'a:' }, { at, name: 'a:' }, true, true],
  [{ at, name: 'a:' }, { at: {}, name: 'a:' }, false, false],
  [{ at, name: 'a:' }, { at, name: 'b:' }, false, false],
  [{ at, name: 'a:' }, { at, name: 'a:b:' }, false, true],
  [{ at, name: 'a:b:' }, { at, name: 'a:' }, false, true],
  [{ at, name: 'b:a:' }, { at, name: 'a:' }, false, false],
])('%p and %p: one place as tables %p, as keys %p', (a, b, asTables, asKeys) => {
  const [one, other] = [new MemoryStore(), new MemoryStore()]
  for (const prefixes of [false, true]) {
    notePlace(one, { ...a, prefixes })
    notePlace(other, { ...b, prefixes })
    expect(isSamePlace(one, other)).toBe(prefixes ? asKeys : asTables)
    expect(isSamePlace(other, one)).toBe(prefixes ? asKeys : asTables)
  }
})

test('a store is where it is itself, and where the one is that it hands on to', () => {
  const [one, other, third] = [new MemoryStore(), new MemoryStore(), new MemoryStore()]
  expect([isSamePlace(one, one), isSamePlace(one, other)]).toEqual([true, false])
  notePlace(one, { at, name: 'a', prefixes: false })
  expect([isSamePlace(one, other), isSamePlace(other, one)]).toEqual([false, false])
  noteSamePlace(other, one)
  expect(isSamePlace(one, other)).toBe(true)
  noteSamePlace(other, third)
  expect(isSamePlace(one, other)).toBe(true)
})

test('where a table is: SQLite does not tell names by their case, and mysql2 wraps its pool', () => {
  const pool = {}
  const database = { pool } as unknown as SqlDatabase
  const place = { prefixes: false }
  expect(placeOf(database, 'Main.Factors', 'sqlite')).toEqual({ ...place, at: database, name: 'factors' })
  expect(placeOf(database, 'domain.factors', 'sqlite').name).toBe('domain.factors')
  expect(placeOf(database, 'Main.Factors', 'postgres')).toEqual({
    ...place,
    at: database,
    name: 'Main.Factors',
  })
  expect(placeOf(database, 'factors', 'postgres').at).toBe(database)
  expect(placeOf(database, 'factors', 'mysql').at).toBe(pool)
  const bare = {} as unknown as SqlDatabase
  expect(placeOf(bare, 'factors', 'mysql').at).toBe(bare)
})
