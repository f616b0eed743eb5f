import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore, SqlStore } from 'express-second-factor'
import Database from 'libsql'
import type { TestAppOptions } from '../support/app'
import { createTestApp } from '../support/app'
import type { Authenticator } from '../support/authenticator'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, putEnrolled, signIn } from '../support/enrolled'
import { type Reply, serve, tally } from '../support/server'
import { all } from '../support/sessions'

const CHALLENGE = '/two-factor/challenge'

/** An app with a server, and a session that only needs its code. */
async function burst(options: TestAppOptions = {}) {
  const made = await createEnrolledApp(options)
  const server = await serve(made.app)
  return {
    ...made,
    async session(ready: (client: Client) => Promise<unknown> = (client) => client.login()) {
      const client = new Client(made.app)
      await ready(client)
      const { csrfToken } = (await client.get(CHALLENGE)).body
      const send = (code: unknown, path = CHALLENGE): Promise<Reply> =>
        server.post(client, path, { code }, { 'x-csrf-token': csrfToken })
      return { client, send }
    },
  }
}

const codeOf = ({ text }: Reply) => JSON.parse(text).code
const refusal = async (reply: Promise<Reply>) => `${(await reply).status} ${codeOf(await reply)}`

/** What tells one answer from another. */
function whole({ status, headers, text }: Reply) {
  const { date: _date, ...rest } = Object.fromEntries(headers)
  return JSON.stringify({ status, rest, text })
}

/** A store that takes a while to answer, so that others read the same before anybody writes. */
class FarStore extends MemoryStore {
  override async get(accountId: string) {
    const record = await super.get(accountId)
    await new Promise((resolve) => setImmediate(resolve))
    return record
  }
}

describe('one code, many requests', () => {
  test('50 at once in one session: one success', async () => {
    const { session, phone, clock, sessionStore } = await burst()
    const { send } = await session()
    clock.nextStep()
    const code = phone.code()
    const answers = await Promise.all(Array.from({ length: 50 }, () => send(code)))
    expect(tally(answers)[200]).toBe(1)
    const sessions = await all(sessionStore)
    expect(sessions.filter(({ passport }) => passport)).toHaveLength(1)
    expect(sessions.filter(({ secondFactor }) => secondFactor?.state === 'verified')).toHaveLength(1)
  })

  test('50 pending sessions at once: one success, and one session is let in', async () => {
    const { session, phone, clock } = await burst()
    const sessions = await Promise.all(Array.from({ length: 50 }, () => session()))
    clock.nextStep()
    const code = phone.code()
    const answers = await Promise.all(sessions.map(({ send }) => send(code)))
    // The rest are refused as used, and the fifth refusal locks.
    expect(tally(answers)).toEqual({ 200: 1, 401: 5, 429: 44 })
  })

  test('20 at once with one backup code: one success, and one code less', async () => {
    const { session, backupCodes, secondFactor } = await burst()
    const sessions = await Promise.all(Array.from({ length: 20 }, () => session()))
    const answers = await Promise.all(sessions.map(({ send }) => send(backupCodes[2])))
    expect(tally(answers)).toEqual({ 200: 1, 401: 5, 429: 14 })
    expect((await secondFactor.status('u-alice')).backupCodes.remaining).toBe(4)
  })

  test('each of five backup codes at once, in sessions of its own: five successes', async () => {
    const { session, backupCodes, secondFactor } = await burst()
    const sessions = await Promise.all(backupCodes.map(() => session()))
    const answers = await Promise.all(sessions.map(({ send }, index) => send(backupCodes[index])))
    expect(tally(answers)).toEqual({ 200: 5 })
    expect(answers.map(({ text }) => JSON.parse(text).backupCodesRemaining).sort()).toEqual([0, 1, 2, 3, 4])
    const { backupCodes: left, methods } = await secondFactor.status('u-alice')
    expect([left.remaining, methods]).toEqual([0, ['totp']])
  })

  test('the code of disabling opens no session besides', async () => {
    const { app, session, phone, clock } = await burst()
    const verified = new Client(app)
    await signIn(verified, phone, clock)
    const { send: disable } = await session(async (client) => {
      client.cookies = verified.cookies
    })
    const sessions = await Promise.all(Array.from({ length: 10 }, () => session()))
    clock.nextStep()
    const code = phone.code()
    const answers = await Promise.all([
      disable(code, '/two-factor/disable'),
      ...sessions.map(({ send }) => send(code)),
    ])
    expect(tally(answers)[200]).toBe(1)
  })

  test.each(['authenticator', 'backup code'])(
    'two processes at one store, a code of the %s: one success',
    async (kind) => {
      const store = new FarStore()
      const one = await burst({ store })
      const two = createTestApp({ store, clock: one.clock })
      const server = await serve(two.app)
      const others = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const client = new Client(two.app)
          await client.login()
          const { csrfToken } = (await client.get(CHALLENGE)).body
          return (code: unknown) => server.post(client, CHALLENGE, { code }, { 'x-csrf-token': csrfToken })
        }),
      )
      const sessions = await Promise.all(Array.from({ length: 5 }, () => one.session()))
      one.clock.nextStep()
      const code = kind === 'authenticator' ? one.phone.code() : one.backupCodes[0]
      const answers = await Promise.all([
        ...sessions.map(({ send }) => send(code)),
        ...others.map((send) => send(code)),
      ])
      expect(tally(answers)).toEqual({ 200: 1, 401: 5, 429: 4 })
    },
  )

  test('confirming an enrolment twice at once: one set of backup codes', async () => {
    const { app, clock } = createTestApp()
    const server = await serve(app)
    const client = new Client(app)
    await client.login()
    const { csrfToken } = (await client.get('/two-factor')).body
    const headers = { 'x-csrf-token': csrfToken }
    const { secret } = (await client.send('POST', '/two-factor/enable', {}, headers)).body
    const { Authenticator: Phone } = require('../support/authenticator')
    const code = (new Phone(secret, clock.now) as Authenticator).code()
    const answers = await Promise.all(
      [1, 2, 3].map(() => server.post(client, '/two-factor/enable/confirm', { code }, headers)),
    )
    expect(tally(answers)[200]).toBe(1)
    expect(answers.filter(({ text }) => text.includes('backupCodes'))).toHaveLength(1)
  })
})

