// One of several processes of an app, at one SQLite file: logs in a few times, waits for a line on stdin, so
// that all begin together, sends one code from each session at once and prints the statuses.
require('../support/quick-scrypt-process.cjs')
require('../stores/typescript.cjs')
const Module = require('node:module')
const { join } = require('node:path')

const resolve = Module._resolveFilename
Module._resolveFilename = (name, ...rest) =>
  name === 'express-second-factor' ? join(__dirname, '../../lib/index.ts') : resolve(name, ...rest)

// What the support files expect of the test runner.
const endings = []
globalThis.afterAll = (ending) => endings.push(ending)

const Database = require('libsql')
const { SqlStore } = require('../../lib/stores/sql.ts')
const { createTestApp } = require('../support/app.ts')
const { Client } = require('../support/client.ts')
const { Clock } = require('../support/clock.ts')

const [file, time, code, sessions] = process.argv.slice(2)

async function main() {
  const store = new SqlStore(new Database(file, { timeout: 5000 }))
  const { app } = createTestApp({ store, clock: new Clock(Number(time)) })
  const ways = []
  for (let index = 0; index < Number(sessions); index++) {
    const client = new Client(app)
    await client.login()
    const { body } = await client.get('/two-factor/challenge')
    ways.push(() =>
      client.send('POST', '/two-factor/challenge', { code }, { 'x-csrf-token': body.csrfToken }),
    )
  }
  process.stdout.write('ready\n')
  await new Promise((go) => process.stdin.once('data', go))
  process.stdin.pause()
  const answers = await Promise.all(ways.map((way) => way()))
  process.stdout.write(JSON.stringify(answers.map(({ status }) => status)))
  for (const ending of endings) ending()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
