import { UnavailableError } from '../lib/errors'
import { unfailing, warnOnceAMinute } from '../lib/tell-unavailable'

let warned: jest.SpiedFunction<typeof process.emitWarning>
let time = 0
beforeEach(() => {
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  jest.spyOn(performance, 'now').mockImplementation(() => time)
})
afterEach(() => jest.restoreAllMocks())

const said = () => warned.mock.calls.map(([text]) => text)

test('each cause once a minute, whatever the account', () => {
  const tell = warnOnceAMinute()
  const about = (accountId: string | null, why: string) =>
    Object.assign(new UnavailableError('The store is away', { cause: new Error(why) }), { accountId })
  tell(about('alice', 'refused'))
  tell(about('bob', 'refused'))
  tell(about(null, 'reset'))
  time += 59_999
  tell(about('bob', 'refused'))
  expect(warned.mock.calls).toEqual([
    ['The store is away: refused (account "alice")', { type: 'SecondFactorWarning', code: 'SF_UNAVAILABLE' }],
    ['The store is away: reset', { type: 'SecondFactorWarning', code: 'SF_UNAVAILABLE' }],
  ])
  time += 1
  tell(about('bob', 'refused'))
  expect(said().slice(2)).toEqual(['The store is away: refused (account "bob")'])
})

test('a hundred causes a minute at most', () => {
  const tell = warnOnceAMinute()
  for (let i = 0; i < 150; i++) tell(new UnavailableError(`Cause ${i}`))
  expect(said()).toEqual(Array.from({ length: 100 }, (_, i) => `Cause ${i}`))
})

test.each([
  [
    'throws',
    () => {
      throw new Error('log is full')
    },
  ],
  ['rejects', () => Promise.reject(new Error('log is full'))],
])("an onUnavailable of the host's that %s is a warning", async (_how, onUnavailable) => {
  await unfailing(onUnavailable)(new UnavailableError('The store is away'))
  expect(warned.mock.calls).toEqual([
    ['Option onUnavailable failed: log is full', { type: 'SecondFactorWarning', code: 'SF_ON_UNAVAILABLE' }],
  ])
})
