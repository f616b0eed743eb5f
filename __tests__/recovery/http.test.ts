import { MemoryStore } from 'express-second-factor'
import { Accounts } from '../../lib/account/accounts'
import { enrol as enrolFactor } from '../../lib/account/enrolment'
import { AccountRecords } from '../../lib/account/records'
import { Keyring } from '../../lib/crypto/keyring'
import { Recoveries, RecoveryRecords } from '../../lib/recovery/recoveries'
import { KEY, type User, users } from '../support/app'
import { Authenticator } from '../support/authenticator'
import { Client, enrol } from '../support/client'
import { anotherDay, trust } from '../support/devices'
import { signIn } from '../support/enrolled'
import { FaultyStore } from '../support/faulty-store'
import { change, RecordingSessions, read, sessionIdOf } from '../support/sessions'
import {
  ask,
  createWorld,
  DAY,
  decide,
  eventsOf,
  factorOf,
  HOUR,
  list,
  pending,
  right,
  settled,
  signedIn,
  ticketOf,
  until,
  type World,
  wrong,
} from './world'

jest.setTimeout(60_000)

const cancel = (world: World, ticket: unknown) =>
  new Client(world.app).send('POST', '/two-factor/recovery/cancel', { ticket })

/** Whether the password alone still stops at the second factor. */
async function loginOf(world: World, name = 'alice') {
  const client = new Client(world.app)
  const { status, body } = await client.login(name)
  return { client, status, code: body.code as string | undefined }
}

describe('asking', () => {
  test('the challenge leads there, only where the option is set', async () => {
    const world = await createWorld()
    const client = await pending(world, 'alice', 'person')
    expect((await client.get('/two-factor/challenge')).text).toContain('href="/two-factor/recovery"')
    const without = await createWorld({}, { recovery: undefined as never })
    const other = await pending(without, 'alice', 'person')
    expect((await other.get('/two-factor/challenge')).text).not.toContain('/recovery')
    expect((await other.as('program').get('/two-factor/recovery')).status).toBe(404)
  })

  test('a form with the fields, then what happens next and until when', async () => {
    const world = await createWorld()
    const client = await pending(world, 'alice', 'person')
    const form = await client.get('/two-factor/recovery')
    for (const name of Object.keys(right)) expect(form.text).toContain(`name="${name}"`)
    const answer = await client.post('/two-factor/recovery', right)
    expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor/recovery'])
    const page = await client.get('/two-factor/recovery')
    expect(page.text).toContain('Support has your request.')
    expect(page.text).toContain('May 10, 2026')
    expect(page.text).not.toContain('<input id')
    const { body } = await client.as('program').get('/two-factor/recovery')
    expect(body).toMatchObject({
      state: 'requested',
      effectiveAt: null,
      until: new Date(world.clock.time + 7 * DAY * 1000).toISOString(),
    })
  })

  test('right and wrong answers get the same answer, word for word', async () => {
    const answers = []
    for (const given of [right, wrong]) {
      for (const kind of ['program', 'person'] as const) {
        const world = await createWorld()
        const client = await pending(world, 'alice', kind)
        const { status, headers, text } = await client.post('/two-factor/recovery', given)
        const { date: _date, etag: _etag, 'set-cookie': _cookie, ...rest } = headers
        const state = await client.as('program').get('/two-factor/recovery')
        const { csrfToken: _token, ...said } = state.body
        answers.push(JSON.stringify([kind, status, rest, text, said]))
        expect(kind === 'person' ? 303 : 202).toBe(status)
        if (kind === 'program') expect(JSON.parse(text)).toEqual({ state: 'requested' })
      }
    }
    expect(answers.slice(0, 2)).toEqual(answers.slice(2))
  })

  test('the answer does not wait for the verdict', async () => {
    let judge!: (verdict: boolean) => void
    const world = await createWorld({
      check: () =>
        new Promise((resolve) => {
          judge = resolve
        }),
    })
    expect((await ask(world)).response.status).toBe(202)
    const admin = await signedIn(world, 'ada')
    expect((await list(admin))[0].matches).toBeNull()
    judge(true)
    await until(async () => (await list(admin))[0].matches === true)
  })

  test.each([
    ['missing', { firstName: 'Alice', lastName: 'Liddell' }, ['phone']],
    ['empty', { ...right, lastName: '  ' }, ['lastName']],
    ['too long', { ...right, firstName: 'x'.repeat(201) }, ['firstName']],
    ['no text', { ...right, phone: { number: 1 }, lastName: ['a'] }, ['lastName', 'phone']],
    ['in two lines', { ...right, phone: '1\n2' }, ['phone']],
    [
      'not to be seen',
      { ...right, firstName: '\u200b \ufeff', lastName: '\u2800\u00ad' },
      ['firstName', 'lastName'],
    ],
  ])('%s is malformed', async (_what, answers, fields) => {
    const world = await createWorld()
    const { response } = await ask(world, answers)
    expect([response.status, response.body.code, response.body.fields]).toEqual([400, 'malformed', fields])
    expect(world.told.filter(({ name }) => name.startsWith('recovery'))).toEqual([])
  })

  test('what is wrong stands beside its field, and what was typed stays', async () => {
    const world = await createWorld({ fields: ['firstName', 'memberNumber'] })
    const client = await pending(world, 'alice', 'person')
    const answer = await client.post('/two-factor/recovery', { firstName: '<b>Al', memberNumber: '' })
    expect(answer.status).toBe(400)
    expect(answer.text).toContain('value="&lt;b&gt;Al"')
    expect(answer.text).toMatch(
      /name="memberNumber"[^>]*aria-invalid="true" aria-describedby="sf-error-memberNumber" autofocus>/,
    )
  })

  test('asking again while one is open makes nothing new', async () => {
    const world = await createWorld()
    await ask(world)
    const [row] = await world.requests.list(null, 10)
    for (let time = 0; time < 7; time++) {
      const { response } = await ask(world, wrong)
      expect([response.status, response.body]).toEqual([202, { state: 'requested' }])
    }
    expect(world.mails).toHaveLength(1)
    expect(eventsOf(world)).toEqual(['recovery-requested'])
    const admin = await signedIn(world, 'ada')
    const requests = await list(admin)
    expect(requests).toHaveLength(1)
    expect(requests[0].answers).toEqual(right)
    expect(row).toBeDefined()
  })

  test('at most five requests a day', async () => {
    const world = await createWorld()
    for (let time = 0; time < 5; time++) {
      expect((await ask(world)).response.status).toBe(202)
      expect((await cancel(world, ticketOf(world))).status).toBe(200)
      world.clock.forward(HOUR)
    }
    const { response, client } = await ask(world)
    expect([response.status, response.body.code]).toEqual([429, 'recovery_limit'])
    expect(Number(response.headers['retry-after'])).toBe(19 * HOUR)
    const page = await client.as('person').post('/two-factor/recovery', right)
    expect(page.status).toBe(429)
    expect(page.text).toContain('asked too often')
    // Each account by itself.
    expect((await ask(world, right, 'bob')).response.status).toBe(202)
    world.clock.forward(19 * HOUR)
    expect((await ask(world)).response.status).toBe(202)
  })

  test.each(['locked', 'suspended'])('of an account that is %s', async (what) => {
    const world = await createWorld()
    const client = await pending(world)
    const { phone } = factorOf(world, 'alice')
    for (let time = 0; time < (what === 'locked' ? 5 : 100); time++) {
      await client.challenge(phone.wrongCode(time))
      if (what === 'suspended') {
        world.clock.forward(HOUR)
        await client.login()
      }
    }
    const { body } = await client.get('/two-factor/challenge')
    expect(body.suspended ?? body.lockedUntil !== null).toBe(true)
    expect((await client.as('person').get('/two-factor/challenge')).text).toContain('/two-factor/recovery')
    expect((await client.post('/two-factor/recovery', right)).status).toBe(202)
    await decide(world, 'approve')
    world.clock.forward(DAY)
    expect((await loginOf(world)).code).toBe('enrolment_required')
  })

  test('for pending sessions only', async () => {
    const world = await createWorld()
    const nobody = new Client(world.app)
    expect((await nobody.get('/two-factor/recovery')).status).toBe(401)
    expect((await nobody.send('POST', '/two-factor/recovery', right)).status).toBe(401)
    const alice = await signedIn(world, 'alice')
    expect((await alice.get('/two-factor/recovery')).body.code).toBe('not_pending')
    expect((await alice.post('/two-factor/recovery', right, '/two-factor')).body.code).toBe('not_pending')
    const client = await pending(world, 'bob')
    expect((await client.send('POST', '/two-factor/recovery', right)).body.code).toBe('csrf')
    expect(eventsOf(world)).toEqual([])
  })
})

