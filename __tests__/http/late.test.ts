import {
  ask,
  createWorld,
  DAY,
  factorOf,
  list,
  pending,
  right,
  settled,
  signedIn,
  ticketOf,
  until,
  type World,
} from '../recovery/world'
import { Authenticator } from '../support/authenticator'
import { Client } from '../support/client'
import { trust } from '../support/devices'
import { HeldStore } from '../support/held-store'
import type { Answer } from '../support/quick-request'

jest.setTimeout(60_000)

const ADMIN = '/admin/two-factor'
/** Milliseconds. Each test waits for it; a busy machine should not. */
const PATIENCE = 700

async function heldWorld() {
  const factors = new HeldStore()
  const requests = new HeldStore()
  const kept: string[] = []
  const world = await createWorld(
    { store: requests },
    {
      storeTimeout: PATIENCE,
      trustedDevices: { maxAge: '30d' },
      audit: { write: ({ name, accountId }) => kept.push(`${name} ${accountId}`) },
    },
    { store: factors },
  )
  return { world, factors, requests, kept }
}

const mailsTo = ({ mails }: World, to: string) =>
  mails.filter((mail) => mail.to === to).map(({ subject }) => subject)
const toldOf = ({ told }: World, accountId: string) =>
  told.filter((event) => event.accountId === accountId).map(({ name }) => name)

/** Asks, while the store keeps the write waiting: 503, nothing is told; and then it is written. */
async function late(world: World, store: HeldStore, work: () => Promise<Answer>): Promise<void> {
  world.told.length = 0
  world.mails.length = 0
  store.hold()
  const { status, body } = await work()
  expect([status, body.code]).toEqual([503, 'unavailable'])
  expect(body.detail).toMatch(/cannot say/)
  expect(store.waiting).toBe(1)
  await settled()
  expect([world.told, world.mails]).toEqual([[], []])
  store.goOn()
}

/** A post with a token that was fetched before. */
async function poster(client: Client, tokenFrom: string) {
  const { csrfToken } = (await client.get(tokenFrom)).body
  return (path: string, body: object = {}) =>
    client.send('POST', path, { ...body }, { 'x-csrf-token': csrfToken })
}

describe('a recovery that is on record too late for its request', () => {
  test('asked for: the owner has the mail, once, with the link that stops it', async () => {
    const { world, requests } = await heldWorld()
    const client = await pending(world)
    const post = await poster(client, '/two-factor/challenge')
    await late(world, requests, () => post('/two-factor/recovery', right))
    await until(() => world.mails.length > 0)
    expect(toldOf(world, 'u-alice')).toEqual(['recovery-requested'])
    expect(world.told[0]?.ip).toMatch(/127\.0\.0\.1/)
    // Whoever tries again finds it on record.
    expect((await post('/two-factor/recovery', right)).status).toBe(202)
    await settled()
    expect(mailsTo(world, 'alice@example.com')).toEqual(['Acme: Somebody asks to recover your account'])
    const stop = { ticket: ticketOf(world) }
    await late(world, requests, () => new Client(world.app).send('POST', '/two-factor/recovery/cancel', stop))
    await until(() => world.mails.length > 0)
    expect(mailsTo(world, 'alice@example.com')).toEqual(['Acme: The recovery of your account was cancelled'])
  })

  test('approved, and rejected: the owner has the mail, and the audit log the entry', async () => {
    const { world, requests, kept } = await heldWorld()
    await ask(world)
    const admin = await signedIn(world, 'ada')
    const post = await poster(admin, `${ADMIN}/recovery`)
    const [{ id }] = await list(admin)
    const decide = (what: string) => {
      world.clock.nextStep()
      const code = factorOf(world, 'ada').phone.code()
      return post(`${ADMIN}/recovery/${id}/${what}`, { code, reason: 'Called back' })
    }
    const told: Record<string, unknown> = { by: 'u-ada', reason: 'Called back' }
    await late(world, requests, async () => {
      const answer = decide('approve')
      await until(() => world.told.length > 0)
      // The code of the administrator is no part of what is uncertain.
      expect(world.told.splice(0).map(({ name }) => name)).toEqual(['verified'])
      return answer
    })
    await until(() => world.mails.length > 0)
    const effectiveAt = new Date(world.clock.time + DAY * 1000)
    expect(world.told).toMatchObject([{ name: 'recovery-approved', ...told, effectiveAt, approvals: 1 }])
    expect(mailsTo(world, 'alice@example.com')).toEqual(['Acme: The recovery of your account was approved'])
    expect(ticketOf(world)).toMatch(/^[\w-]{43}\./)
    await late(world, requests, async () => {
      const answer = decide('reject')
      await until(() => world.told.length > 0)
      world.told.length = 0
      return answer
    })
    await until(() => world.mails.length > 0)
    expect(world.told).toMatchObject([{ name: 'recovery-rejected', ...told }])
    expect(kept.filter((one) => one.startsWith('recovery'))).toEqual([
      'recovery-requested u-alice',
      'recovery-approved u-alice',
      'recovery-rejected u-alice',
    ])
  })

  test('carried out: told, and the next login enrols', async () => {
    const { world, factors, requests } = await heldWorld()
    await ask(world)
    const admin = await signedIn(world, 'ada')
    const post = await poster(admin, `${ADMIN}/recovery`)
    const [{ id }] = await list(admin)
    world.clock.nextStep()
    const code = factorOf(world, 'ada').phone.code()
    expect((await post(`${ADMIN}/recovery/${id}/approve`, { code, reason: 'r' })).status).toBe(200)
    world.clock.forward(DAY)
    world.told.length = 0
    const { now } = performance
    for (const store of [requests, factors]) {
      store.hold()
      // Without the look the account is as protected as it was.
      expect((await new Client(world.app).login()).body.code).toBe('second_factor_required')
      expect(toldOf(world, 'u-alice')).toEqual(['challenged'])
      world.told.length = 0
      store.goOn()
      await settled()
      // Who comes within five seconds does not ask a store that let somebody wait.
      jest.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 5001)
    }
    await until(() => world.told.length > 0)
    jest.restoreAllMocks()
    expect(toldOf(world, 'u-alice')).toEqual(['recovery-completed'])
    expect((await new Client(world.app).login()).body.code).toBe('enrolment_required')
  })
})

