import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { auditSql, type SecondFactorEvent, type SecondFactorOptions } from 'express-second-factor'
import { createTestApp, type TestAppOptions, type User, users } from '../support/app'
import { Client, enrol } from '../support/client'
import { createEnrolledApp, signIn } from '../support/enrolled'
import { blocksOf, page, runBlock } from './blocks'

jest.setTimeout(60_000)

const doc = page('events.md')

/** Names and fields, as the page's table has them. */
const table = Object.fromEntries(
  [...doc.matchAll(/^\| `([\w-]+)` \|(.*?)\|/gm)].map(([, name, fields = '']) => [
    name as string,
    [...fields.matchAll(/`(\w+)`/g)].map(([, field]) => field as string).sort(),
  ]),
)

test('the table has every event of EventDetails with its fields, and no other', () => {
  const source = readFileSync(join(__dirname, '../../lib/events/events.ts'), 'utf8')
  const [, body = ''] = /export interface EventDetails \{\n([\s\S]*?)\n\}/.exec(source) ?? []
  const declared = Object.fromEntries(
    [...body.matchAll(/^ {2}'?([\w-]+)'?: (?:object|\{(.*)\})$/gm)].map(([, name, fields = '']) => [
      name as string,
      [...fields.matchAll(/(\w+):/g)].map(([, field]) => field as string).sort(),
    ]),
  )
  expect(Object.keys(declared).length).toBe(body.split('\n').filter((line) => !line.includes('*')).length)
  expect(table).toEqual(declared)
})

test('it shows the statements that SqlAuditLog runs', () => {
  const [shown] = blocksOf(doc, '## On record', 'sql')
  const run = (['sqlite', 'postgres', 'mysql'] as const).map((dialect) =>
    auditSql(dialect)
      .map((one) => `${one};\n`)
      .join(''),
  )
  expect(shown?.split(/^-- .*\n/m)).toEqual(['', ...run])
})

test('it is short', () => expect(doc.trim().split('\n').length).toBeLessThan(120))

/** An app whose every event is kept, to be compared with what the page says. */
function listening<T extends Awaited<ReturnType<typeof createEnrolledApp>>>(made: T) {
  const heard: SecondFactorEvent[] = []
  made.secondFactor.events.on('*', (event) => heard.push(event))
  return { ...made, heard }
}

async function wholeLife() {
  const { app, phone, backupCodes, clock, secondFactor, heard } = listening(
    await createEnrolledApp({
      secondFactor: {
        trustedDevices: { maxAge: '30d' },
        policy: (user) => (user.id === 'u-bob' ? 'required' : 'optional'),
      },
    }),
  )
  const client = new Client(app)
  clock.nextStep()
  await client.login()
  for (let time = 0; time < 5; time++) await client.challenge(phone.wrongCode(time))
  clock.forward(3600)
  await client.post('/two-factor/challenge', { code: phone.code(), trustDevice: '1' })
  await new Client(app).login('bob')
  const other = new Client(app)
  await other.login()
  await other.challenge(backupCodes[0])
  await other.post('/two-factor/backup-codes', {}, '/two-factor')
  await other.post('/two-factor/devices/revoke', {}, '/two-factor')
  clock.nextStep()
  await other.post('/two-factor/disable', { code: phone.code() })
  await secondFactor.revokeSessions('u-alice')
  await secondFactor.reset('u-alice')
  await secondFactor.forget('u-alice')
  return heard
}

test('what an account goes through has the fields of the table, and nothing else', async () => {
  const heard = await wholeLife()
  expect(new Set(heard.map(({ name }) => name)).size).toBeGreaterThanOrEqual(11)
  for (const { name, accountId, at, requestId, ip, ...details } of heard) {
    expect([name, Object.keys(details).sort()]).toEqual([name, table[name]])
    expect(at).toBeInstanceOf(Date)
    expect(accountId).toMatch(/^u-(alice|bob)$/)
  }
})