describe('the owner', () => {
  test('cancels with the link of the mail: looking changes nothing, the button does', async () => {
    const world = await createWorld()
    await ask(world)
    const url = `/two-factor/recovery/cancel?${new URLSearchParams({ ticket: ticketOf(world) })}`
    const owner = new Client(world.app, 'person')
    for (const method of ['HEAD', 'GET', 'GET']) expect((await owner.send(method, url)).status).toBe(200)
    expect((await owner.as('program').get(url)).body).toEqual({ state: 'requested', effectiveAt: null })

    const page = await owner.get(url)
    expect(page.text).toContain('Cancel the request')
    // Nobody but this very site ever hears of the address.
    expect(page.headers['referrer-policy']).toBe('same-origin')
    expect(page.headers['cache-control']).toBe('no-store')
    expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//)
    const answer = await owner.send('POST', '/two-factor/recovery/cancel', { ticket: ticketOf(world) })
    expect([answer.status, answer.headers.location]).toEqual([303, url])
    expect((await owner.get(url)).text).toContain('The request is cancelled.')
    expect(world.told.at(-1)).toMatchObject({
      name: 'recovery-cancelled',
      by: 'ticket',
      accountId: 'u-alice',
    })
    expect((await loginOf(world)).code).toBe('second_factor_required')
  })

  test('a ticket that was used, is unknown, or is no ticket', async () => {
    const world = await createWorld()
    await ask(world)
    const ticket = ticketOf(world)
    await ask(world, right, 'bob')
    const ofBob = ticketOf(world)
    const [, account] = ticket.split('.')
    const [bobsKey] = ofBob.split('.')
    const code = async (given: unknown) => {
      const { status, body } = await cancel(world, given)
      return `${status} ${body.code ?? body.state}`
    }
    expect(await code(undefined)).toBe('400 malformed')
    expect(await code({ ticket })).toBe('400 malformed')
    expect(await code(`${ticket}.x`)).toBe('400 malformed')
    expect(await code('x'.repeat(5000))).toBe('400 malformed')
    // Bob's key at alice's account.
    expect(await code(`${bobsKey}.${account}`)).toBe('404 invalid_ticket')
    expect(await code(`${'A'.repeat(43)}.${account}`)).toBe('404 invalid_ticket')
    expect(await code(ticket)).toBe('200 cancelled')
    expect(await code(ticket)).toBe('409 recovery_over')
    expect(await code(ofBob)).toBe('200 cancelled')
    // Another request has taken its place.
    await ask(world)
    expect(await code(ticket)).toBe('409 recovery_over')
    expect((await pending(world).then((client) => client.get('/two-factor/recovery'))).body.state).toBe(
      'requested',
    )
    world.clock.forward(7 * DAY)
    expect(await code(ticketOf(world))).toBe('409 recovery_over')
    const unknown = await new Client(world.app, 'person').get('/two-factor/recovery/cancel?ticket=a&ticket=b')
    expect([unknown.status, /This link is not whole/.test(unknown.text)]).toEqual([400, true])
    expect(eventsOf(world).filter((name) => name === 'recovery-cancelled')).toHaveLength(2)
  })

  test('a page whose address has a ticket asks browsers not to name it, and no other page does', async () => {
    const world = await createWorld()
    await ask(world)
    const meta = '<meta name="referrer" content="strict-origin">'
    const visitor = new Client(world.app, 'person')
    for (const ticket of [ticketOf(world), 'x']) {
      const { text, headers } = await visitor.get(`/two-factor/recovery/cancel?ticket=${ticket}`)
      expect(text.indexOf(meta)).toBeGreaterThan(0)
      expect(text.indexOf(meta)).toBeLessThan(text.indexOf('<link rel="stylesheet"'))
      expect(headers['referrer-policy']).toBe('same-origin')
    }
    expect((await visitor.get('/two-factor/recovery/cancel')).text).not.toContain(meta)
  })

  test('whose session has a second factor sees it in the settings, and cancels it there', async () => {
    const world = await createWorld()
    const owner = await signedIn(world, 'alice', 'person')
    await ask(world)
    expect((await owner.as('program').get('/two-factor')).body.recovery).toMatchObject({ state: 'requested' })
    expect((await owner.get('/two-factor')).text).toContain('action="/two-factor/recovery/stop"')
    expect((await owner.send('POST', '/two-factor/recovery/stop', {})).status).toBe(403)
    const answer = await owner.post('/two-factor/recovery/stop', {}, '/two-factor')
    expect([answer.status, answer.headers.location]).toEqual([303, '/two-factor'])
    expect((await owner.as('program').get('/two-factor')).body.recovery).toBeNull()
    expect(world.told.at(-1)).toMatchObject({ name: 'recovery-cancelled', by: 'session' })
    const again = await owner.as('program').post('/two-factor/recovery/stop', {}, '/two-factor')
    expect([again.status, again.body.code]).toEqual([409, 'recovery_over'])
    // Half a login cannot.
    const thief = await pending(world)
    await thief.post('/two-factor/recovery', right)
    expect((await thief.post('/two-factor/recovery/stop', {}, '/two-factor/recovery')).body.code).toBe(
      'second_factor_required',
    )
  })

  test('a browser that is trusted does not do: it may be in the hands of whoever has the phone', async () => {
    const world = await createWorld({}, { trustedDevices: { maxAge: '30d' } })
    const client = new Client(world.app)
    await trust(client, factorOf(world, 'alice').phone, world.clock)
    world.clock.nextStep()
    await ask(world)
    const laptop = anotherDay(client)
    await laptop.login()
    expect((await laptop.get('/account')).status).toBe(200)
    const refused = await laptop.post('/two-factor/recovery/stop', {}, '/two-factor')
    expect([refused.status, refused.body.code]).toEqual([403, 'step_up_required'])
    expect((await laptop.get('/two-factor')).body.recovery).toMatchObject({ state: 'requested' })
  })

  test('who enters a code withdraws it: it is shown so, cannot be approved, and never takes effect', async () => {
    const world = await createWorld()
    await ask(world)
    const { id } = await decide(world, 'approve')
    world.clock.forward(HOUR)
    const owner = await signedIn(world, 'alice')
    world.clock.forward(2 * DAY)
    const admin = await signedIn(world, 'grace')
    expect(await list(admin)).toEqual([])
    expect((await list(admin, 'ended'))[0].state).toBe('withdrawn')
    const { response } = await decide(world, 'approve', { name: 'grace', client: admin, id })
    expect([response.status, response.body.code]).toEqual([409, 'recovery_over'])
    const { client, code } = await loginOf(world)
    expect(code).toBe('second_factor_required')
    expect((await client.get('/two-factor/recovery')).body.state).toBe('withdrawn')
    expect((await owner.get('/vault')).status).toBe(200)
    // And may ask anew.
    expect((await client.post('/two-factor/recovery', right)).status).toBe(202)
    expect((await client.get('/two-factor/recovery')).body.state).toBe('requested')
  })

  test('a trusted device is no code: the request goes on', async () => {
    const world = await createWorld({}, { trustedDevices: { maxAge: '30d' } })
    const owner = new Client(world.app)
    await owner.login()
    world.clock.nextStep()
    await owner.post('/two-factor/challenge', {
      code: factorOf(world, 'alice').phone.code(),
      trustDevice: true,
    })
    world.clock.forward(60)
    await ask(world)
    await owner.post('/logout')
    await owner.login()
    expect((await owner.get('/vault')).status).toBe(200)
    expect((await owner.get('/two-factor')).body.recovery).toMatchObject({ state: 'requested' })
    await decide(world, 'approve')
    world.clock.forward(DAY)
    // Also where the browser would not have been asked.
    await owner.post('/logout')
    expect((await owner.login()).body.code).toBe('enrolment_required')
  })
})

