import { printable, reasonOf } from '../../lib/cli/words'

describe('why something failed', () => {
  test('is told cause by cause', () => {
    const error = new Error('The store does not answer.', { cause: new Error('connect ECONNREFUSED') })
    expect(reasonOf(error)).toBe('The store does not answer: connect ECONNREFUSED')
  })

  test('is told of an error that is its own cause', () => {
    const error: Error & { cause?: unknown } = new Error('round')
    error.cause = error
    expect(reasonOf(error)).toBe('round')
  })

  test.each([
    ['a number for its message', { message: 5 }],
    ['an object for its message', { message: {} }],
    ['a number for its code', { code: 5 }],
    ['no prototype', Object.create(null)],
    ['null', null],
    [
      'a field that throws',
      new Proxy(
        {},
        {
          get() {
            throw new Error('trap')
          },
        },
      ),
    ],
  ])('is unknown where there is %s', (_what, thrown) => {
    expect(reasonOf(thrown)).toBe('unknown')
  })

  test('is what was thrown, where that is no error', () => {
    expect(reasonOf('away')).toBe('away')
    expect(reasonOf(7)).toBe('7')
  })
})

test('nothing acts on the terminal, and lines stay lines', () => {
  expect(printable('one\n\u001b[31mtwo\u009b0m\u202e')).toBe('one\n [31mtwo 0m ')
})
