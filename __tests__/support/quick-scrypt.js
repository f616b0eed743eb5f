// Hashes are scrypt's everywhere, but cost next to nothing, or the tests would do little else than hash. What asks for
// the real cost says `jest.unmock('node:crypto')`; processes that tests start pay it, unless they load
// quick-scrypt-process.cjs.
jest.mock('node:crypto', () => {
  const crypto = jest.requireActual('node:crypto')
  return {
    ...crypto,
    scrypt: (text, salt, length, cost, done) => crypto.scrypt(text, salt, length, { ...cost, N: 2 }, done),
  }
})