test('a session of several requests at once is told to be held by a recovery once', async () => {
  /** Keeps three calls waiting for each other, once it is on. */
  class Gate {
    #waiting: (() => void)[] | null = null
    close(): void {
      this.#waiting = []
    }
    pass(goOn: () => void): void {
      const together = [...(this.#waiting ?? []), goOn]
      const goesOn = this.#waiting === null || together.length === 3
      this.#waiting = goesOn ? null : together
      if (goesOn) for (const one of together) one()
    }
  }
  const [reads, writes] = [new Gate(), new Gate()]
  class Sessions extends RecordingSessions {
    override set(...args: Parameters<RecordingSessions['set']>): void {
      writes.pass(() => super.set(...args))
    }
  }
  const store = new MemoryStore()
  const get = store.get.bind(store)
  store.get = async (id) => {
    await new Promise<void>((resolve) => reads.pass(resolve))
    return get(id)
  }
  const world = await createWorld({}, {}, { sessionStore: new Sessions(), store })
  await ask(world)
  await decide(world, 'approve')
  world.clock.forward(DAY - 10)
  const client = await pending(world)
  world.clock.forward(10)
  world.told.length = 0
  reads.close()
  writes.close()
  const answers = await Promise.all([1, 2, 3].map(() => client.get('/two-factor/challenge')))
  expect(answers.map(({ body }) => body.code)).toEqual(Array(3).fill('enrolment_required'))
  expect(world.told.map(({ name }) => name)).toEqual(['recovery-completed', 'policy-held'])
})

test('the link of an earlier request says nothing of the present one', async () => {
  const world = await createWorld()
  await ask(world)
  const url = `/two-factor/recovery/cancel?${new URLSearchParams({ ticket: ticketOf(world) })}`
  await decide(world, 'reject')
  await ask(world)
  await decide(world, 'approve', { name: 'grace' })
  expect((await new Client(world.app).get(url)).body).toEqual({ state: 'rejected', effectiveAt: null })
})

test('a host that skips logins cannot skip what a recovery demands', async () => {
  let skips = false
  const sessionStore = new RecordingSessions()
  const world = await createWorld({}, { skip: () => skips }, { sessionStore })
  await ask(world)
  await decide(world, 'approve')
  world.clock.forward(DAY)
  skips = true
  // At a login,
  expect((await loginOf(world)).code).toBe('enrolment_required')
  // of a session that was logged in unseen, and where there is no route.
  const unseen = new Client(world.app)
  expect((await unseen.login('bob')).status).toBe(302)
  const id = sessionIdOf(unseen)
  await change(sessionStore, id, (data) => {
    delete data.secondFactor
    data.passport = { user: 'u-alice' }
  })
  const session = await read(sessionStore, id)
  expect((await world.secondFactor.verifySession(session)).state).toBe('must-enrol')
  expect((await unseen.get('/account')).status).toBe(401)
  expect((await unseen.get('/vault')).body.code).toBe('enrolment_required')
})

test('nothing that was typed is told in a warning', async () => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const complain = () => {
    throw Object.assign(new TypeError(`no such phone: ${right.phone}`), { code: 'E_PHONE' })
  }
  const world = await createWorld({ check: complain, registered: complain })
  await ask(world)
  const admin = await signedIn(world, 'ada')
  expect((await list(admin))[0].registered).toBeNull()
  const said = warnings.mock.calls.map(([text]) => String(text))
  warnings.mockRestore()
  expect(said.filter((text) => text.includes('recovery.check'))).toEqual([
    'Option recovery.check, or keeping its verdict, failed: TypeError E_PHONE',
  ])
  expect(said.join()).toContain('Option recovery.registered failed: TypeError E_PHONE')
  expect(said.join()).not.toContain(right.phone)
})

test('closing an account may be tried again, and the request goes first', async () => {
  const store = new FaultyStore()
  const world = await createWorld({}, {}, { store })
  await ask(world)
  const forget = jest.spyOn(store, 'delete').mockRejectedValueOnce(new Error('away'))
  await expect(world.secondFactor.forget('u-alice')).rejects.toThrow('does not answer')
  expect(await world.requests.list(null, 10)).toEqual([])
  expect((await world.secondFactor.status('u-alice')).enabled).toBe(true)
  await world.secondFactor.forget('u-alice')
  expect(forget).toHaveBeenCalledTimes(2)
  expect((await world.secondFactor.status('u-alice')).enabled).toBe(false)
  expect(world.told.filter(({ name }) => name === 'forgotten')).toHaveLength(1)
})

describe('a cookie that was found, and no password', () => {
  /** A session from before all were ended, as after a password was changed: it waits for a code. */
  async function found(world: World, old: Client) {
    await world.secondFactor.revokeSessions('u-alice')
    expect((await old.get('/vault')).body.code).toBe('second_factor_required')
    return old
  }

  test('asks for nothing, and is led to the login', async () => {
    const world = await createWorld()
    const old = await found(world, await signedIn(world, 'alice'))
    for (const answer of [
      await old.get('/two-factor/recovery'),
      await old.post('/two-factor/recovery', { ...right }, '/two-factor/challenge'),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'password_required'])
      expect(answer.body.loginUrl).toBe('/login')
    }
    expect(eventsOf(world)).not.toContain('recovery-requested')
    const page = await old.as('person').get('/two-factor/recovery')
    expect(page.status).toBe(403)
    expect(page.text).toContain('Sign in again to go on.')
    expect(page.text).not.toContain('name="firstName"')
    const { headers } = await old
      .as('person')
      .post('/two-factor/challenge/cancel', {}, '/two-factor/recovery')
    expect(headers.location).toBe('/login')
    expect((await ask(world)).response.status).toBe(202)
  })

  test('sees nothing of a request, and carries none out', async () => {
    const remembered: { by?: string } = {}
    const world = await createWorld(
      {},
      {},
      {
        between: (app) =>
          app.use((req, _res, next) => {
            if (req.headers.cookie?.includes('remember=') !== true || req.isAuthenticated()) return next()
            remembered.by = req.path
            req.login(users.alice as User, { session: true, freshLogin: false }, (error) => next(error))
          }),
      },
    )
    const signed = await signedIn(world, 'alice')
    world.clock.forward(1)
    await ask(world)
    await decide(world, 'approve')
    world.clock.forward(DAY)
    const old = await found(world, signed)
    const thief = new Client(world.app)
    thief.cookies.set('remember', 'alice')
    for (const client of [old, thief]) {
      expect((await client.get('/two-factor/challenge')).status).toBe(200)
      expect((await client.get('/two-factor/recovery')).body.code).toBe('password_required')
      expect((await client.get('/account')).status).not.toBe(200)
    }
    expect(remembered.by).toBeDefined()
    expect((await world.secondFactor.status('u-alice')).enabled).toBe(true)
    expect((await loginOf(world)).code).toBe('enrolment_required')
    expect((await world.secondFactor.status('u-alice')).enabled).toBe(false)
  })
})