describe('what is on record of an account too late for its request is told all the same', () => {
  test('a reset by an administrator, and by the host', async () => {
    const { world, factors, kept } = await heldWorld()
    const admin = await signedIn(world, 'ada')
    const post = await poster(admin, `${ADMIN}/users`)
    world.clock.nextStep()
    const code = factorOf(world, 'ada').phone.code()
    kept.length = 0
    // The administrator's own code is written, and then the store is slow.
    const write = factors.compareAndSet.bind(factors)
    factors.compareAndSet = async (accountId, ...rest) => {
      if (accountId === 'u-bob') factors.hold()
      return write(accountId, ...rest)
    }
    const refused = await post(`${ADMIN}/users/u-bob/reset`, { code, reason: 'Called' })
    expect([refused.status, kept]).toEqual([503, ['verified u-ada']])
    factors.goOn()
    await until(() => kept.length > 1)
    expect(world.told.at(-1)).toMatchObject({
      name: 'reset',
      accountId: 'u-bob',
      wasEnabled: true,
      by: 'u-ada',
      reason: 'Called',
    })
    await until(() => mailsTo(world, 'bob@example.com').length > 0)

    factors.hold()
    const calls = [world.secondFactor.reset('u-alice'), world.secondFactor.revokeSessions('u-grace')].map(
      (call) => expect(call).rejects.toMatchObject({ code: 'unavailable', uncertain: true }),
    )
    await Promise.all(calls)
    expect(kept).toHaveLength(2)
    factors.goOn()
    await until(() => kept.length === 4)
    expect(kept.slice(2).sort()).toEqual(['reset u-alice', 'sessions-revoked u-grace'])
  })

  test('new backup codes, a new phone, devices, turned off, and turned on', async () => {
    const { world, factors } = await heldWorld()
    const phone = factorOf(world, 'alice').phone
    await trust(new Client(world.app), phone, world.clock)
    const client = await signedIn(world, 'alice')
    const post = await poster(client, '/two-factor')
    const told = async (...names: string[]) => {
      await until(() => world.told.length >= names.length)
      expect(toldOf(world, 'u-alice')).toEqual(names)
      await until(() => world.mails.length > 0 || names[0] === 'device-revoked')
    }
    await late(world, factors, () => post('/two-factor/backup-codes'))
    await told('backup-codes-regenerated')
    await late(world, factors, () => post('/two-factor/devices/revoke'))
    await told('device-revoked')
    const { secret } = (await post('/two-factor/replace')).body
    const next = new Authenticator(secret, world.clock.now)
    await late(world, factors, () => post('/two-factor/replace/confirm', { code: next.code() }))
    await told('replaced')
    // Its session was of the time before.
    world.clock.nextStep()
    await client.login()
    expect((await client.challenge(next.code())).status).toBe(200)
    world.clock.nextStep()
    const again = await poster(client, '/two-factor')
    await late(world, factors, () => again('/two-factor/disable', { code: next.code() }))
    await told('disabled')
    expect((await world.secondFactor.status('u-alice')).enabled).toBe(false)
    const without = new Client(world.app)
    await without.login()
    const enable = await poster(without, '/two-factor')
    const begun = await enable('/two-factor/enable')
    const first = new Authenticator(begun.body.secret, world.clock.now)
    await late(world, factors, () => enable('/two-factor/enable/confirm', { code: first.code() }))
    await told('enabled')
    expect((await world.secondFactor.status('u-alice')).enabled).toBe(true)
  })

  test('a code signs nobody in: that it is used is told, and no proof', async () => {
    const { world, factors } = await heldWorld()
    const client = await pending(world)
    const post = await poster(client, '/two-factor/challenge')
    const [code] = factorOf(world, 'alice').backupCodes
    await late(world, factors, () => post('/two-factor/challenge', { code }))
    await until(() => world.told.length > 0)
    await settled()
    expect(world.told).toMatchObject([{ name: 'backup-code-used', accountId: 'u-alice', remaining: 4 }])
    expect((await client.get('/vault')).body.code).toBe('second_factor_required')
  })

  test('a lock reaches the owner', async () => {
    const { world, factors } = await heldWorld()
    const client = await pending(world)
    const post = await poster(client, '/two-factor/challenge')
    const guess = () => post('/two-factor/challenge', { code: factorOf(world, 'alice').phone.wrongCode() })
    for (let i = 0; i < 4; i++) expect((await guess()).status).toBe(401)
    await late(world, factors, guess)
    await until(() => world.mails.length > 0)
    expect(toldOf(world, 'u-alice')).toEqual(['failed', 'locked'])
    expect(mailsTo(world, 'alice@example.com')).toHaveLength(1)
  })
})
