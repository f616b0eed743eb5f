// Jest loads every module anew for each change, which takes seconds; Mocha loads them once, and a change costs what its
// tests do. So the tests run under Mocha here, with the words of Jest that they use.
const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { basename, join } = require('node:path')
const crypto = require('node:crypto')
const swc = require('@swc/core')
const { bind } = require('jest-each')
const { ModuleMocker } = require('jest-mock')

const root = process.cwd()
// By it each worker has ports of its own.
process.env.JEST_WORKER_ID ??= String(Number(process.env.STRYKER_MUTATOR_WORKER ?? 0) + 1)
const { transform, moduleNameMapper } = require(join(root, 'jest.config.js'))
const [[, options]] = Object.values(transform)

require.extensions['.ts'] = (module, filename) => {
  const { code } = swc.transformSync(readFileSync(filename, 'utf8'), { ...options, filename, swcrc: false })
  // What a file of tests does before and after each concerns its own alone.
  const test = filename.endsWith('.test.ts')
  if (test) patience = PATIENCE
  module._compile(
    test ? `describe(${JSON.stringify(basename(filename))}, () => {${code}\n})` : code,
    filename,
  )
}

const names = Object.entries(moduleNameMapper).map(([pattern, path]) => [new RegExp(pattern), path])
const resolve = Module._resolveFilename
Module._resolveFilename = function resolveFilename(request, ...rest) {
  const [, path] = names.find(([pattern]) => pattern.test(request)) ?? []
  return resolve.call(this, path?.replace('<rootDir>', root) ?? request, ...rest)
}

// As support/quick-scrypt.js.
const { scrypt } = crypto
crypto.scrypt = (text, salt, length, cost, done) => scrypt(text, salt, length, { ...cost, N: 2 }, done)
Error.stackTraceLimit = 10

const mocker = new ModuleMocker(globalThis)
/** A change that makes a test wait for ever is noticed by then, in milliseconds; of files that say that they are slow: */
const PATIENCE = 5_000
const SLOW = 20_000
let patience
/** Mocha's own, which it sets as it begins: under our names it finds ours in their place. */
const mochas = {}
// Mocha takes a function with a parameter for one that calls back.
const hook = (name) => (run) =>
  mochas[name](function start() {
    this.timeout(0)
    return run()
  })
const test = (name, run) => mochas.it(name, () => run()).timeout(patience)
// One Express is enough here, and half the time.
const describe = (name, body) => name !== 'Express 4' && mochas.describe(name, () => void body())

const words = {
  describe: Object.assign(describe, {
    each: bind(describe, false),
    skip: (...parts) => mochas.describe.skip(...parts),
  }),
  it: Object.assign(test, { each: bind(test, false), skip: (...parts) => mochas.it.skip(...parts) }),
  beforeEach: hook('beforeEach'),
  afterEach: hook('afterEach'),
  before: hook('before'),
  after: hook('after'),
}
for (const [name, ours] of Object.entries(words)) {
  Object.defineProperty(globalThis, name, {
    get: () => ours,
    set(its) {
      mochas[name] = its
    },
  })
}
Object.assign(globalThis, {
  test,
  beforeAll: words.before,
  afterAll: words.after,
  expect: require('expect').expect,
  jest: {
    fn: mocker.fn.bind(mocker),
    spyOn: mocker.spyOn.bind(mocker),
    restoreAllMocks: mocker.restoreAllMocks.bind(mocker),
    setTimeout() {
      patience = SLOW
    },
  },
})
