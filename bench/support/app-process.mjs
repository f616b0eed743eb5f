import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const running = new Set()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * An app of bench/apps in a process of its own, so that its CPU is its own and the load is not counted with it.
 *
 * @param name the file in bench/apps
 * @param options what it is started with; `execArgv` and `env` are the process's
 */
export async function startApp(name, { execArgv = [], env = {}, ...options } = {}) {
  const file = fileURLToPath(new URL(`../apps/${name}.mjs`, import.meta.url))
  const child = fork(file, [JSON.stringify(options)], {
    execArgv,
    env: { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  running.add(child)
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-4000)
  })
  child.once('exit', () => running.delete(child))
  child.once('exit', (code, signal) => {
    if (code || signal) console.error(`${name} ended with ${code ?? signal}:\n${said}`)
  })
  const asked = new Map()
  let last = 0
  const settle = (id, how, value) => {
    const waiting = asked.get(id)
    asked.delete(id)
    waiting?.[how](value)
  }
  // Nobody answers any more.
  child.once('exit', (code, signal) => {
    const error = new Error(`${name} ended with ${code ?? signal} while it was asked:\n${said}`)
    for (const id of [...asked.keys()]) settle(id, 'reject', error)
  })
  const started = new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${said}`)))
    child.on('message', (message) => {
      if (message.port) return resolve(message.port)
      if ('error' in message) settle(message.id, 'reject', new Error(message.error))
      else settle(message.id, 'resolve', message.answer)
    })
  })
  const port = await started
  return {
    port,
    pid: child.pid,
    /** Calls one of the functions that the app has handed to `serve`. */
    ask(what, ...args) {
      const id = ++last
      return new Promise((resolve, reject) => {
        asked.set(id, { resolve, reject })
        child.send({ id, what, args }, (error) => error && settle(id, 'reject', error))
      })
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}
