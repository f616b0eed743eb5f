const { mkdtempSync, rmSync } = require('node:fs')
const { availableParallelism, tmpdir } = require('node:os')
const { join } = require('node:path')
const { quickDisk } = require('./__tests__/support/quick-disk.js')

// Workers, and the programs that they start, have it from here.
const disk = quickDisk()
if (disk) process.env.TMPDIR ??= disk

// What database servers begin with is made once a run: see support/servers/template.ts.
process.env.TEST_DATA_DIRECTORIES = mkdtempSync(join(tmpdir(), 'data-directories-'))
process.once('exit', () => rmSync(process.env.TEST_DATA_DIRECTORIES, { recursive: true, force: true }))

// Workers begin with these, too. A test makes much that is gone at once: it should not be cleared away too often.
process.execArgv.push('--min-semi-space-size=16', '--max-semi-space-size=64')

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  runtime: '<rootDir>/__tests__/support/quick-runtime.js',
  testSequencer: '<rootDir>/__tests__/support/longest-first.js',
  // More than cores: browsers, servers and processes that tests start keep them waiting.
  maxWorkers: availableParallelism() + 1,
  // A busy machine may take its time.
  testTimeout: 30_000,
  roots: ['<rootDir>/__tests__'],
  testMatch: ['**/*.test.ts'],
  setupFiles: ['<rootDir>/__tests__/support/quick-scrypt.js', '<rootDir>/__tests__/support/short-traces.js'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        // Hundreds of files, which few of the tests ask for anything.
        module: { type: 'commonjs', lazy: ['kysely', 'qrcode'] },
      },
    ],
  },
  reporters: ['default', '<rootDir>/__tests__/support/closing-line.js'],
  moduleNameMapper: {
    '^express-second-factor$': '<rootDir>/lib/index.ts',
    '^express-second-factor/store-conformance$': '<rootDir>/lib/stores/conformance/index.ts',
  },
}
