// npm run search mutation: in a copy of the checkout, with Stryker installed above it, so that neither the checkout
// nor what `npm ci` installs knows of it. SEARCH_GROUPS=gate,rules chooses; see groups.mjs.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { groups, whole } from './groups.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../../..')
const place = mkdtempSync(join(tmpdir(), 'mutation-'))
const copy = join(place, 'copy')
/** What only Jest can do for a test file: modules in the place of others, time that is moved. */
const needsJest = /jest\.(mock|unmock|doMock|resetModules|isolateModules|useFakeTimers)\(/

try {
  const chosen = process.env.SEARCH_GROUPS?.split(',') ?? Object.keys(groups)
  for (const name of chosen) {
    if (!groups[name]) throw new Error(`No group ${name}: there are ${Object.keys(groups).join(', ')}`)
  }
  cpSync(join(here, 'package.json'), join(place, 'package.json'))
  run('npm', ['install', '--no-audit', '--no-fund', '--silent'], place)
  const left = ['node_modules', '.git', 'dist', 'data', 'bench/node_modules', '.stryker-tmp']
  cpSync(root, copy, { recursive: true, filter: (path) => !left.some((name) => path === join(root, name)) })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  run('npm', ['run', '--silent', 'build'], copy)
  for (const name of chosen) for (const part of groups[name]) change(part, !whole.includes(name))
} finally {
  rmSync(place, { recursive: true, force: true })
}

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ended with ${status}`)
}

function change({ files, tests, concurrency = availableParallelism() }, ignoreStatic) {
  const paths = tests.map((test) => `__tests__/${test}.test.ts`)
  const jest = paths.some((path) => needsJest.test(readFileSync(join(root, path), 'utf8')))
  console.log(`\n${files.join(', ')}`)
  writeFileSync(
    join(copy, 'stryker.conf.json'),
    JSON.stringify({
      ...(jest ? underJest(paths) : underMocha(paths)),
      mutate: files.map((file) => `lib/${file}.ts`),
      inPlace: true,
      ignoreStatic,
      coverageAnalysis: 'perTest',
      concurrency,
      timeoutMS: 10_000,
      allowConsoleColors: false,
      reporters: ['clear-text'],
      clearTextReporter: { allowColor: false, allowEmojis: false, logTests: false, reportTests: false },
    }),
  )
  run('node', [tool('core/bin/stryker.js'), 'run', 'stryker.conf.json'], copy)
}

function underMocha(spec) {
  return {
    testRunner: 'mocha',
    plugins: [tool('mocha-runner/dist/src/index.js')],
    mochaOptions: {
      require: ['./__tests__/search/mutation/under-mocha.cjs'],
      spec,
      'no-config': true,
      'no-package': true,
    },
  }
}

function underJest(paths) {
  const config = {
    reporters: ['default'],
    maxWorkers: 1,
    testTimeout: 60_000,
    testMatch: paths.map((path) => `**/${path}`),
  }
  writeFileSync(
    join(copy, 'jest.mutation.js'),
    `module.exports = { ...require('./jest.config.js'), ...${JSON.stringify(config)} }`,
  )
  return {
    testRunner: 'jest',
    plugins: [tool('jest-runner/dist/src/index.js')],
    jest: { projectType: 'custom', configFile: 'jest.mutation.js', enableFindRelatedTests: false },
  }
}

function tool(path) {
  return join(place, 'node_modules/@stryker-mutator', path)
}
