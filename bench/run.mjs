// npm run bench: every benchmark, or those that are named: npm run bench -- verify gate --quick
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const all = ['verify', 'gate', 'login', 'growth', 'pages']
/** Only when they are named: one takes its time, the other has a table of its own. */
const named = ['soak', 'attacks']

// npm writes this file last: without it, an installation was interrupted.
if (!existsSync(`${here}node_modules/.package-lock.json`)) {
  console.log('Installing what the benchmarks compare with, into bench/node_modules')
  // Also where NODE_ENV says production.
  const install = ['ci', '--include=dev', '--no-audit', '--no-fund']
  if (spawnSync('npm', install, { cwd: here, stdio: 'inherit' }).status !== 0) process.exit(1)
}

const [...words] = process.argv.slice(2)
const quick = words.includes('--quick')
const chosen = words.filter((word) => [...all, ...named].includes(word))
const count = Number(words.find((word) => /^\d+$/.test(word)) ?? 0)
const only = words.find((word) => /^only=/.test(word))?.slice(5)
const unknown = words.filter((word) => !/^(--quick|only=.*|\d+)$/.test(word) && !chosen.includes(word))
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(', ')}: there are ${[...all, ...named].join(', ')}`)
  process.exit(1)
}

// What was started goes with us: the servers' files end them at exit.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

console.log(
  `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${new Date().toISOString().slice(0, 10)}`,
)
for (const name of chosen.length > 0 ? chosen : all) {
  const { default: run } = await import(`./${name}.mjs`)
  await run({ quick, count, only })
}
