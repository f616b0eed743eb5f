// passport-totp, in the shape of the two-factor example in its repository.
import { readFileSync } from 'node:fs'
import { secretOf } from '../support/accounts.mjs'
import { startApp } from '../support/app-process.mjs'
import { fromBase32 } from '../support/codes.mjs'
import { send } from '../support/http-client.mjs'

const { version } = JSON.parse(
  readFileSync(new URL('../node_modules/passport-totp/package.json', import.meta.url)),
)

export const passportTotp = {
  name: `passport-totp ${version}, its example`,
  locksAt: 5,

  async start(processes) {
    const running = []
    for (let n = 0; n < processes; n++)
      running.push(await startApp('passport-totp', { kind: 'memory', accounts: 2, without: 2 }))
    return {
      ports: running.map(({ port }) => port),
      secret: secretOf(1),
      stop: () => Promise.all(running.map((app) => app.stop())),
    }
  },

  async begin(port, { without = false } = {}) {
    const cookies = new Map()
    await send({
      port,
      cookies,
      method: 'POST',
      path: '/login',
      body: { username: without ? '2' : '1', password: 'x' },
    })
    return { port, cookies }
  },

  async guess({ port, cookies }, code, { inQuery = false } = {}) {
    const path = `/login-otp${inQuery ? `?code=${code}` : ''}`
    const { status, headers } = await send({
      port,
      cookies,
      method: 'POST',
      path,
      body: inQuery ? {} : { code },
    })
    if (status !== 302) return 'refused'
    return headers.location === '/' ? 'accepted' : 'wrong'
  },

  async isInside({ port, cookies }) {
    return (await send({ port, cookies, path: '/gated' })).status === 200
  },

  async keyFor({ port, cookies }) {
    const { status, text } = await send({ port, cookies, path: '/setup' })
    return status === 200 ? fromBase32(JSON.parse(text).key) : null
  },
}
