import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { type Site, saying, startExample } from '../support/browser'
import { freePort } from '../support/free-port'
import { startRedis } from '../support/servers/redis'
import type { DatabaseServer } from '../support/servers/server-process'
import { type Place, places } from '../support/stores'

const { describeWith } = require('../support/tools')

jest.setTimeout(60_000)

// What passwords and backup codes cost to check is `users`'.
const quick = { NODE_OPTIONS: `-r "${join(__dirname, '../support/quick-scrypt-process.cjs')}"` }

/** A program with its cookies, at a running app. */
class Program {
  cookie = ''
  csrfToken = ''

  constructor(readonly origin: string) {}

  async send(method: string, path: string, body?: object) {
    const response = await fetch(this.origin + path, {
      method,
      redirect: 'manual',
      // What the app promises, whatever is wrong with its stores.
      signal: AbortSignal.timeout(5000),
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        cookie: this.cookie,
        'x-csrf-token': this.csrfToken,
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const [cookie] = response.headers.getSetCookie()
    if (cookie) this.cookie = cookie.split(';')[0] as string
    const text = await response.text()
    const answer = text.startsWith('{') ? JSON.parse(text) : {}
    if (answer.csrfToken) this.csrfToken = answer.csrfToken
    return { status: response.status, body: answer, process: response.headers.get('x-process') }
  }

  async logIn(username = 'alice') {
    await this.send('GET', '/login')
    return this.send('POST', '/login', { username, password: PASSWORD })
  }

  /** Enables two-factor authentication. */
  async enrol(now: () => number): Promise<Authenticator> {
    await this.logIn()
    await this.send('GET', '/two-factor')
    const { body } = await this.send('POST', '/two-factor/enable')
    const phone = new Authenticator(body.secret, now)
    const done = await this.send('POST', '/two-factor/enable/confirm', { code: phone.code() })
    expect(done.status).toBe(200)
    return phone
  }
}

/** The variable that says where second factors are. */
const variable = (url: string): Record<string, string> =>
  url.startsWith('redis')
    ? { SECOND_FACTOR_STORE: 'redis', REDIS_URL: url.replace(/^redis-cluster:(.*)/, clusterUrl) }
    : { DATABASE_URL: url }
const clusterUrl = (_whole: string, ports: string) =>
  `redis-cluster://${ports.split(',').map((port) => `127.0.0.1:${port}`)}`

for (const { name, needs, start } of places.filter((place) => place.name !== 'SQLite')) {
  describeWith(needs, `the example on ${name}`, () => {
    let place: Place
    let site: Site
    beforeAll(async () => {
      place = await start()
      site = await startExample(variable(place.url))
    })
    afterAll(async () => {
      await site?.close()
      await place?.stop()
    })

    test('goes the whole way', async () => {
      const alice = new Program(site.origin)
      const phone = await alice.enrol(Date.now)
      expect((await alice.send('GET', '/vault')).status).toBe(200)
      await alice.send('GET', '/transfer')
      const { body } = await alice.send('POST', '/transfer', { to: 'Harbour Chandlery', amount: '12.50' })
      expect(body).toMatchObject({ transfer: { to: 'Harbour Chandlery', amount: 12.5 }, balance: 2487.5 })

      const again = new Program(site.origin)
      const login = await again.logIn()
      expect([login.status, login.body.code]).toEqual([403, 'second_factor_required'])
      expect((await again.send('GET', '/api/me')).status).toBe(401)
      expect((await again.send('POST', '/two-factor/challenge', { code: phone.code(1) })).status).toBe(200)
      expect((await again.send('GET', '/api/me')).body).toMatchObject({
        user: { username: 'alice' },
        secondFactor: { state: 'verified', method: 'totp' },
      })
      expect((await new Program(site.origin).logIn('bob')).status).toBe(200)
    })
  })
}

describeWith(['redis'], 'two processes of the example', () => {
  let folder: string
  let child: ChildProcess
  let origin: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cluster-'))
    const port = await freePort()
    child = spawn(process.execPath, [join(__dirname, '../../example-app/dist/cluster.js')], {
      env: { ...process.env, ...quick, DATA_DIR: folder, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await saying(child, 'two processes')
    origin = `http://127.0.0.1:${port}`
  })
  afterAll(async () => {
    const ended = once(child, 'exit')
    child.kill()
    await ended
    rmSync(folder, { recursive: true, force: true })
  })

  test('share sessions and second factors', async () => {
    const alice = new Program(origin)
    const phone = await alice.enrol(Date.now)
    const seen = new Set<string | null>()
    for (let request = 0; request < 6; request++) {
      const { status, process } = await alice.send('GET', '/vault')
      expect(status).toBe(200)
      seen.add(process)
    }
    expect([...seen].sort()).toEqual(['1', '2'])
    const again = new Program(origin)
    await again.logIn()
    const code = phone.code(1)
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => again.send('POST', '/two-factor/challenge', { code })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })
})

describeWith(['redis'], 'the example at a Redis', () => {
  let redis: DatabaseServer
  let site: Site
  beforeAll(async () => {
    redis = await startRedis()
    site = await startExample({
      REDIS_URL: redis.url,
      SECOND_FACTOR_STORE: 'redis',
      REVALIDATE_AFTER: '0',
    })
  })
  afterAll(async () => {
    await site?.close()
    await redis?.stop()
  })

  // `send` gives every answer five seconds.
  const everywhere = async (program: Program) => {
    const paths = ['/', '/login', '/account', '/vault', '/api/me', '/two-factor', '/two-factor/challenge']
    return Promise.all(paths.map(async (path) => (await program.send('GET', path)).status))
  }

  test('that hangs answers 503 within five seconds, and goes on when it is back', async () => {
    const alice = new Program(site.origin)
    await alice.enrol(Date.now)
    const admin = new Redis(redis.url)
    // Redis itself answers nobody for as long.
    await admin.call('CLIENT', 'PAUSE', '600000', 'ALL')
    admin.disconnect()
    expect(new Set(await everywhere(alice))).toEqual(new Set([503]))
    expect((await fetch(`${site.origin}/style.css`)).status).toBe(200)
    await redis.kill()
    expect(new Set(await everywhere(alice))).toEqual(new Set([503]))
    await redis.restart()
    for (let status = 503; status !== 200; ) status = (await alice.send('GET', '/vault')).status
  })
})