describe('the column for isEnrolled', () => {
  const [code = ''] = blocksOf(doc, '## Your own column')
  const setUp = async (options: TestAppOptions = {}) => {
    const rows: Record<string, { hasTwoFactor?: boolean }> = { 'u-alice': {}, 'u-bob': {} }
    const isEnrolled: SecondFactorOptions<User>['isEnrolled'] = ({ id }) => rows[id]?.hasTwoFactor === true
    const made = createTestApp({
      ...options,
      secondFactor: { isEnrolled, onUnavailable() {}, revalidateAfter: 0 },
    })
    const update = (id: string, values: object) => Object.assign(rows[id] as object, values)
    runBlock(code, { secondFactor: made.secondFactor, users: { update } })
    const owner = new Client(made.app)
    const { authenticator } = await enrol(owner, made.clock.now)
    return { ...made, rows, owner, authenticator }
  }
  const loginStatus = async ({ app }: Awaited<ReturnType<typeof setUp>>) =>
    (await new Client(app).login()).status

  test('says yes after enabling: an emptied store is 503', async () => {
    const world = await setUp()
    expect(world.rows).toEqual({ 'u-alice': { hasTwoFactor: true }, 'u-bob': {} })
    await world.store.delete?.('u-alice')
    expect(await loginStatus(world)).toBe(503)
  })

  test('says no after disabling, reset and forget: the password logs in', async () => {
    const disabled = await setUp()
    disabled.clock.nextStep()
    await disabled.owner.post('/two-factor/disable', { code: disabled.authenticator.code() })
    const reset = await setUp()
    await reset.secondFactor.reset('u-alice')
    const forgotten = await setUp()
    await forgotten.secondFactor.forget('u-alice')
    for (const world of [disabled, reset, forgotten]) {
      expect(world.rows['u-alice']).toEqual({ hasTwoFactor: false })
      expect(await loginStatus(world)).toBe(302)
    }
  })

  test('that missed an update: as the page says', async () => {
    const [disabled, reset, forgotten, enabled] = [await setUp(), await setUp(), await setUp(), await setUp()]
    disabled.clock.nextStep()
    await disabled.owner.post('/two-factor/disable', { code: disabled.authenticator.code() })
    await reset.secondFactor.reset('u-alice')
    await forgotten.secondFactor.forget('u-alice')
    for (const { rows } of [disabled, reset, forgotten]) rows['u-alice'] = { hasTwoFactor: true }
    enabled.rows['u-alice'] = { hasTwoFactor: false }
    expect([await loginStatus(disabled), await loginStatus(reset), await loginStatus(forgotten)]).toEqual([
      302, 302, 503,
    ])
    expect((await new Client(enabled.app).login()).body.code).toBe('second_factor_required')
  })
})

test('the first lines stop what they began', async () => {
  const warnOwner = jest.fn()
  const { app, phone, secondFactor } = await createEnrolledApp()
  const [code = ''] = blocksOf(doc, '# Events')
  const { off } = runBlock(code, { secondFactor, warnOwner }, { returns: ['off'] })
  const client = new Client(app)
  await client.login()
  for (let time = 0; time < 5; time++) await client.challenge(phone.wrongCode(time))
  expect(warnOwner.mock.calls).toEqual([['u-alice', 'totp', expect.any(Date), expect.any(String)]])
  ;(off as () => void)()
  await secondFactor.reset('u-alice')
  expect(warnOwner).toHaveBeenCalledTimes(1)
})

test('the recipes: a login makes log lines and counts', async () => {
  const pino = require('pino')
  const lines: Record<string, unknown>[] = []
  const sink = { write: (line: string) => lines.push(JSON.parse(line)) }
  const modules = { pino: () => pino({}, sink) }
  const { app, phone, backupCodes, clock } = await createEnrolledApp({
    routes(app, secondFactor) {
      for (const heading of ['## A log line', '## Counters'])
        for (const code of blocksOf(doc, heading)) runBlock(code, { app, secondFactor }, { modules })
    },
  })
  const client = new Client(app)
  await client.login()
  const wrong = phone.wrongCode()
  await client.challenge(wrong)
  await client.challenge(backupCodes[0])
  await signIn(new Client(app), phone, clock)

  const alice = {
    accountId: (users.alice as User).id,
    ip: expect.stringMatching(/127\.0\.0\.1$/),
    msg: 'second factor',
  }
  const login = { purpose: 'login' }
  expect(lines).toEqual(
    [
      { level: 30, event: 'challenged' },
      { level: 40, event: 'failed', method: 'totp', ...login },
      { level: 30, event: 'verified', method: 'backup-code', ...login },
      { level: 30, event: 'backup-code-used', remaining: 4 },
      { level: 30, event: 'challenged' },
      { level: 30, event: 'verified', method: 'totp', ...login },
    ].map((fields) => ({
      ...alice,
      ...fields,
      time: expect.any(Number),
      pid: expect.any(Number),
      hostname: expect.any(String),
    })),
  )
  const metrics = await client.get('/metrics')
  expect(metrics.type).toBe('text/plain')
  expect(
    metrics.text
      .split('\n')
      .filter((line) => line.startsWith('second_factor'))
      .sort(),
  ).toEqual([
    'second_factor_events_total{event="backup-code-used",method=""} 1',
    'second_factor_events_total{event="challenged",method=""} 2',
    'second_factor_events_total{event="failed",method="totp"} 1',
    'second_factor_events_total{event="verified",method="backup-code"} 1',
    'second_factor_events_total{event="verified",method="totp"} 1',
  ])
  for (const secret of [wrong, backupCodes[0] as string]) expect(JSON.stringify(lines)).not.toContain(secret)
})

test('every level of the log recipe is of an event that there is', () => {
  const [code = ''] = blocksOf(doc, '## A log line')
  const { levels } = runBlock(
    code,
    { secondFactor: { events: { on() {} } } },
    { modules: { pino: () => ({}) }, returns: ['levels'] },
  )
  expect(Object.keys(table)).toEqual(expect.arrayContaining(Object.keys(levels as object)))
})