describe('the replay floor', () => {
  test('after a code no earlier one, in no session', async () => {
    const { session, phone, clock } = await burst()
    const [first, second] = [await session(), await session()]
    clock.nextStep()
    clock.nextStep()
    const [earlier, now] = [phone.code(-1), phone.code()]
    expect((await first.send(now)).status).toBe(200)
    for (const code of [now, earlier]) {
      const answer = await second.send(code)
      expect([answer.status, codeOf(answer)]).toEqual([401, 'invalid_code'])
    }
    expect((await second.send(phone.code(1))).status).toBe(200)
    // The code of the step ahead is used: the same step does not count again when it comes.
    const third = await session()
    clock.nextStep()
    expect((await third.send(phone.code())).status).toBe(401)
    clock.nextStep()
    expect((await third.send(phone.code())).status).toBe(200)
  })

  test('an earlier code alone is accepted', async () => {
    const { session, phone, clock } = await burst()
    const { send } = await session()
    clock.nextStep()
    clock.nextStep()
    expect((await send(phone.code(-1))).status).toBe(200)
  })

  test('the code that enabled is used', async () => {
    const { session, phone } = await burst()
    const { send } = await session()
    expect((await send(phone.code())).status).toBe(401)
  })

  test.each([
    [-2, 401],
    [-1, 200],
    [0, 200],
    [1, 200],
    [2, 401],
  ])('a code of step %i: %i', async (step, status) => {
    const { session, phone, clock } = await burst()
    clock.forward(300)
    const { send } = await session()
    expect((await send(phone.code(step))).status).toBe(status)
  })
})

