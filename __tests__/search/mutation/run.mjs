// npm run search mutation: in a copy of the checkout, with Stryker installed beside it, so that neither the checkout
// nor what `npm ci` installs knows of it. SEARCH_GROUPS=gate,rules chooses; see groups.mjs.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { groups, whole } from './groups.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../../..')
const place = mkdtempSync(join(tmpdir(), 'mutation-'))
const tools = join(place, 'tools')
const copy = join(place, 'copy')

try {
  cpSync(join(here, 'package.json'), join(tools, 'package.json'))
  run('npm', ['install', '--no-audit', '--no-fund', '--silent'], tools)
  const left = ['node_modules', '.git', 'dist', 'data', '.stryker-tmp']
  cpSync(root, copy, {
    recursive: true,
    filter: (path) => !left.some((name) => path === join(root, name)),
  })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))

  for (const name of process.env.SEARCH_GROUPS?.split(',') ?? Object.keys(groups)) {
    for (const [file, tests] of Object.entries(groups[name])) change(file, tests, !whole.includes(name))
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ended with ${status}`)
}

function change(file, tests, ignoreStatic) {
  const testMatch = tests.map((test) => `**/__tests__/${test}.test.ts`)
  const jest = `module.exports = { ...require('./jest.config.js'), reporters: undefined, maxWorkers: 1, testTimeout: 60_000, testMatch: ${JSON.stringify(testMatch)} }`
  writeFileSync(join(copy, 'jest.mutation.js'), jest)
  writeFileSync(
    join(copy, 'stryker.conf.json'),
    JSON.stringify({
      testRunner: 'jest',
      plugins: [join(tools, 'node_modules/@stryker-mutator/jest-runner/dist/src/index.js')],
      mutate: [`lib/${file}.ts`],
      inPlace: true,
      ignoreStatic,
      coverageAnalysis: 'perTest',
      concurrency: 1,
      timeoutMS: 10_000,
      allowConsoleColors: false,
      reporters: ['clear-text'],
      clearTextReporter: { allowColor: false, allowEmojis: false, logTests: false, reportTests: false },
      jest: { projectType: 'custom', configFile: 'jest.mutation.js', enableFindRelatedTests: false },
    }),
  )
  console.log(`\n${file}`)
  run(
    'node',
    [join(tools, 'node_modules/@stryker-mutator/core/bin/stryker.js'), 'run', 'stryker.conf.json'],
    copy,
  )
}
