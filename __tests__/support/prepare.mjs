// Brings what the tests need besides npm packages: the compiled package, and programs from Debian where we may.
import { spawnSync } from 'node:child_process'
import { tools } from './tools.js'

const missing = Object.values(tools).filter((tool) => !tool.path())
if (missing.length > 0) {
  const packages = [...new Set(missing.map((tool) => tool.debian))]
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() === 0 && has('apt-get')) {
    console.log(`Installing ${packages.join(', ')} for the tests`)
    spawnSync('sh', ['-c', command], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  }
  const still = missing.filter((tool) => !tool.path()).map((tool) => tool.debian)
  if (still.length > 0) {
    const advice = `Not installed: ${still.join(', ')}. On Debian: sudo sh -c '${command}'`
    if (process.env.CI === 'true') {
      console.error(advice)
      process.exit(1)
    }
    console.warn(`\n*** The tests that need them are SKIPPED. ${advice}\n`)
  }
}

// Chromium without windows does the same at two thirds of the cost. What cannot be had at once is done without.
if (!has('chromium-headless-shell') && process.getuid?.() === 0 && has('apt-get')) {
  const options = '-y --no-install-recommends --no-remove -o Acquire::Retries=0 -o Acquire::http::Timeout=10'
  spawnSync('sh', ['-c', `apt-get install ${options} chromium-headless-shell`], {
    stdio: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}

const build = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
process.exit(build.status ?? 1)

function has(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
}