describe('wrong guesses', () => {
  test('200 over 40 sessions at once: five are evaluated', async () => {
    const { session, phone } = await burst()
    const sessions = await Promise.all(Array.from({ length: 40 }, () => session()))
    const guesses = sessions.flatMap(({ send }, index) =>
      Array.from({ length: 5 }, (_, guess) => send(phone.wrongCode(index * 5 + guess))),
    )
    expect(tally(await Promise.all(guesses))).toEqual({ 401: 5, 429: 195 })
  })

  test('20 backup codes at once: five are evaluated', async () => {
    const { session, phone, clock, store } = await burst()
    const { backupCodes: bobs } = await putEnrolled(store, clock, 'bob')
    const sessions = await Promise.all(Array.from({ length: 20 }, () => session()))
    const answers = await Promise.all(sessions.map(({ send }, index) => send(bobs[index % 5])))
    expect(tally(answers)).toEqual({ 401: 5, 429: 15 })
    clock.nextStep()
    expect((await (await session()).send(phone.code())).status).toBe(200)
  })

  test('inside the lock the right code gets the very answer of a wrong one', async () => {
    const { session, phone, clock, backupCodes, store } = await burst()
    const { backupCodes: bobs } = await putEnrolled(store, clock, 'bob')
    const { client, send } = await session()
    clock.nextStep()
    for (let guess = 0; guess < 5; guess++)
      expect(await refusal(send(phone.wrongCode(guess)))).toBe('401 invalid_code')
    const wrong = await send(phone.wrongCode())
    expect([wrong.status, codeOf(wrong)]).toEqual([429, 'locked'])
    for (const code of [phone.code(), phone.code(-1), phone.code(1), '000000']) {
      expect(whole(await send(code))).toBe(whole(wrong))
    }
    // As a page too, but for the form's token.
    const page = async (code: string) =>
      (await client.as('person').challenge(code)).text.replace(/name="_csrf" value="[^"]*"/g, '')
    expect(await page(phone.code())).toBe(await page(phone.wrongCode()))
    for (let guess = 0; guess < 5; guess++) expect(await refusal(send(bobs[guess]))).toBe('401 invalid_code')
    expect(whole(await send(backupCodes[0]))).toBe(whole(await send(bobs[0])))
    expect((await client.get('/vault')).status).toBe(403)
  })

  test('wrong, used and expired codes get one and the same answer', async () => {
    const { session, phone, clock, backupCodes, store } = await burst()
    const { backupCodes: bobs } = await putEnrolled(store, clock, 'bob')
    clock.forward(300)
    const used = phone.code()
    await (await session()).send(used)
    await (await session()).send(backupCodes[0])
    const { send } = await session()
    const answers = []
    for (const code of [phone.wrongCode(), used, phone.code(-4), phone.code(5), bobs[0], backupCodes[0]]) {
      answers.push(whole(await send(code)))
    }
    expect(new Set(answers).size).toBe(1)
  })

  test('challenge, step-up and disabling share the count', async () => {
    const { app, session, phone, clock } = await burst()
    const verified = new Client(app)
    await signIn(verified, phone, clock)
    const stepUp = await session(async (client) => {
      client.cookies = verified.cookies
    })
    const login = await session()
    expect(await refusal(login.send(phone.wrongCode()))).toBe('401 invalid_code')
    expect(await refusal(stepUp.send(phone.wrongCode()))).toBe('401 invalid_code')
    expect(await refusal(stepUp.send(phone.wrongCode(), '/two-factor/disable'))).toBe('401 invalid_code')
    expect(await refusal(login.send(phone.wrongCode()))).toBe('401 invalid_code')
    expect(await refusal(stepUp.send(phone.wrongCode(), '/two-factor/disable'))).toBe('401 invalid_code')
    for (const answer of [
      await login.send(phone.code(1)),
      await stepUp.send(phone.code(1)),
      await stepUp.send(phone.code(1), '/two-factor/disable'),
    ]) {
      expect([answer.status, codeOf(answer)]).toEqual([429, 'locked'])
    }
  })

  test('four do not lock, and a success begins the count anew', async () => {
    const { session, phone, clock } = await burst()
    for (let round = 0; round < 3; round++) {
      const { send } = await session()
      for (let guess = 0; guess < 4; guess++)
        expect(await refusal(send(phone.wrongCode()))).toBe('401 invalid_code')
      clock.nextStep()
      expect((await send(phone.code())).status).toBe(200)
    }
  })

  test('the lock doubles up to an hour: its expiry does not clear the count', async () => {
    const { app, session, phone, clock } = await burst()
    const verified = new Client(app)
    await signIn(verified, phone, clock)
    const { send } = await session(async (client) => {
      client.cookies = verified.cookies
    })
    for (let guess = 0; guess < 4; guess++)
      expect(await refusal(send(phone.wrongCode()))).toBe('401 invalid_code')
    for (const seconds of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
      expect(await refusal(send(phone.wrongCode()))).toBe('401 invalid_code')
      clock.time += seconds * 1000 - 1
      const last = await send(phone.code())
      expect([last.status, last.headers.get('retry-after')]).toEqual([429, '1'])
      expect(JSON.parse(last.text).lockedUntil).toBe(new Date(clock.time + 1).toISOString())
      clock.time += 1
    }
    expect((await send(phone.code())).status).toBe(200)
    // And now the count is over.
    const next = await session()
    for (let guess = 0; guess < 4; guess++)
      expect(await refusal(next.send(phone.wrongCode()))).toBe('401 invalid_code')
    expect((await next.send(phone.code(1))).status).toBe(200)
  })

  test('another session’s password does not clear it, nor does the other kind', async () => {
    const { session, phone, clock, backupCodes } = await burst()
    const { send } = await session()
    clock.nextStep()
    for (let guess = 0; guess < 5; guess++) await send(phone.wrongCode())
    const other = await session()
    expect((await other.send(phone.code())).status).toBe(429)
    // Backup codes work while the authenticator is locked.
    expect((await other.send(backupCodes[0])).status).toBe(200)
    expect((await (await session()).send(phone.code())).status).toBe(429)
  })

  test('and the other way round', async () => {
    const { session, phone, clock, backupCodes, store } = await burst()
    const { backupCodes: bobs } = await putEnrolled(store, clock, 'bob')
    const { send } = await session()
    for (const code of bobs) expect(await refusal(send(code))).toBe('401 invalid_code')
    expect((await send(backupCodes[0])).status).toBe(429)
    expect((await send(phone.code(1))).status).toBe(200)
    expect((await (await session()).send(backupCodes[0])).status).toBe(429)
    clock.forward(30)
    expect((await (await session()).send(backupCodes[0])).status).toBe(200)
  })

  test('one account’s lock is not another’s', async () => {
    const { session, phone, clock, store } = await burst()
    const bobs = await putEnrolled(store, clock, 'bob')
    const { send } = await session()
    clock.nextStep()
    for (let guess = 0; guess < 5; guess++) await send(phone.wrongCode())
    const bob = await session((client) => client.login('bob'))
    expect((await bob.send(bobs.phone.code())).status).toBe(200)
  })

  test('the hundredth suspends for good, and a backup code still opens', async () => {
    const { app, session, phone, clock, backupCodes } = await burst()
    const verified = new Client(app)
    await signIn(verified, phone, clock)
    const { send } = await session(async (client) => {
      client.cookies = verified.cookies
    })
    for (let guess = 0; guess < 100; guess++) {
      expect([guess, await refusal(send(phone.wrongCode()))]).toEqual([guess, '401 invalid_code'])
      clock.forward(3600)
    }
    for (const wait of [0, 365 * 86_400]) {
      clock.forward(wait)
      const answer = await send(phone.code())
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '3600'])
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'locked', lockedUntil: null, suspended: true })
    }
    expect((await verified.get(CHALLENGE)).body).toMatchObject({ lockedUntil: null, suspended: true })
    expect((await send(backupCodes[0], '/two-factor/disable')).status).toBe(200)
    const { authenticator } = await enrol(verified, clock.now)
    clock.nextStep()
    expect((await (await session()).send(authenticator.code())).status).toBe(200)
  }, 20_000)
})

