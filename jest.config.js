/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  // Also the browsers and the processes that tests start wait most of the time.
  maxWorkers: '100%',
  roots: ['<rootDir>/__tests__'],
  testMatch: ['**/*.test.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }] },
  reporters: ['default', '<rootDir>/__tests__/support/closing-line.js'],
  moduleNameMapper: {
    '^express-second-factor$': '<rootDir>/lib/index.ts',
    '^express-second-factor/store-conformance$': '<rootDir>/lib/stores/conformance/index.ts',
  },
}
