// Better Auth with its two-factor plugin: its defaults in production, two processes at one SQLite file.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { secretOf } from '../support/accounts.mjs'
import { startApp } from '../support/app-process.mjs'
import { send } from '../support/http-client.mjs'

const { version } = JSON.parse(
  readFileSync(new URL('../node_modules/better-auth/package.json', import.meta.url)),
)

let address = 0
/** As the proxy in front tells it: attackers have many addresses. */
const nextAddress = () => `198.51.${(++address >> 8) & 255}.${address & 255}`

export const betterAuth = {
  name: `Better Auth ${version}, plugin two-factor`,
  locksAt: 10,

  async start(processes) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-attack-'))
    const url = join(folder, 'auth.db')
    const running = []
    for (let n = 0; n < processes; n++) {
      const seed = n === 0 ? { accounts: 2, without: 2 } : {}
      running.push(await startApp('better-auth', { kind: 'sqlite', url, load: false, ...seed }))
    }
    return {
      ports: running.map(({ port }) => port),
      secret: secretOf(1),
      async stop() {
        await Promise.all(running.map((app) => app.stop()))
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },

  async begin(port, { without = false } = {}) {
    const cookies = new Map()
    const body = { email: `${without ? 2 : 1}@example.com`, password: 'password' }
    const answer = await post({ port, cookies }, '/sign-in/email', body)
    if (answer.status !== 200) throw new Error(`Signing in: ${answer.status} ${answer.text}`)
    return { port, cookies }
  },

  async guess(session, code, { inQuery = false } = {}) {
    const path = `/two-factor/verify-totp${inQuery ? `?code=${code}` : ''}`
    const { status, text } = await post(session, path, inQuery ? {} : { code })
    if (status === 200) return 'accepted'
    if (/INVALID_CODE/.test(text)) return 'wrong'
    return status === 429 || /TOO_MANY/.test(text) ? 'limited' : 'refused'
  },

  /** Its session is the login: there are no gates for routes. */
  async isInside({ port, cookies }) {
    const { text } = await send({ port, cookies, path: '/api/auth/get-session' })
    return Boolean(text && JSON.parse(text)?.session)
  },

  async keyFor(session) {
    const { status, text } = await post(session, '/two-factor/get-totp-uri', { password: 'password' })
    return status === 200 ? new URL(JSON.parse(text).totpURI).searchParams.get('secret') : null
  },
}

function post({ port, cookies }, path, body) {
  const headers = { origin: 'http://bench.test', 'x-forwarded-for': nextAddress() }
  return send({ port, cookies, headers, method: 'POST', path: `/api/auth${path}`, body })
}