describe('three processes at one SQLite file', () => {
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'races-'))
  })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill()
    rmSync(folder, { recursive: true })
  })

  test.each(['authenticator', 'backup code'])(
    'one code of the %s: one success',
    async (kind) => {
      const file = join(folder, 'factors.db')
      const database = new Database(file, { timeout: 5000 })
      const store = new SqlStore(database)
      const { phone, backupCodes, clock } = await createEnrolledApp({ store })
      await signIn(new Client(createTestApp({ store, clock }).app), phone, clock)
      clock.nextStep()
      const code = kind === 'authenticator' ? phone.code() : (backupCodes[0] as string)
      const spawned = [1, 2, 3].map(() =>
        spawn(process.execPath, [join(__dirname, 'races-child.cjs'), file, String(clock.time), code, '3'], {
          stdio: ['pipe', 'pipe', 'inherit'],
        }),
      )
      children.push(...spawned)
      const outputs = spawned.map((child) => {
        let text = ''
        const ready = new Promise<void>((resolve, reject) => {
          child.stdout.on('data', (data) => {
            text += data
            if (text.includes('ready\n')) resolve()
          })
          child.on('exit', (status) => reject(new Error(`exit ${status} before it was ready`)))
        })
        const statuses = new Promise<number[]>((resolve) =>
          child.stdout.on('end', () => resolve(JSON.parse(text.split('ready\n')[1] || '[]'))),
        )
        return { ready, statuses }
      })
      await Promise.all(outputs.map(({ ready }) => ready))
      for (const child of spawned) child.stdin.end('go\n')
      const statuses = (await Promise.all(outputs.map((output) => output.statuses))).flat()
      database.close()
      expect(tally(statuses.map((status) => ({ status })))).toEqual({ 200: 1, 401: 5, 429: 3 })
    },
    30_000,
  )
})
