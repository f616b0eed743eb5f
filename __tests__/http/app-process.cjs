// One of several processes of an app: its factors in a place that all of them open, its sessions in a Redis that they
// share. Told the time, it goes by that.
require('../support/quick-scrypt-process.cjs')
require('../stores/typescript.cjs')
const Module = require('node:module')
const { join } = require('node:path')

const resolve = Module._resolveFilename
Module._resolveFilename = (name, ...rest) =>
  name === 'express-second-factor' ? join(__dirname, '../../lib/index.ts') : resolve(name, ...rest)

const { RedisStore } = require('connect-redis')
const { Redis } = require('ioredis')
const { createTestApp } = require('../support/app.ts')
const { Clock } = require('../support/clock.ts')
const { openStore } = require('../support/stores.ts')

const [factors, sessions, time] = process.argv.slice(2)
const clock = new Clock(Number(time))
const { store } = openStore(factors)
const reads = { count: 0 }
const { get } = store
store.get = (accountId) => {
  reads.count++
  return get.call(store, accountId)
}

const { app, secondFactor } = createTestApp({
  clock,
  store,
  sessionStore: new RedisStore({ client: new Redis(sessions) }),
  secondFactor: { trustedDevices: { maxAge: '30d' }, storeTimeout: '30s' },
  routes: (host) => {
    host.get('/factor', (req, res) => {
      res.json(req.secondFactor)
    })
  },
})
const events = []
secondFactor.events.on('*', ({ name, accountId }) => events.push(`${accountId} ${name}`))

process.on('message', ({ ask, ...input }) => {
  if (ask === 'time') clock.time = input.time
  process.send({ answer: ask, events: ask === 'events' ? events.splice(0) : [], reads: reads.count })
})
const server = app.listen(0, '127.0.0.1', () => {
  process.send({ answer: 'listening', url: `http://127.0.0.1:${server.address().port}` })
})
