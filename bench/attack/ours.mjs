// The example app of this repository, as `npm start` runs it: two processes at one SQLite file.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { codeOf, fromBase32 } from '../support/codes.mjs'
import { send } from '../support/http-client.mjs'
import { freePort } from '../support/servers.mjs'

const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const PASSWORD = 'correct horse battery staple'
const { version } = JSON.parse(readFileSync(file('package.json')))

export const ours = {
  name: `express-second-factor ${version}, the example app`,
  /** Failures in a row at which its documentation says that it locks. */
  locksAt: 5,

  async start(processes) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-attack-'))
    const running = []
    for (let n = 0; n < processes; n++) running.push(await startServer(folder))
    const world = { ports: running.map(({ port }) => port) }
    world.secret = await enrol(world.ports[0])
    return {
      ...world,
      async stop() {
        for (const { child } of running) {
          const ended = once(child, 'exit')
          child.kill('SIGKILL')
          await ended
        }
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },

  /** The password is right; what comes next is the code. */
  async begin(port, { without = false } = {}) {
    const cookies = new Map()
    const page = await send({ port, cookies, path: '/login' })
    const body = { username: without ? 'bob' : 'alice', password: PASSWORD }
    const headers = { 'x-csrf-token': JSON.parse(page.text).csrfToken }
    const answer = await send({ port, cookies, headers, method: 'POST', path: '/login', body })
    const { csrfToken } = JSON.parse(answer.text)
    return {
      port,
      cookies,
      token: csrfToken ?? JSON.parse((await send({ port, cookies, path: '/two-factor' })).text).csrfToken,
    }
  },

  async guess({ port, cookies, token }, code, { inQuery = false } = {}) {
    const path = `/two-factor/challenge${inQuery ? `?code=${code}` : ''}`
    const body = inQuery ? {} : { code }
    const { status } = await send({
      port,
      cookies,
      headers: { 'x-csrf-token': token },
      method: 'POST',
      path,
      body,
    })
    return status === 200 ? 'accepted' : status === 401 ? 'wrong' : status === 429 ? 'limited' : 'refused'
  },

  async isInside({ port, cookies }) {
    return (await send({ port, cookies, path: '/vault' })).status === 200
  },

  /** What half a login is told of the key. */
  async keyFor({ port, cookies, token }) {
    const headers = { 'x-csrf-token': token }
    const answer = await send({
      port,
      cookies,
      headers,
      method: 'POST',
      path: '/two-factor/enable',
      body: {},
    })
    const { secret } = answer.text ? JSON.parse(answer.text) : {}
    return secret ? fromBase32(secret) : null
  },
}

const servers = new Set()
process.once('exit', () => {
  for (const child of servers) child.kill('SIGKILL')
})

async function startServer(folder) {
  const port = await freePort()
  const child = spawn(process.execPath, [file('example-app/dist/server.js')], {
    stdio: 'ignore',
    env: { ...process.env, PORT: `${port}`, DATA_DIR: folder },
  })
  servers.add(child)
  child.once('exit', () => servers.delete(child))
  for (let tries = 0; ; tries++) {
    try {
      await send({ port, path: '/login' })
      return { child, port }
    } catch (error) {
      if (tries > 600 || child.exitCode !== null) throw error
    }
    await delay(50)
  }
}

async function enrol(port) {
  const session = await ours.begin(port)
  const { cookies, token } = session
  const headers = { 'x-csrf-token': token }
  const post = (path, body) => send({ port, cookies, headers, method: 'POST', path, body })
  const secret = fromBase32(JSON.parse((await post('/two-factor/enable', {})).text).secret)
  const done = await post('/two-factor/enable/confirm', { code: codeOf(secret) })
  if (done.status !== 200) throw new Error(`Enrolling: ${done.status} ${done.text}`)
  return secret
}
