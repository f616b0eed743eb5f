import { inspect } from 'node:util'
import type { SecondFactorEvent, StoredRecord, UnavailableError } from 'express-second-factor'
import type { SessionData } from 'express-session'
import { createTestApp, PASSWORD } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { encodings, Outlets } from '../support/canaries'
import { Client, hiddenFields } from '../support/client'
import { anotherDay, DEVICE_COOKIE, tokenOf } from '../support/devices'
import { FaultyStore } from '../support/faulty-store'
import type { Answer } from '../support/quick-request'
import { RecordingSessions } from '../support/sessions'

// It is a long walk.
jest.setTimeout(60_000)

const CHALLENGE = '/two-factor/challenge'
const WRONG_PASSWORD = 'Tr0ub4dor & 3 canary'

/** Says in its errors what it was given, as some drivers do. */
class TalkativeStore extends FaultyStore {
  override async compareAndSet(accountId: string, expectedVersion: number, next: StoredRecord) {
    if (this.fault === 'compareAndSet rejects') {
      throw new Error(`update accounts set ${JSON.stringify([accountId, expectedVersion, next])}: read-only`)
    }
    return super.compareAndSet(accountId, expectedVersion, next)
  }
}

class FragileSessions extends RecordingSessions {
  away = false
  override set(id: string, data: SessionData, callback?: (error?: unknown) => void): void {
    if (this.away) callback?.(new Error('the session store is away'))
    else super.set(id, data, callback)
  }
}

/** Everything that leaves the process, but for what is meant for its reader. */
class Walk {
  readonly outlets = new Outlets()
  readonly canaries = new Map<string, string>()
  readonly store = new TalkativeStore()
  readonly sessionStore = new FragileSessions()
  readonly statuses = new Set<number>()
  readonly seen = { events: 0, errors: 0 }
  readonly made = createTestApp({
    store: this.store,
    sessionStore: this.sessionStore,
    secondFactor: {
      trustedDevices: { maxAge: '30d' },
      audit: {
        write: (event: SecondFactorEvent) => {
          this.outlets.note('the audit log', JSON.stringify(event) + inspect(event, { depth: 9 }))
        },
      },
      onUnavailable: (error) => this.#unavailable(error),
    },
    routes: (app, { requireSecondFactor }) => {
      app.set('env', 'production')
      app.all('/app-only', requireSecondFactor({ maxAge: '5m', methods: ['totp'] }), (_req, res) => {
        res.json({})
      })
    },
  })

  constructor() {
    this.made.secondFactor.events.on('*', (event) => {
      this.seen.events++
      this.outlets.note(`the event ${event.name}`, JSON.stringify(event) + inspect(event, { depth: 9 }))
    })
    // Fails as a host's may; what is warned of it must not say more than it did.
    this.made.secondFactor.events.on('failed', () => {
      throw new Error('the log is full')
    })
  }

  #unavailable(error: UnavailableError): void {
    this.seen.errors++
    let one: unknown = error
    for (let depth = 0; one !== undefined && depth < 9; depth++) {
      const { message, stack, cause } = one as Error
      this.outlets.note(
        'an error of onUnavailable',
        [message, stack, JSON.stringify(one), inspect(one)].join('\n'),
      )
      one = cause
    }
  }

  /** Something that nobody but its owner may see. */
  secret(what: string, text: string): string {
    this.canaries.set(text, what)
    return text
  }

  client(kind: 'program' | 'person' = 'program'): Client {
    return this.watched(new Client(this.made.app, kind))
  }

  watched(client: Client): Client {
    const { send } = client
    client.send = async (method, path, body, headers) => {
      const answer = await send.call(client, method, path, body, headers)
      this.#hear(`${method} ${path}`, answer)
      return answer
    }
    return client
  }

  #hear(request: string, answer: Answer): void {
    const { status, headers, text } = answer
    this.statuses.add(status)
    const { 'set-cookie': cookies = [], ...rest } = headers as Record<string, unknown>
    this.outlets.note(`the headers of ${request} ${status}`, JSON.stringify(rest))
    for (const line of cookies as string[]) {
      const [pair = '', ...attributes] = line.split(';')
      const own = pair.startsWith(`${DEVICE_COOKIE}=`)
      this.outlets.note(`a cookie of ${request}`, own ? attributes.join(';') : line)
    }
    // Backup codes and the secret are shown where they are made, to those who made them; the page of a wrong first
    // code shows the secret once more.
    const made = /^\w+ \/two-factor\/(enable|replace|backup-codes)(\/confirm)?$/.test(request)
    const again = status === 401 && request.endsWith('/confirm') && answer.type === 'text/html'
    if (!made || !(status < 300 || again)) this.outlets.note(`the body of ${request} ${status}`, text)
  }

  findings(): string[] {
    for (const { secondFactor } of this.sessionStore.writes) {
      if (secondFactor) this.secret('the secret of form tokens', secondFactor.csrf)
    }
    return this.outlets.find([...this.canaries].map(([text, what]) => ({ what, text })))
  }
}