describe('administrators', () => {
  test('see what was typed beside what is registered, and the verdict', async () => {
    const world = await createWorld()
    await ask(world, wrong)
    const admin = await signedIn(world, 'ada')
    await until(async () => (await list(admin))[0].matches !== null)
    const { body } = await admin.get('/admin/two-factor/recovery')
    expect(body).toEqual({
      requests: [
        {
          id: expect.stringMatching(/^[\w-]{16}\.[\w-]+$/),
          user: { id: 'u-alice', name: 'alice', email: 'alice@example.com' },
          state: 'requested',
          askedAt: expect.stringContaining('2026-05-03T'),
          effectiveAt: null,
          answers: wrong,
          registered: right,
          comparison: { firstName: 'different', lastName: 'different', phone: 'different' },
          matches: false,
          approvals: [],
        },
      ],
      next: null,
      csrfToken: expect.any(String),
    })
    const page = await admin.as('person').get('/admin/two-factor/recovery')
    for (const text of [
      'Mallory',
      'Alice',
      '+44 20 7946 0101',
      'do not match',
      'class="sf-differs">Different<',
    ]) {
      expect(page.text).toContain(text)
    }
  })

  test('approve with a code and a reason: it takes effect a day later, and not before', async () => {
    const world = await createWorld()
    const { client } = await ask(world)
    const { response, id } = await decide(world, 'approve')
    const effectiveAt = new Date(world.clock.time + DAY * 1000).toISOString()
    expect([response.status, response.body]).toEqual([200, { id, state: 'approved', effectiveAt }])
    expect((await client.get('/two-factor/recovery')).body).toMatchObject({ state: 'approved', effectiveAt })
    expect(world.told.filter(({ name }) => name === 'recovery-approved')).toEqual([
      expect.objectContaining({
        accountId: 'u-alice',
        by: 'u-ada',
        reason: 'Called back',
        approvals: 1,
        effectiveAt: new Date(effectiveAt),
      }),
    ])
    world.clock.forward(DAY - 1)
    expect((await loginOf(world)).code).toBe('second_factor_required')
    expect((await world.secondFactor.status('u-alice')).enabled).toBe(true)
    world.clock.forward(1)
    expect((await loginOf(world)).code).toBe('enrolment_required')
    expect((await world.secondFactor.status('u-alice')).enabled).toBe(false)
  })

  test('not their own account', async () => {
    const world = await createWorld()
    const alice = await signedIn(world, 'alice')
    world.clock.forward(1)
    await ask(world)
    for (const what of ['approve', 'reject'] as const) {
      const { response } = await decide(world, what, { name: 'alice', client: alice })
      expect([response.status, response.body.code]).toEqual([403, 'own_account'])
    }
  })

  test('two of them, where the host wants two', async () => {
    const world = await createWorld({ approvals: 2 })
    await ask(world)
    const ada = await signedIn(world, 'ada')
    const first = await decide(world, 'approve', { client: ada })
    expect(first.response.body).toEqual({ id: first.id, state: 'requested', effectiveAt: null })
    const again = await decide(world, 'approve', { client: ada })
    expect([again.response.status, again.response.body.code]).toEqual([409, 'already_approved'])
    world.clock.forward(2 * DAY)
    expect((await loginOf(world)).code).toBe('second_factor_required')
    expect(world.mails.filter(({ subject }) => subject.includes('approved'))).toEqual([])

    const second = await decide(world, 'approve', { name: 'grace' })
    expect(second.response.body.state).toBe('approved')
    expect(world.told.filter(({ name }) => name === 'recovery-approved')).toMatchObject([
      { by: 'u-ada', approvals: 1, effectiveAt: null },
      { by: 'u-grace', approvals: 2, effectiveAt: new Date(world.clock.time + DAY * 1000) },
    ])
    expect((await list(second.admin))[0].approvals).toMatchObject([
      { by: { id: 'u-ada' }, reason: 'Called back' },
      { by: { id: 'u-grace' } },
    ])
    // Not from the first approval.
    world.clock.forward(DAY - 1)
    expect((await loginOf(world)).code).toBe('second_factor_required')
    world.clock.forward(1)
    expect((await loginOf(world)).code).toBe('enrolment_required')
  })

  test('a wrong code, no code, no reason, an unknown request: nothing changes', async () => {
    const world = await createWorld()
    await ask(world)
    const admin = await signedIn(world, 'ada')
    const [{ id }] = await list(admin)
    world.clock.nextStep()
    const { phone } = factorOf(world, 'ada')
    const answer = async (body: object, name = id) => {
      const path = `/admin/two-factor/recovery/${name}/approve`
      const response = await admin.post(path, { ...body }, '/admin/two-factor/recovery')
      return `${response.status} ${response.body.code}`
    }
    expect(await answer({ reason: 'x', code: phone.wrongCode() })).toBe('401 invalid_code')
    expect(await answer({ reason: 'x' })).toBe('400 malformed')
    expect(await answer({ code: phone.code() })).toBe('400 malformed')
    const [, account] = id.split('.')
    expect(await answer({ reason: 'x', code: phone.code() }, `${'A'.repeat(16)}.${account}`)).toBe(
      '404 unknown_request',
    )
    expect(await answer({ reason: 'x', code: phone.code() }, 'nonsense')).toBe('404 unknown_request')
    expect((await list(admin))[0]).toMatchObject({ state: 'requested', approvals: [] })
    // The code was not spent on any of these.
    expect(await answer({ reason: 'x', code: phone.code() })).toBe('200 undefined')
    expect(await answer({ reason: 'x', code: phone.code() })).toBe('409 already_approved')
  })

  test('on their pages: list, decision, what is wrong beside the field, and what was done', async () => {
    const world = await createWorld()
    await ask(world)
    const admin = await signedIn(world, 'ada', 'person')
    const [{ id }] = await list(admin)
    const url = `/admin/two-factor/recovery/${id}`
    expect((await admin.get('/admin/two-factor/recovery')).text).toContain(`href="${url}"`)
    const form = (await admin.get(url)).text
    expect(form).toContain('An approval takes effect')
    // The button that Enter would press cannot be pressed; the others each say where they lead.
    const buttons = [...form.slice(form.indexOf(`action="${url}/`)).matchAll(/<button[^>]*>/g)].map(String)
    expect(buttons[0]).toBe('<button disabled hidden>')
    expect(buttons.slice(1, 3).map((button) => /formaction="([^"]+)"/.exec(button)?.[1])).toEqual([
      `${url}/approve`,
      `${url}/reject`,
    ])
    world.clock.nextStep()
    const { phone } = factorOf(world, 'ada')
    const refused = await admin.post(`${url}/approve`, { code: phone.wrongCode(), reason: 'Met her' }, url)
    expect([refused.status, refused.text.includes('value="Met her"')]).toEqual([401, true])
    const done = await admin.post(`${url}/approve`, { code: phone.code(), reason: 'Met her' }, url)
    expect([done.status, done.headers.location]).toEqual([303, '/admin/two-factor/recovery'])
    expect((await admin.get('/admin/two-factor/recovery')).text).toContain('is approved')
    // Approved already: what is left is to take it back.
    const page = await admin.get(url)
    expect(page.text).not.toContain('An approval takes effect')
    expect(page.text).not.toContain(`${url}/approve"`)
    world.clock.nextStep()
    const back = await admin.post(`${url}/reject`, { code: phone.code(), reason: 'It was not her' }, url)
    expect(back.status).toBe(303)
    world.clock.forward(2 * DAY)
    expect((await loginOf(world)).code).toBe('second_factor_required')
  })

  test('look at fifty requests a page, and their host is asked for a few at a time', async () => {
    let asked = 0
    let most = 0
    const registered = async () => {
      most = Math.max(most, ++asked)
      await settled()
      asked--
      return null
    }
    const world = await createWorld({ registered })
    const keyring = new Keyring([KEY])
    const accountRecords = new AccountRecords(world.store, keyring, world.clock.now)
    const accounts = new Accounts(accountRecords, world.clock.now, 5)
    const records = new RecoveryRecords(world.requests, keyring, world.clock.now)
    const recoveries = new Recoveries(
      records,
      accounts,
      { approvals: 1, delay: 1000 },
      world.clock.now,
      () => {},
    )
    const ids = Array.from({ length: 51 }, (_, i) => `m-${(i * 7) % 51}`)
    const factor = { secret: Buffer.alloc(20, 7), step: 0, clockSide: 0 } as const
    const codes = { salt: '', hashes: [], total: 0, generatedAt: 0 }
    for (const id of ids) {
      await accountRecords.transact(id, (record, now) => enrolFactor(record, factor, codes, now))
      await recoveries.ask(id, right, await accounts.status(id))
    }
    const admin = await signedIn(world, 'ada')
    const url = '/admin/two-factor/recovery'
    const first = (await admin.get(url)).body
    expect([first.requests.length, most]).toEqual([50, 5])
    const onward = `${url}?${new URLSearchParams({ after: first.next })}`
    const last = (await admin.get(onward)).body
    expect([last.requests.length, last.next]).toEqual([1, null])
    const seen = [...first.requests, ...last.requests].map(({ user }) => user.id)
    expect(seen.sort()).toEqual([...ids].sort())
    for (const query of ['after=nonsense', 'state=withdrawn', 'state=ended&state=open']) {
      const { status, body } = await admin.get(`${url}?${query}`)
      expect([query, status, body.code]).toEqual([query, 400, 'malformed'])
    }
    expect((await admin.get(`${url}?state=open`)).body.requests).toHaveLength(50)
    expect((await admin.as('person').get(url)).text).toContain(`href="${onward}"`)
    expect((await admin.as('person').get(onward)).text).toContain(`href="${url}">First page`)
  })

  test('a reset ends a request, and is what they are told of it; the open list has it no more', async () => {
    const world = await createWorld()
    await ask(world)
    await ask(world, right, 'bob')
    const admin = await signedIn(world, 'ada')
    const { phone } = factorOf(world, 'ada')
    const send = (id: string) => {
      world.clock.nextStep()
      const url = `/admin/two-factor/users/${id}/reset`
      return admin.post(url, { code: phone.code(), reason: 'Was here' }, '/admin/two-factor/users')
    }
    expect((await send('u-alice')).status).toBe(200)
    await world.secondFactor.reset('u-bob')
    const rows = await world.requests.list(null, 10)
    expect(rows.map(({ record }) => record.activated)).toEqual([false, false])
    expect(await list(admin)).toEqual([])
    const ended = await list(admin, 'ended')
    expect(ended).toMatchObject([
      { user: { id: 'u-bob' }, state: 'reset', answers: {} },
      { user: { id: 'u-alice' }, state: 'reset', answers: {} },
    ])
    const page = (await admin.as('person').get('/admin/two-factor/recovery?state=ended')).text
    expect(page).toContain('Ended by a reset')
    expect(page).not.toContain('a code was accepted')
    expect(page).toMatch(/href="[^"]*\/recovery\?state=ended" aria-current="page">Ended</)
    const open = (await admin.as('person').get('/admin/two-factor/recovery')).text
    expect(open).toContain('There are no open requests.')
    expect(open).toMatch(/href="[^"]*\/recovery" aria-current="page">Open</)
    // And their owners, once they have a factor again.
    const owner = new Client(world.app)
    await enrol(owner, world.clock.now)
    expect(
      (await pending(world, 'alice', 'person').then((one) => one.get('/two-factor/recovery'))).text,
    ).toContain('Your last request ended when support turned off your two-factor authentication.')
  })

  test('the list of users says how many requests are open', async () => {
    const world = await createWorld()
    const admin = await signedIn(world, 'ada', 'person')
    await ask(world)
    await ask(world, right, 'bob')
    expect((await cancel(world, ticketOf(world))).status).toBe(200)
    const listed = jest.spyOn(world.requests, 'list')
    for (let looks = 0; looks < 3; looks++) {
      expect((await admin.get('/admin/two-factor/users')).text).toMatch(/ id="sf-open">1 open</)
    }
    expect(listed).toHaveBeenCalledTimes(1)
  })

  test('reject: over, with nothing left of what was typed', async () => {
    const world = await createWorld()
    const { client } = await ask(world)
    const { response, admin, id } = await decide(world, 'reject', { reason: 'Did not know the name' })
    expect(response.body).toEqual({ id, state: 'rejected', effectiveAt: null })
    expect(world.told.at(-1)).toMatchObject({
      name: 'recovery-rejected',
      by: 'u-ada',
      reason: 'Did not know the name',
    })
    expect((await client.get('/two-factor/recovery')).body.state).toBe('rejected')
    expect(await list(admin)).toEqual([])
    expect((await cancel(world, ticketOf(world))).body.code).toBe('recovery_over')
    const { body } = await admin.get(`/admin/two-factor/recovery/${id}`)
    expect([body.state, body.answers]).toEqual(['rejected', {}])
  })
})

