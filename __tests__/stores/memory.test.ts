describe('MemoryStore in production', () => {
  const before = process.env.NODE_ENV
  afterEach(() => {
    process.env.NODE_ENV = before
    jest.restoreAllMocks()
    jest.resetModules()
  })

  test.each([
    ['production', 1],
    ['development', 0],
  ])('%s: %i warning', (environment, times) => {
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    process.env.NODE_ENV = environment
    const { MemoryStore } = require('../../lib/stores/memory')
    new MemoryStore()
    new MemoryStore()
    expect(emitWarning).toHaveBeenCalledTimes(times)
    if (times) {
      expect(emitWarning).toHaveBeenCalledWith(
        expect.stringMatching(/lost at every restart and not shared between processes.*such as SqlStore/),
        { type: 'SecondFactorWarning', code: 'SF_MEMORY_STORE' },
      )
    }
  })
})
