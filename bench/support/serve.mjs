import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { getHeapSnapshot } from 'node:v8'

/** The other end of `startApp`: what an app was started with, and how it is served. */
export const options = JSON.parse(process.argv[2] ?? '{}')

/** Counts of whatever an app counts: its stores' operations. */
export const counts = {}

export function count(name) {
  counts[name] = (counts[name] ?? 0) + 1
}

/** The same object, with calls of these methods counted. */
export function counted(object, prefix, methods) {
  for (const method of methods) {
    const original = object[method]
    if (!original) continue
    object[method] = function (...args) {
      count(`${prefix} ${method}`)
      return original.apply(this, args)
    }
  }
  return object
}

let profiler

// Also before it listens: whoever started it is gone.
process.once('disconnect', () => process.exit(0))

const common = {
  /** CPU so far, microseconds, and counts so far. */
  figures() {
    const { user, system } = process.cpuUsage()
    return { cpu: user + system, counts: { ...counts } }
  },
  heap() {
    globalThis.gc?.()
    return process.memoryUsage()
  },
  async profile() {
    profiler = new Session()
    profiler.connect()
    await profiler.post('Profiler.enable')
    await profiler.post('Profiler.setSamplingInterval', { interval: 200 })
    await profiler.post('Profiler.start')
  },
  /** For Chromium's DevTools. */
  async profileTo(file) {
    const { profile } = await profiler.post('Profiler.stop')
    profiler.disconnect()
    writeFileSync(file, JSON.stringify(profile))
  },
  /** A heap snapshot, summed up: class -> { count, size in bytes }. */
  async classes() {
    globalThis.gc?.()
    const chunks = []
    for await (const chunk of getHeapSnapshot()) chunks.push(chunk)
    return sumUp(JSON.parse(Buffer.concat(chunks).toString()))
  },
}

/** Listens, and answers what the process that started it asks for. */
export function serve(app, calls = {}) {
  const all = { ...common, ...calls }
  const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
  // A contender waits while the others have their turn.
  server.keepAliveTimeout = 600_000
  process.on('message', async ({ id, what, args }) => {
    try {
      process.send({ id, answer: (await all[what](...args)) ?? null })
    } catch (error) {
      process.send({ id, error: String(error?.stack ?? error) })
    }
  })
}

function sumUp({ snapshot, nodes, strings }) {
  const { node_fields: fields, node_types: types } = snapshot.meta
  const at = (name) => fields.indexOf(name)
  const classes = {}
  for (let n = 0; n < nodes.length; n += fields.length) {
    const type = types[0][nodes[n + at('type')]]
    const name = type === 'object' || type === 'closure' ? strings[nodes[n + at('name')]] : `(${type})`
    classes[name] ??= { count: 0, size: 0 }
    classes[name].count++
    classes[name].size += nodes[n + at('self_size')]
  }
  return classes
}
