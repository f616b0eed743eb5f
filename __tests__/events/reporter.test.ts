import type { Request } from 'express'
import { SecondFactorEvents } from '../../lib/events/events'
import { originOf, Reporter } from '../../lib/events/reporter'
import { Clock } from '../support/clock'

function world(origin: (req: Request) => unknown = originOf) {
  const clock = new Clock()
  const events = new SecondFactorEvents()
  const told: unknown[] = []
  events.on('*', (event) => told.push(event))
  return { clock, told, reporter: new Reporter(events, clock.now, origin as typeof originOf) }
}

const req = { id: 'req-1', ip: '192.0.2.7' } as unknown as Request

test('an event has its account, its time, its details, and where the request came from', () => {
  const { reporter, told, clock } = world()
  reporter.tell(req, 'verified', 'u-alice', { method: 'totp', purpose: 'login' })
  const event = {
    name: 'verified',
    accountId: 'u-alice',
    at: new Date(clock.time),
    requestId: 'req-1',
    ip: '192.0.2.7',
  }
  expect(told).toEqual([{ ...event, method: 'totp', purpose: 'login' }])
})

test('what the host did in its own code comes from nowhere', () => {
  const { reporter, told, clock } = world()
  reporter.tell(null, 'reset', 'u-alice', { wasEnabled: true, by: null, reason: null })
  expect(told).toEqual([
    {
      name: 'reset',
      accountId: 'u-alice',
      at: new Date(clock.time),
      wasEnabled: true,
      by: null,
      reason: null,
    },
  ])
})

describe('a failure', () => {
  const failed = { method: 'totp', purpose: 'step-up' } as const
  const tell = (lock?: { until: number | null } | null) => {
    const { reporter, told } = world()
    reporter.tellFailure(req, 'u-alice', { ...failed, lock })
    return told
  }

  test.each([[undefined], [null]])('that locks nothing (%s) is one event', (lock) => {
    expect(tell(lock)).toEqual([expect.objectContaining({ name: 'failed', ...failed })])
  })

  test('that locks is two, the second with its end', () => {
    expect(tell({ until: 1_800_000_000_000 })).toEqual([
      expect.objectContaining({ name: 'failed', ...failed }),
      expect.objectContaining({
        name: 'locked',
        method: 'totp',
        until: new Date(1_800_000_000_000),
        ip: req.ip,
      }),
    ])
  })

  test('that suspends is two, the second without an end', () => {
    const [first, second, ...others] = tell({ until: null })
    expect(first).toMatchObject({ name: 'failed', ...failed })
    expect(second).toMatchObject({ name: 'suspended', method: 'totp' })
    expect(second).not.toHaveProperty('until')
    expect(others).toEqual([])
  })
})

describe('where a request came from', () => {
  test.each<[string, object, object]>([
    ['req.id and req.ip', { id: 'req-1', ip: '192.0.2.7' }, { requestId: 'req-1', ip: '192.0.2.7' }],
    ['a number for an id, as pino-http has it', { id: 7, ip: '::1' }, { requestId: '7', ip: '::1' }],
    ['an id of another kind is none', { id: { toString: () => 'x' }, ip: '::1' }, { ip: '::1' }],
    ['no id, no address', {}, {}],
  ])('by default: %s', (_what, given, origin) => {
    expect(originOf(given as unknown as Request)).toEqual(origin)
  })

  test('as option eventOrigin says, which is given the request', () => {
    const { reporter, told } = world((given) => ({ ip: `${(given as Request).ip}!` }))
    reporter.tell(req, 'disabled', 'u-alice', {})
    expect(told).toEqual([expect.objectContaining({ ip: '192.0.2.7!', requestId: undefined })])
  })

  test('is nowhere when eventOrigin fails or says nothing: the event is told all the same', () => {
    const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const failing = world(() => {
      throw new Error('no proxy')
    })
    failing.reporter.tell(req, 'disabled', 'u-alice', {})
    expect(failing.told).toEqual([expect.objectContaining({ name: 'disabled', ip: undefined })])
    expect(warnings.mock.calls).toEqual([
      ['Option eventOrigin failed: no proxy', expect.objectContaining({ code: 'SF_LISTENER' })],
    ])
    warnings.mockRestore()
    const silent = world(() => undefined)
    silent.reporter.tell(req, 'disabled', 'u-alice', {})
    expect(silent.told).toHaveLength(1)
  })
})
