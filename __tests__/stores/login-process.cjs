// One of several processes of an app at one store. Told which, it brings each account to where only the code is
// missing; told the codes, it submits all of them at once and tells of each answer as it comes.
require('./typescript.cjs')
const Module = require('node:module')
const { join } = require('node:path')

const resolve = Module._resolveFilename
Module._resolveFilename = (name, ...rest) =>
  name === 'express-second-factor' ? join(__dirname, '../../lib/index.ts') : resolve(name, ...rest)

// What the support files expect of the test runner.
globalThis.afterEach = () => {}

const { createTestApp } = require('../support/app.ts')
const { PASSWORD } = require('../support/app.ts')
const { keptAgent, QuickClient } = require('../support/quick-client.ts')
const { Clock } = require('../support/clock.ts')
const { addMembers } = require('../support/crowd.ts')
const { openStore } = require('../support/stores.ts')

const agent = keptAgent()
const usernames = addMembers(Number(process.argv[2]))
const open = new Map()
let ways = new Map()

/** The app at a store, listening. */
async function serverOf(url, time) {
  if (!open.has(url)) {
    const clock = new Clock()
    const { app } = createTestApp({
      store: openStore(url).store,
      clock,
      secondFactor: { storeTimeout: '30s' },
    })
    const server = app.listen(0, '127.0.0.1')
    // However long a busy machine leaves them alone: a connection that ends as it is used would be an error.
    server.keepAliveTimeout = 0
    await new Promise((listening) => server.once('listening', listening))
    open.set(url, { clock, server })
  }
  const { clock, server } = open.get(url)
  clock.time = time
  return server
}

const steps = {
  /** So many log in with the password. */
  async begin({ url, time, accounts }) {
    const server = await serverOf(url, time)
    ways = new Map()
    await inTurns(usernames.slice(0, accounts), 10, async (username) => {
      const client = new QuickClient(server.address().port, agent)
      const { body } = await client.post('/login', { username, password: PASSWORD })
      const header = { 'x-csrf-token': body.csrfToken }
      ways.set(username, (code) => client.post('/two-factor/challenge', { code }, header))
    })
    process.send({ begun: true })
  },
  /** They send their codes. `lives`: for so many answers, and then it is killed with the others on their way. */
  async submit({ codes, lives }) {
    let answers = 0
    await inTurns([...ways], 50, async ([username, send]) => {
      const { status } = await send(codes[username])
      process.send({ username, status })
      // By itself: whoever reads what it says may be far behind.
      if (++answers === lives) process.kill(process.pid, 'SIGKILL')
    })
    process.send({ ended: true })
  },
}

async function inTurns(items, width, work) {
  const queue = [...items]
  const workers = Array.from({ length: width }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  })
  await Promise.all(workers)
}

process.on('message', ({ step, ...input }) => {
  steps[step](input).catch((error) => {
    console.error(error)
    process.exit(1)
  })
})
process.send({ up: true })
