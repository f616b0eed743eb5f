import { integer, text, toAccountId, toRecord } from '../../lib/stores/sql/row'

const sealed = 'sealed'

test.each<[unknown, boolean, number | null]>([
  [7, false, 7],
  [7, true, 7],
  [7n, false, 7],
  [7n, true, 7],
  ['7', true, 7],
  ['7', false, null],
  ['7x', true, null],
  ['x7', true, null],
  ['', true, null],
  [1.5, true, null],
  ['9007199254740993', true, null],
  [null, true, null],
])('an integer that is handed out as %p (as text: %p) is %p', (given, asText, value) => {
  const read = () => integer({ version: given }, 'version', asText)
  if (value === null) expect(read).toThrow('version is no integer')
  else expect(read()).toBe(value)
})

test.each<[number, number, boolean]>([
  [1, 0, true],
  [1, 1, true],
  [0, 0, false],
  [-1, 0, false],
  [1, 2, false],
  [1, -1, false],
])('version %p, activated %p: a record %p', (version, activated, is) => {
  const read = () => toRecord({ version, activated, sealed }, false)
  if (is) expect(read()).toEqual({ version, activated: activated === 1, sealed })
  else expect(read).toThrow('version or activated out of range')
})

test('an id is text or bytes, and anything else is damage', () => {
  expect([toAccountId({ account_id: 'ä' }), toAccountId({ account_id: Buffer.from('ä') })]).toEqual([
    'ä',
    'ä',
  ])
  expect(() => toAccountId({ account_id: 7 as unknown as string })).toThrow('account_id is no text')
  expect(() => text({ sealed: null }, 'sealed')).toThrow('sealed is no text')
})