let walk: Walk
const restore: (() => void)[] = []

beforeEach(() => {
  walk = new Walk()
  const { outlets } = walk
  const listen = (target: object, name: string, place: string, quiet = true) => {
    const original = (target as Record<string, (...args: unknown[]) => unknown>)[name] as (
      ...args: unknown[]
    ) => unknown
    const spy = jest.spyOn(target as never, name as never) as unknown as jest.SpyInstance
    spy.mockImplementation((...args: unknown[]) => {
      outlets.note(
        place,
        args.map((one) => (typeof one === 'string' ? one : inspect(one, { depth: 9 }))).join(' '),
      )
      return quiet ? undefined : original.apply(target, args)
    })
    restore.push(() => spy.mockRestore())
  }
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace'])
    listen(console, name, `console.${name}`)
  listen(process, 'emitWarning', 'a process warning')
  listen(process.stdout, 'write', 'stdout', false)
  listen(process.stderr, 'write', 'stderr', false)
})
afterEach(() => {
  for (const undo of restore.splice(0)) undo()
})

/** Enrols, logs in, steps up, changes everything and turns it off again, with what is right and what is wrong. */
async function everything(kind: 'program' | 'person'): Promise<void> {
  const { made, store, sessionStore } = walk
  const { clock, secondFactor } = made
  let client = walk.client(kind)

  walk.secret('the password', PASSWORD)
  walk.secret('a wrong password', WRONG_PASSWORD)
  const typed = (code: string) => walk.secret('a code', code)
  const program = () => {
    const twin = walk.client()
    twin.cookies = client.cookies
    return twin
  }
  const secretOf = async (path: string) =>
    walk.secret('the secret of an authenticator', (await program().get(path)).body.secret)

  // Enabling, after a wrong password, a long wait and a wrong code.
  await client.login('alice', WRONG_PASSWORD)
  await client.login()
  clock.forward(700)
  const enable = (password: string) => client.post('/two-factor/enable', { password }, '/two-factor/enable')
  await program().post('/two-factor/enable', { password: WRONG_PASSWORD }, '/two-factor')
  await enable(WRONG_PASSWORD)
  await enable(PASSWORD)
  const phone = new Authenticator(await secretOf('/two-factor/enable'), clock.now)
  await client.post('/two-factor/enable/confirm', { code: typed(phone.wrongCode()) }, '/two-factor/enable')
  await client.post('/two-factor/enable/confirm', { code: typed(phone.code(-9)) }, '/two-factor/enable')
  const enabled = await client.post(
    '/two-factor/enable/confirm',
    { code: typed(phone.code()) },
    '/two-factor/enable',
  )
  expect(enabled.status).toBe(200)
  const codesOf = (answer: Answer) => {
    const shown: string[] = answer.body.backupCodes ?? answer.text.match(/\b[0-9A-Z]{5}-[0-9A-Z]{5}\b/g) ?? []
    const codes = [...new Set(shown)]
    expect(codes).toHaveLength(5)
    return codes.map((code) => walk.secret('a backup code', code))
  }
  let backupCodes = codesOf(enabled)

  // A login, with everything wrong first; then trusted.
  clock.nextStep()
  client = walk.client(kind)
  await client.login()
  await program().challenge(`${backupCodes[0]}X`)
  await program().challenge(PASSWORD)
  await client.send('POST', CHALLENGE, { code: phone.code() })
  await client.challenge(typed(phone.wrongCode(1)))
  const trustDevice = kind === 'program' ? true : 'on'
  const login = await client.post(CHALLENGE, { code: typed(phone.code()), trustDevice })
  expect([200, 303]).toContain(login.status)
  walk.secret('the token of a device', tokenOf(client))
  await client.challenge(phone.code())
  await client.challenge(backupCodes[0])
  await client.challenge(backupCodes[0])
  await client.get('/two-factor/devices')
  await program().get('/two-factor')

  // Another day, in the same browser: no code, and then one.
  const next = walk.watched(anotherDay(client))
  expect((await next.login()).headers.location).toBe('/account')
  await next.get('/app-only?a=b')
  await next.send('POST', '/app-only', { password: WRONG_PASSWORD }, { referer: 'http://127.0.0.1/account' })
  await next.challenge(backupCodes[1])
  clock.nextStep()
  await next.challenge(typed(phone.code()))
  for (const value of [`${tokenOf(client)}x`, tokenOf(client).slice(1)]) {
    const thief = walk.client(kind)
    thief.cookies.set(DEVICE_COOKIE, value)
    await thief.login()
  }

  // New codes, and a new phone.
  backupCodes = codesOf(await next.post('/two-factor/backup-codes'))
  client = next
  await next.post('/two-factor/replace', {}, '/two-factor/replace')
  const replacement = new Authenticator(await secretOf('/two-factor/replace'), clock.now)
  const confirm = (code: string) =>
    client.post('/two-factor/replace/confirm', { code }, '/two-factor/replace')
  await confirm(typed(replacement.wrongCode()))
  await confirm(backupCodes[0] as string)

  // With the stores away at each of these.
  for (const fault of [
    'get rejects',
    'compareAndSet rejects',
    'the record was altered',
    'the record is unreadable',
  ] as const) {
    const away = walk.client(kind)
    await away.login()
    const html = (await away.get(CHALLENGE)).text
    const token = kind === 'person' ? hiddenFields(html, CHALLENGE)._csrf : JSON.parse(html).csrfToken
    const own = (await program().get('/two-factor')).body.csrfToken
    store.fault = fault
    const post = (one: Client, path: string, body: object, csrf: string) =>
      one.send('POST', path, { ...body, _csrf: csrf } as never, { 'x-csrf-token': csrf })
    await post(away, CHALLENGE, { code: typed(phone.code(1)), trustDevice: 'on' }, token)
    await post(away, CHALLENGE, { code: backupCodes[1] }, token)
    await post(client, '/two-factor/replace/confirm', { code: replacement.code() }, own)
    await post(client, '/two-factor/disable', { code: backupCodes[1] }, own)
    await post(client, '/two-factor/backup-codes', {}, own)
    await walk.watched(anotherDay(client)).login()
    await secondFactor
      .status('u-alice')
      .catch((error) => walk.outlets.note('an error of status', inspect(error)))
    await secondFactor
      .reset('u-alice')
      .catch((error) => walk.outlets.note('an error of reset', inspect(error)))
    store.fault = null
    if (fault === 'get rejects') {
      sessionStore.away = true
      await post(away, CHALLENGE, { code: typed(phone.code(1)) }, token)
      await walk.client(kind).login()
      sessionStore.away = false
      clock.nextStep()
    }
    clock.nextStep()
    const again = walk.client(kind)
    await again.login()
    await again.challenge(typed(phone.code()))
  }
}

