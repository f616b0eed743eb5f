import { createSecondFactor, MemoryStore, type StoreReport } from 'express-second-factor'
import { warnOfStore } from '../../lib/stores/warnings'
import { KEY } from '../support/app'

afterEach(() => jest.restoreAllMocks())

/** The warnings of the process when an app with this store starts. */
async function warningsOf(inspect: () => Promise<StoreReport>): Promise<unknown[]> {
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const store = Object.assign(new MemoryStore(), { inspect })
  createSecondFactor({ issuer: 'Acme', account: () => ({ id: 1 }), keys: [KEY], store })
  await new Promise(setImmediate)
  return emitWarning.mock.calls.map(([text, options]) => [text, (options as { code: string }).code])
}

test('what a store says of itself at the start is a warning each', async () => {
  const inspect = async () => ({ clock: null, warnings: ['It evicts.', 'It forgets.'] })
  expect(await warningsOf(inspect)).toEqual([
    ['It evicts.', 'SF_STORE_WARNING'],
    ['It forgets.', 'SF_STORE_WARNING'],
  ])
})

test('a store that cannot say is told of, and is no reason not to start', async () => {
  const rejects = () => Promise.reject(new Error('connection refused'))
  const throws = () => {
    throw new Error('connection refused')
  }
  for (const inspect of [rejects, throws]) {
    expect(await warningsOf(inspect)).toEqual([
      [
        expect.stringMatching(/could not be asked.*connection refused.*only at its next start.*doctor/),
        'SF_STORE_WARNING',
      ],
    ])
    jest.restoreAllMocks()
  }
})

test('nor is one that never answers', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] })
  try {
    const warnings = await warningsOf(() => new Promise(() => {}))
    expect(warnings).toEqual([])
    await jest.advanceTimersByTimeAsync(30_000)
  } finally {
    jest.useRealTimers()
  }
  const [[text, options] = []] = jest.mocked(process.emitWarning).mock.calls as unknown[][]
  expect([text, options]).toEqual([
    expect.stringMatching(/could not be asked.*has not answered in time/),
    { type: 'SecondFactorWarning', code: 'SF_STORE_WARNING' },
  ])
})

test('a store without complaints is silent', async () => {
  expect(await warningsOf(async () => ({ clock: 0, warnings: [] }))).toEqual([])
})

test('nor is anything said of a store that has no inspect(), or one that tells nothing', async () => {
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const rows = { get: async () => null, compareAndSet: async () => true }
  await warnOfStore(rows)
  for (const report of [undefined, null, {}])
    await warnOfStore({ ...rows, inspect: async () => report as unknown as StoreReport })
  expect(emitWarning).not.toHaveBeenCalled()
  await warnOfStore({ ...rows, inspect: () => Promise.reject(null) })
  expect(emitWarning).toHaveBeenCalledTimes(1)
})

test('of the store of option recovery it is said that it is that one, and the command line is no advice', async () => {
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const rows = { get: async () => null, compareAndSet: async () => true }
  await warnOfStore(
    { ...rows, inspect: async () => ({ clock: null, warnings: ['It evicts.'] }) },
    'recovery.store',
  )
  await warnOfStore({ ...rows, inspect: () => Promise.reject(new Error('refused')) }, 'recovery.store')
  const [evicts, refused] = emitWarning.mock.calls.map(([text]) => String(text))
  expect(evicts).toBe('Option recovery.store: It evicts.')
  expect(refused).toMatch(
    /^Option recovery\.store: This store could not be asked.*refused.*start the app again\.$/,
  )
  expect(refused).not.toMatch(/doctor|factor store/)
})
