// npm run search [name…]: the searches at length. A seed of its own each time, so that every run looks elsewhere;
// SEARCH_SEED and SEARCH_RUNS say otherwise. `npm run search mutation` is another kind: see mutation/run.mjs.
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'

// Of fuzz as many again: on Express 4 and on 5.
const lengths = { model: 5000, 'http-model': 100, fuzz: 52_000 }
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in lengths) && name !== 'mutation')
if (unknown.length > 0) {
  console.error(`There is no search of ${unknown.join(', ')}: ${Object.keys(lengths).join(', ')}, mutation`)
  process.exit(1)
}

let failed = false
const seed = process.env.SEARCH_SEED ?? String(randomInt(2 ** 31))
for (const name of wanted.length > 0 ? wanted : Object.keys(lengths)) {
  failed ||= (name === 'mutation' ? mutation() : search(name)) !== 0
}
process.exit(failed ? 1 : 0)

function search(name) {
  const runs = process.env.SEARCH_RUNS ?? String(lengths[name])
  console.log(`${name}: SEARCH_SEED=${seed} SEARCH_RUNS=${runs}`)
  const env = { ...process.env, SEARCH_SEED: seed, SEARCH_RUNS: runs }
  return spawnSync('npx', ['jest', `__tests__/search/${name}.test.ts`], { stdio: 'inherit', env }).status
}

/** By the environment as it is: a search among its tests is to be the same each time. */
function mutation() {
  return spawnSync('node', ['__tests__/search/mutation/run.mjs'], { stdio: 'inherit' }).status
}