describe('when it takes effect', () => {
  test('factors, codes, locks, trust and sessions are gone, and enrolling comes before anything else', async () => {
    const world = await createWorld({}, { trustedDevices: { maxAge: '30d' } })
    const { phone, backupCodes } = factorOf(world, 'alice')
    const old = new Client(world.app)
    await old.login()
    world.clock.nextStep()
    await old.post('/two-factor/challenge', { code: phone.code(), trustDevice: true })
    world.clock.forward(1)
    const waiting = await pending(world)
    await ask(world)
    await decide(world, 'approve')
    world.clock.forward(DAY)

    const { client, code } = await loginOf(world)
    expect(code).toBe('enrolment_required')
    expect(eventsOf(world).at(-1)).toBe('recovery-completed')
    expect((await old.get('/account')).status).toBe(401)
    expect((await waiting.challenge(backupCodes[0])).status).toBe(401)
    await old.login()
    expect((await old.get('/vault')).body.code).toBe('enrolment_required')
    expect((await client.get('/account')).status).toBe(401)
    expect((await client.get('/two-factor')).body.code).toBe('enrolment_required')
    const status = await world.secondFactor.status('u-alice')
    expect(status).toMatchObject({
      enabled: false,
      mustEnrol: true,
      methods: [],
      devices: [],
      lastUsedAt: null,
    })

    // Until it is done, at every login; afterwards as ever.
    expect((await loginOf(world)).code).toBe('enrolment_required')
    const begun = await client.post('/two-factor/enable', {}, '/two-factor/enable')
    const fresh = new Authenticator(begun.body.secret, world.clock.now)
    const done = await client.post('/two-factor/enable/confirm', { code: fresh.code() }, '/two-factor/enable')
    expect(done.body.backupCodes).toHaveLength(5)
    expect((await client.get('/vault')).status).toBe(200)
    expect((await world.secondFactor.status('u-alice')).mustEnrol).toBe(false)
    const next = new Client(world.app)
    world.clock.nextStep()
    expect((await next.login()).body.code).toBe('second_factor_required')
    expect((await next.challenge(phone.code())).body.code).toBe('invalid_code')
    expect((await next.challenge(fresh.code())).status).toBe(200)
    expect(eventsOf(world).filter((name) => name === 'recovery-completed')).toHaveLength(1)
  })

  test.each(['/two-factor/challenge', '/two-factor/recovery'])(
    'a session that waits at %s goes on to enrol',
    async (path) => {
      for (const kind of ['person', 'program'] as const) {
        const world = await createWorld({ delay: '5m' })
        const client = await pending(world)
        await client.post('/two-factor/recovery', right)
        await decide(world, 'approve')
        world.clock.forward(299)
        expect((await client.get(path)).status).toBe(200)
        world.clock.forward(1)
        const answer = await client.as(kind).get(path)
        if (kind === 'person') {
          expect(answer.headers.location).toBe('/two-factor/enable')
          // Why it is asked for.
          expect((await client.as('person').get('/two-factor/enable')).text).toContain(
            'Your two-factor authentication was removed at your request. Set it up again.',
          )
        } else expect([answer.status, answer.body.code]).toEqual([403, 'enrolment_required'])
        expect((await client.get('/two-factor/recovery')).body.code).toBe('enrolment_required')
        expect((await client.post('/two-factor/enable', {}, '/two-factor/enable')).status).toBe(201)
      }
    },
  )

  test('a day late is fine, more than seven are not', async () => {
    for (const [days, code] of [
      [7.9, 'enrolment_required'],
      [8, 'second_factor_required'],
    ] as const) {
      const world = await createWorld()
      await ask(world)
      await decide(world, 'approve')
      world.clock.forward(days * DAY)
      expect((await loginOf(world)).code).toBe(code)
    }
  })

  test('what was not approved in seven days expires', async () => {
    const world = await createWorld()
    const { client } = await ask(world)
    world.clock.forward(7 * DAY)
    await client.login()
    expect((await client.get('/two-factor/recovery')).body.state).toBe('expired')
    const admin = await signedIn(world, 'ada')
    const [{ id }] = await list(admin, 'ended')
    const { response } = await decide(world, 'approve', { client: admin, id })
    expect([response.status, response.body.code]).toEqual([409, 'recovery_over'])
  })

  test('sessions that were revoked meanwhile do not change it', async () => {
    const world = await createWorld()
    await ask(world)
    await decide(world, 'approve')
    await world.secondFactor.revokeSessions('u-alice')
    world.clock.forward(DAY)
    expect((await loginOf(world)).code).toBe('enrolment_required')
  })

  test('after a reset by support the user is not held, and a new factor stays', async () => {
    const world = await createWorld()
    await ask(world)
    await decide(world, 'approve')
    await world.secondFactor.reset('u-alice')
    const owner = new Client(world.app)
    world.clock.forward(60)
    const { authenticator } = await enrol(owner, world.clock.now)
    world.clock.forward(DAY)
    const { client, code } = await loginOf(world)
    expect(code).toBe('second_factor_required')
    expect((await client.challenge(authenticator.code())).status).toBe(200)
  })

  test('closing the account takes the request along', async () => {
    const world = await createWorld()
    await ask(world)
    await world.secondFactor.forget('u-alice')
    expect(await world.requests.list(null, 10)).toEqual([])
  })
})

