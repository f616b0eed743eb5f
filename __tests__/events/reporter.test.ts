import type { Request } from 'express'
import { keepForLate } from '../../lib/account/late'
import { UnavailableError } from '../../lib/errors'
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

describe('what may come late', () => {
  /** Fails like a call whose time was up, and whose write is known to be on record once `land` is called. */
  function slow() {
    const error = new UnavailableError('The factor store did not answer in time')
    let land = () => {}
    const landed = new Promise<string>((resolve) => {
      land = () => resolve('done')
    })
    keepForLate(error, () => landed)
    return { error, land, work: Promise.reject(error) as Promise<string> }
  }

  test('is told at once where it comes in time', async () => {
    const { reporter } = world()
    const tell = jest.fn()
    expect(await reporter.evenIfLate(req, Promise.resolve('done'), tell)).toBe('done')
    expect(tell.mock.calls).toEqual([['done', false]])
  })

  test('fails, and is told once it is on record, with where the request came from then', async () => {
    const { reporter, told } = world()
    const { error, land, work } = slow()
    // An address that is gone with its connection.
    const gone: { ip?: string | undefined } = { ip: '192.0.2.7' }
    const request = gone as unknown as Request
    const tell = jest.fn(() => reporter.tell(request, 'disabled', 'u-alice', {}))
    await expect(reporter.evenIfLate(request, work, tell)).rejects.toBe(error)
    delete gone.ip
    await new Promise(setImmediate)
    expect(told).toEqual([])
    land()
    await new Promise(setImmediate)
    expect(tell.mock.calls).toEqual([['done', true]])
    expect(told).toMatchObject([{ name: 'disabled', ip: '192.0.2.7' }])
  })

  test('ends no process where telling of it fails', async () => {
    const { reporter } = world()
    const { error, land, work } = slow()
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const tell = () => {
      throw new Error('of a listener')
    }
    await expect(reporter.evenIfLate(null, work, tell)).rejects.toBe(error)
    land()
    await new Promise(setImmediate)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('of a listener'), expect.anything())
    warn.mockRestore()
  })

  test('is no news where it fails for another reason', async () => {
    const { reporter } = world()
    const tell = jest.fn()
    const error = new Error('of the host')
    await expect(reporter.evenIfLate(null, Promise.reject(error), tell)).rejects.toBe(error)
    expect(tell).not.toHaveBeenCalled()
  })
})
