// One of several processes at one SQLite file: adds to one account's record as often as argv says, and prints how
// many writes it was told had succeeded.
require('./typescript.cjs')
const Database = require('libsql')
const { SqlStore } = require('../../lib/stores/sql.ts')

const [file, timeout, times] = process.argv.slice(2)

async function main() {
  const store = new SqlStore(new Database(file, { timeout: Number(timeout) }))
  let written = 0
  await store.migrate()
  while (written < Number(times)) {
    const record = await store.get('shared')
    const count = record ? Number(record.sealed) : 0
    const version = record?.version ?? 0
    const next = { version: version + 1, activated: true, sealed: String(count + 1) }
    if (await store.compareAndSet('shared', version, next)) written += 1
    else await new Promise(setImmediate)
  }
  process.stdout.write(String(written))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