describe('the store of the requests is down', () => {
  test('codes still let in; the pages of recovery answer 503', async () => {
    const requests = new FaultyStore()
    const seen: unknown[] = []
    const world = await createWorld({ store: requests }, { onUnavailable: (error) => void seen.push(error) })
    await ask(world)
    const ticket = ticketOf(world)
    await decide(world, 'approve')
    requests.fault = 'get rejects'
    const client = await pending(world)
    expect((await client.get('/two-factor/challenge')).status).toBe(200)
    expect((await client.get('/two-factor/recovery')).status).toBe(503)
    expect((await client.post('/two-factor/recovery', right, '/two-factor/challenge')).status).toBe(503)
    expect((await cancel(world, ticket)).status).toBe(503)
    world.clock.forward(DAY)
    // Due, but nobody can tell: as protected as before.
    expect((await loginOf(world)).code).toBe('second_factor_required')
    expect(seen.length).toBeGreaterThan(0)
    requests.fault = null
    expect((await loginOf(world)).code).toBe('enrolment_required')
  })

  test('settings and a login with a code do without', async () => {
    const requests = new FaultyStore()
    const world = await createWorld({ store: requests })
    requests.fault = 'get rejects'
    const client = new Client(world.app)
    await signIn(client, factorOf(world, 'alice').phone, world.clock)
    const { status, body } = await client.get('/two-factor')
    expect([status, body.recovery]).toEqual([200, null])
    const admin = await signedIn(world, 'ada')
    requests.list = async () => {
      throw new Error('away')
    }
    expect((await admin.get('/admin/two-factor/recovery')).status).toBe(503)
  })

  test('the factors are down: nothing is recovered', async () => {
    const store = new FaultyStore()
    const world = await createWorld({}, {}, { store })
    await ask(world)
    await decide(world, 'approve')
    world.clock.forward(DAY)
    store.fault = 'compareAndSet rejects'
    expect((await loginOf(world)).code).toBe('second_factor_required')
    store.fault = null
    // It was claimed, and the account not yet changed: the next login mends it.
    expect((await loginOf(world)).code).toBe('enrolment_required')
    expect(eventsOf(world).filter((name) => name === 'recovery-completed')).toHaveLength(1)
  })
})