describe('what must not come out', () => {
  test.each(['program', 'person'] as const)('does not, whatever a %s does', async (kind) => {
    await everything(kind)
    expect(walk.findings()).toEqual([])
    // It was walked: refusals of every kind, and what was listened to was said.
    for (const status of [400, 401, 403, 503]) expect(walk.statuses).toContain(status)
    expect(walk.seen.events).toBeGreaterThan(10)
    expect(walk.seen.errors).toBeGreaterThan(10)
    const places = new Set(walk.outlets.texts.map(({ place }) => place))
    for (const place of ['the audit log', 'a process warning', 'an error of onUnavailable']) {
      expect(places).toContain(place)
    }
    const kinds = new Set(walk.canaries.values())
    expect([...kinds].sort()).toEqual([
      'a backup code',
      'a code',
      'a wrong password',
      'the password',
      'the secret of an authenticator',
      'the secret of form tokens',
      'the token of a device',
    ])
  })

  test.each([
    ['a secret', 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'],
    ['a backup code', '7K3M9-QXT2V'],
    ['a token', `${'x'.repeat(42)}-`],
    ['a code', '314159'],
    ['the password', PASSWORD],
  ])('%s would be found in each of its forms', (what, text) => {
    for (const form of encodings(text)) {
      const outlets = new Outlets()
      outlets.note('a log', `{"before":"${form}","after":1}`)
      expect(outlets.find([{ what, text }])).toEqual([`${what} in a log`])
    }
    const outlets = new Outlets()
    outlets.note('a log', 'nothing of the kind 271828')
    expect(outlets.find([{ what, text }])).toEqual([])
  })
})
