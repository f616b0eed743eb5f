import { DamagedRowError, inPlaceOfDamaged, tellsOfDamage } from '../../lib/stores/damaged'
import { rowsOf } from '../../lib/stores/rows'
import { assertStorable } from '../../lib/stores/storable'
import type { SecondFactorStore, StoredRecord } from '../../lib/stores/store'

/** What no key opens and no write expects. */
const IN_PLACE = { version: 0, activated: false, sealed: '' }
const rowOf = (accountId: string): StoredRecord => ({ version: 1, activated: true, sealed: accountId })

describe('the rows of several accounts', () => {
  const store = (get: SecondFactorStore['get']) => ({ get, compareAndSet: async () => false })

  test('come in the order of the ids from a store that answers one at a time', async () => {
    const rows = await rowsOf(
      store(async (id) => (id === 'b' ? null : rowOf(id))),
      ['c', 'b', 'a'],
    )
    expect(rows).toEqual([rowOf('c'), null, rowOf('a')])
  })

  test('come of one question where the store can', async () => {
    const get = jest.fn()
    const getMany = async (ids: readonly string[]) => ids.map(rowOf)
    expect(await rowsOf({ ...store(get), getMany }, ['c', 'a'])).toEqual([rowOf('c'), rowOf('a')])
    expect(get).not.toHaveBeenCalled()
  })

  test('have something that does not open in the place of a damaged one', async () => {
    const wrapped = new Error('of a store around it', { cause: new DamagedRowError('no number') })
    const rows = await rowsOf(
      store((id) => (id === 'b' ? Promise.reject(wrapped) : Promise.resolve(rowOf(id)))),
      ['a', 'b'],
    )
    expect(rows).toEqual([rowOf('a'), IN_PLACE])
  })

  test('are none where the store fails otherwise', async () => {
    const away = new Error('away')
    await expect(
      rowsOf(
        store(() => Promise.reject(away)),
        ['a'],
      ),
    ).rejects.toBe(away)
  })
})

describe('a damaged row', () => {
  const copied = Object.assign(new TypeError('no number'), { name: 'DamagedRowError' })
  const circular = new Error('its own cause')
  circular.cause = circular

  test('is told by its name, also by a copy of this package, and as a cause', () => {
    for (const error of [new DamagedRowError('no number'), copied, new Error('query', { cause: copied })])
      expect(tellsOfDamage(error)).toBe(true)
    for (const error of [
      new TypeError('no number'),
      new Error('', { cause: 'DamagedRowError' }),
      circular,
      null,
      undefined,
    ])
      expect(tellsOfDamage(error)).toBe(false)
  })

  test('is replaced in a list, and another error is not', () => {
    for (const error of [new DamagedRowError('no number'), copied, new Error('query', { cause: copied })])
      expect(inPlaceOfDamaged(error)).toEqual(IN_PLACE)
    const other = new Error('away')
    expect(() => inPlaceOfDamaged(other)).toThrow(other)
  })
})

test.each(['a\0b', '\0', '\ud83d', '\ude00a', 'a\ud83d\ud83d\ude00'])('%j cannot be stored', (accountId) => {
  expect(() => assertStorable(accountId)).toThrow(TypeError)
  expect(() => assertStorable(accountId)).toThrow('NUL or half a surrogate pair')
})

test.each(['', 'a', 'ä', '\u{1f600}', '\ufffd'])('%j can be stored', (accountId) => {
  expect(() => assertStorable(accountId)).not.toThrow()
})
