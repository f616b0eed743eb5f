import type { AuditLog, SecondFactorEvent } from 'express-second-factor'
import { SqlAuditLog } from 'express-second-factor'
import Database from 'libsql'
import { createTestApp } from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'

let warnings: jest.SpyInstance
beforeEach(() => {
  warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
})
afterEach(() => warnings.mockRestore())

test.each<[string, AuditLog['write']]>([
  [
    'rejects',
    async () => {
      throw new Error('disk full')
    },
  ],
  [
    'throws',
    () => {
      throw new Error('disk full')
    },
  ],
  ['never answers', () => new Promise(() => {})],
])('an audit log that %s: enabling, login, a wrong code and disabling go on', async (how, write) => {
  const { app, clock } = createTestApp({ secondFactor: { audit: { write } } })
  const owner = new Client(app)
  const { authenticator } = await enrol(owner, clock.now)
  const client = new Client(app)
  await signIn(client, authenticator, clock)
  expect((await client.get('/vault')).status).toBe(200)
  const other = new Client(app)
  await other.login()
  expect((await other.challenge(authenticator.wrongCode())).status).toBe(401)
  clock.nextStep()
  expect((await client.post('/two-factor/disable', { code: authenticator.code() })).status).toBe(200)
  const told = warnings.mock.calls.filter(([, options]) => options?.code === 'SF_LISTENER')
  if (how === 'never answers') expect(told).toEqual([])
  else expect(told[0]?.[0]).toMatch(/^A listener of the event \S+ failed: disk full$/)
})

test('what happens over HTTP is on record with where it came from, and nothing secret', async () => {
  const database = new Database(':memory:')
  const audit = new SqlAuditLog(database)
  await audit.migrate()
  const { app, phone, backupCodes, clock, secondFactor } = await createEnrolledApp({
    secondFactor: { audit, eventOrigin: (req) => ({ requestId: req.get('x-request-id'), ip: req.ip }) },
  })
  // Each as the last thing that was told, so that what the log has is awaited and not guessed.
  const written: Promise<unknown>[] = []
  const write = jest.spyOn(audit, 'write')
  secondFactor.events.on('*', () => written.push(Promise.resolve(write.mock.results.at(-1)?.value)))

  const client = new Client(app)
  clock.nextStep()
  await client.send(
    'POST',
    '/login',
    { username: 'alice', password: 'correct horse battery staple' },
    { 'x-request-id': 'r'.repeat(5000) },
  )
  const wrong = phone.wrongCode()
  await client.challenge(wrong)
  const [backupCode] = backupCodes as [string]
  expect((await client.challenge(backupCode)).status).toBe(200)
  await secondFactor.revokeSessions('u-alice')
  await Promise.all(written)

  const events = (await audit.list({ accountId: 'u-alice' })).reverse()
  expect(events.map(({ name }) => name)).toEqual([
    'challenged',
    'failed',
    'verified',
    'backup-code-used',
    'sessions-revoked',
  ])
  expect(events[0]).toMatchObject({ requestId: 'r'.repeat(200), ip: expect.stringMatching(/127\.0\.0\.1$/) })
  expect(events[2]).toMatchObject({
    method: 'backup-code',
    purpose: 'login',
  } satisfies Partial<SecondFactorEvent>)
  const rows = JSON.stringify(database.prepare('select * from second_factor_events').all())
  for (const secret of [wrong, backupCode, backupCode.replaceAll('-', ''), 'correct horse'])
    expect(rows).not.toContain(secret)
  database.close()
})