test('no event holds an answer or a ticket', async () => {
  const world = await createWorld()
  await ask(world)
  const tickets = [ticketOf(world)]
  await decide(world, 'approve')
  tickets.push(ticketOf(world))
  await cancel(world, tickets[0])
  const told = JSON.stringify(world.told)
  for (const secret of [
    ...Object.values(right),
    ...tickets,
    ...tickets.map((one) => one.split('.')[0] as string),
  ]) {
    expect(told).not.toContain(secret)
  }
  const stored = JSON.stringify(await world.requests.list(null, 10))
  for (const secret of [...Object.values(right), ...tickets]) expect(stored).not.toContain(secret)
})

describe('at the start', () => {
  test.each([
    ['no store', { store: undefined }],
    ['a store that cannot list', { store: { get() {}, compareAndSet() {}, delete() {} } }],
    ['no fields', { fields: [] }],
    ['a field twice', { fields: ['phone', 'phone'] }],
    ['a name that is none', { fields: ['__proto__'] }],
    ['a name of ours', { fields: ['_csrf'] }],
    ['three approvals', { approvals: 3 }],
    ['a check that is none', { check: 'phone' }],
  ])('%s is refused', async (_what, wrongOptions) => {
    await expect(createWorld(wrongOptions as never)).rejects.toThrow(/SF_RECOVERY/)
  })

  test('an unknown option is refused', async () => {
    await expect(createWorld({ dealy: '1h' } as never)).rejects.toThrow(/option recovery\.dealy.*SF_OPTIONS/)
  })

  test.each([0, 999, '0s', Number.POSITIVE_INFINITY, Number.NaN, -1, '31d', null])(
    'a delay of %s is refused',
    async (delay) => {
      await expect(createWorld({ delay } as never)).rejects.toThrow(/SF_DURATION/)
    },
  )

  test('the store of the factors is refused: the rows would be in the way of each other', async () => {
    const store = new MemoryStore()
    await expect(createWorld({ store }, { store })).rejects.toThrow(/SF_RECOVERY/)
  })

  test('links that lead elsewhere than to the router are refused', async () => {
    const notify = { transport: { sendMail: async () => {} }, from: 'a@b.example', recipients: () => [] }
    for (const settingsUrl of ['https://acme.example', 'https://acme.example/two-factor/settings']) {
      await expect(createWorld({}, { notify: { ...notify, settingsUrl } })).rejects.toThrow(/SF_RECOVERY/)
    }
    await createWorld({}, { notify: { ...notify, settingsUrl: 'https://acme.example/app/Two-Factor/?a#b' } })
  })

  test('no mail, or none with links, is refused: the mail is the safety', async () => {
    await expect(createWorld({}, { notify: undefined as never })).rejects.toThrow(/SF_RECOVERY/)
    const notify = { transport: { sendMail: async () => {} }, from: 'a@b.example', recipients: () => [] }
    await expect(createWorld({}, { notify })).rejects.toThrow(/SF_RECOVERY/)
  })
})

test('rotating the keys seals the requests, too', async () => {
  const next = Buffer.from('another 32 byte key of the tests').toString('base64')
  const requests = new MemoryStore()
  const world = await createWorld({ store: requests })
  await ask(world)
  const rotated = await createWorld({ store: requests }, { keys: [next, KEY], store: world.store })
  const before = (await requests.list(null, 1))[0]?.record.sealed.split('.')[1]
  const { done } = await rotated.secondFactor.rotateKeys()
  expect(done).toBe(true)
  const after = (await requests.list(null, 1))[0]?.record.sealed.split('.')[1]
  expect(after).not.toBe(before)
  const only = await createWorld({ store: requests }, { keys: [next], store: world.store })
  expect((await pending(only).then((client) => client.get('/two-factor/recovery'))).body.state).toBe(
    'requested',
  )
})
