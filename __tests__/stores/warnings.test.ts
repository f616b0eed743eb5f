import { createSecondFactor, MemoryStore, type StoreReport } from 'express-second-factor'
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
