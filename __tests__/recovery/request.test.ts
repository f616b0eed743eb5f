import fc from 'fast-check'
import { recover } from '../../lib/account/enrolment'
import { EMPTY_RECORD } from '../../lib/account/record'
import { DEFAULT_FIELDS, readAnswers } from '../../lib/recovery/fields'
import {
  approve,
  ask,
  cancel,
  claim,
  type FactorUse,
  isForgettable,
  isOpen,
  judgeAnswers,
  NO_RECOVERY,
  parseRecovery,
  type RecoveryRecord,
  type RecoveryState,
  reject,
  serializeRecovery,
  stateByTicket,
  stateOf,
} from '../../lib/recovery/request'
import {
  hashOfTicket,
  join,
  newRequestKey,
  newTicket,
  readRequestId,
  readTicket,
} from '../../lib/recovery/ticket'
import { anyCharacter } from '../support/any-text'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.UTC(2026, 4, 3)
const factor: FactorUse = { enabled: true, since: START - DAY, lastUsedAt: START - HOUR }
const answers = { phone: '1' }
const terms = { approvals: 1, delay: DAY }

const asked = (now = START, record = NO_RECOVERY, key = 'key-1') =>
  ask(record, { key, answers, ticket: `ticket of ${key}` }, factor, now)
const approved = (record: RecoveryRecord, by = 'ada', now = START, how = terms) =>
  approve(record, { key: 'key-1', by, reason: 'r', accountId: 'alice', ticket: `by ${by}` }, how, factor, now)
const rejected = (record: RecoveryRecord, by = 'ada', now = START) =>
  reject(record, { key: 'key-1', by, accountId: 'alice' }, factor, now)
const stateAt = ({ request }: RecoveryRecord, now: number, use = factor) =>
  request && stateOf(request, use, now)

describe('a request', () => {
  test('is open for seven days', () => {
    const { record, outcome } = asked()
    expect(outcome).toMatchObject({ asked: 'new', request: { state: 'requested', answers, askedAt: START } })
    expect(stateAt(record, START + 7 * DAY - 1)).toBe('requested')
    expect(stateAt(record, START + 7 * DAY)).toBe('expired')
  })

  test('is the only open one, and the very same record', () => {
    const { record } = asked()
    expect(asked(START + 1, record, 'key-2')).toEqual({ record, outcome: { asked: 'before' } })
    const next = asked(START + 7 * DAY, record, 'key-2')
    expect(next.outcome).toMatchObject({ asked: 'new', request: { key: 'key-2' } })
    expect(stateByTicket(next.record, 'ticket of key-1', factor, START + 7 * DAY)).toBe('expired')
    expect(stateByTicket(next.record, 'ticket of key-3', factor, START + 7 * DAY)).toBeNull()
  })

  test('of five in a day the next one waits until the first is a day old', () => {
    let record = NO_RECOVERY
    for (let i = 0; i < 5; i++) {
      record = asked(START + i * HOUR, record).record
      record = cancel(record, null, factor, START + i * HOUR).record
    }
    const refused = asked(START + 5 * HOUR, record)
    expect(refused).toEqual({ record, outcome: { asked: 'too-often', until: START + DAY } })
    expect(asked(START + DAY - 1, record).outcome.asked).toBe('too-often')
    expect(asked(START + DAY, record).outcome.asked).toBe('new')
  })

  test('is void once a code was accepted, or nothing is left to recover', () => {
    const { record } = asked()
    expect(stateAt(record, START)).toBe('requested')
    expect(stateAt(record, START, { ...factor, lastUsedAt: START + 1 })).toBe('withdrawn')
    const off = { enabled: false, since: null, lastUsedAt: START + 1, disabledAt: START + 2 }
    expect(stateAt(record, START, off)).toBe('withdrawn')
    expect(stateAt(record, START, { ...off, lastUsedAt: null })).toBe('reset')
    expect(stateAt(record, START, { ...off, lastUsedAt: null, disabledAt: null })).toBe('withdrawn')
    expect(stateAt(approved(record).record, START + DAY, { ...factor, lastUsedAt: START + 1 })).toBe(
      'withdrawn',
    )
  })

  test('takes a verdict on its own answers only, and only while it is open', () => {
    const { record } = asked()
    expect(judgeAnswers(record, 'key-1', true).record.request?.matches).toBe(true)
    expect(judgeAnswers(record, 'key-2', true).record).toBe(record)
    const over = cancel(record, null, factor, START).record
    expect(judgeAnswers(over, 'key-1', true).record).toBe(over)
  })
})

describe('a decision', () => {
  test('counts from the last approval that is needed', () => {
    const two = { approvals: 2, delay: DAY }
    const first = approved(asked().record, 'ada', START + HOUR, two).record
    expect(first.request).toMatchObject({ state: 'requested', effectiveAt: null })
    expect(approved(first, 'ada', START + 2 * HOUR, two)).toEqual({
      record: first,
      outcome: { decided: false, reason: 'same-administrator' },
    })
    const second = approved(first, 'grace', START + 3 * HOUR, two).record
    expect(second.request).toMatchObject({ state: 'approved', effectiveAt: START + 3 * HOUR + DAY })
    expect(second.request?.tickets).toEqual(['ticket of key-1', 'by grace'])
    expect(approved(second, 'joan', START + 4 * HOUR, two).outcome).toEqual({
      decided: false,
      reason: 'approved-already',
    })
  })

  test.each([approved, rejected])('is not for its own account, nor about another request', (decide) => {
    const { record } = asked()
    expect(decide(record, 'alice').outcome).toEqual({ decided: false, reason: 'own-account' })
    expect(decide(NO_RECOVERY).outcome).toEqual({ decided: false, reason: 'unknown' })
    expect(decide(asked(START, NO_RECOVERY, 'key-2').record).outcome).toEqual({
      decided: false,
      reason: 'unknown',
    })
  })

  test('no takes back a yes that has not taken effect', () => {
    const { record, outcome } = rejected(approved(asked().record).record, 'grace', START + HOUR)
    expect(outcome.decided).toBe(true)
    expect(record.request).toMatchObject({ state: 'rejected', closedAt: START + HOUR, answers: {} })
  })
})

describe('its time', () => {
  const waiting = approved(asked().record).record

  test('comes after the delay and goes seven days later', () => {
    expect(claim(waiting, factor, START + DAY - 1)).toEqual({ record: waiting, outcome: null })
    const { record, outcome } = claim(waiting, factor, START + DAY)
    expect(outcome).toEqual({ since: factor.since, usedAt: factor.lastUsedAt })
    expect(record.request).toMatchObject({ state: 'completed', factorSince: factor.since, answers: {} })
    expect(claim(waiting, factor, START + 8 * DAY - 1).outcome).not.toBeNull()
    expect(claim(waiting, factor, START + 8 * DAY).outcome).toBeNull()
  })

  test('is answered again for the same factor, and for no other', () => {
    const { record, outcome } = claim(waiting, factor, START + DAY)
    expect(claim(record, factor, START + 30 * DAY)).toEqual({ record, outcome })
    expect(claim(record, { ...factor, since: START + 2 * DAY }, START + 2 * DAY).outcome).toBeNull()
    expect(claim(record, { ...factor, lastUsedAt: START + DAY }, START + 2 * DAY).outcome).toBeNull()
    expect(claim(record, { enabled: false, since: null, lastUsedAt: null }, START + DAY).outcome).toBeNull()
  })

  test('recovers that factor once', () => {
    const totp = { secret: '', clockSide: 0, lastStep: 0, since: factor.since as number } as const
    const enrolled = { ...EMPTY_RECORD, epoch: 7, totp, lastUsedAt: START - HOUR }
    const due = { since: totp.since, usedAt: START - HOUR }
    const done = recover(enrolled, due, START + DAY)
    expect(done.outcome).toBe('now')
    expect(done.record).toEqual({ ...EMPTY_RECORD, epoch: 8, disabledAt: START + DAY, mustEnrol: true })
    expect(recover(done.record, due, START + DAY)).toEqual({
      record: done.record,
      outcome: 'before',
    })
    for (const other of [
      { ...enrolled, totp: { ...totp, since: START + 1 } },
      { ...enrolled, lastUsedAt: START + 1 },
    ]) {
      expect(recover(other, due, START + DAY)).toEqual({ record: other, outcome: 'spared' })
    }
  })
})

test('asks of a process whose clock is a little ahead count among the five of a day', () => {
  let record = NO_RECOVERY
  const ahead = START + 30_000
  for (let i = 0; i < 5; i++)
    record = cancel(asked(ahead, record, `key-${i}`).record, null, factor, ahead).record
  expect(asked(START, record, 'key-6').outcome).toEqual({ asked: 'too-often', until: ahead + DAY })
  // Far ahead is no skew: it was made by a clock that has been set back since.
  const far = { ...record, asked: record.asked.map(() => START + HOUR) }
  expect(asked(START, far, 'key-6').outcome).toMatchObject({ asked: 'new' })
})

describe('the ticket of an earlier request', () => {
  test.each<[RecoveryState, (record: RecoveryRecord) => RecoveryRecord, number]>([
    ['cancelled', (record) => cancel(record, null, factor, START).record, START],
    ['rejected', (record) => rejected(record).record, START],
    ['completed', (record) => claim(approved(record).record, factor, START + DAY).record, START + DAY],
    ['expired', (record) => record, START + 7 * DAY],
  ])('says what became of it: %s', (state, end, at) => {
    const again = asked(at, end(asked().record), 'key-2').record
    expect(again.request?.key).toBe('key-2')
    expect(stateByTicket(again, 'ticket of key-1', factor, at)).toBe(state)
    expect(stateByTicket(again, 'ticket of key-2', factor, at)).toBe('requested')
    const third = asked(at + 7 * DAY, again, 'key-3').record
    expect(stateByTicket(third, 'ticket of key-1', factor, at + 7 * DAY)).toBe(state)
  })

  test('of a record that an earlier version has written is over', () => {
    const old = JSON.stringify({ v: 1, request: null, asked: [START], spent: ['ticket of key-1'] })
    expect(stateByTicket(parseRecovery(old), 'ticket of key-1', factor, START)).toBe('expired')
    expect(stateByTicket(parseRecovery(old), 'another', factor, START)).toBeNull()
  })
})

test('what is over is forgotten after thirty days', () => {
  const { record } = asked()
  expect(isForgettable(record, START + 37 * DAY - 1)).toBe(false)
  expect(isForgettable(record, START + 37 * DAY)).toBe(true)
  const over = cancel(record, null, factor, START + DAY).record
  expect(isForgettable(over, START + 31 * DAY - 1)).toBe(false)
  expect(isForgettable(over, START + 31 * DAY)).toBe(true)
  expect(isForgettable(asked(START + 31 * DAY, over, 'key-2').record, START + 31 * DAY)).toBe(false)
})

test('a record comes back as it was; another form is no record', () => {
  const { record } = approved(asked().record)
  expect(parseRecovery(serializeRecovery(record))).toEqual(record)
  for (const text of ['', '{}', '{"v":2,"asked":[]}', '{"v":1}']) {
    expect(() => parseRecovery(text)).toThrow('form that this version does not know')
  }
})

describe('whatever happens in whatever order', () => {
  type Step =
    | { do: 'ask' | 'cancel' | 'claim' | 'code' }
    | { do: 'approve' | 'reject'; by: string }
    | { do: 'wait'; hours: number }
  const by = fc.constantFrom('alice', 'ada', 'grace')
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('ask', 'claim', 'cancel') }) },
    { weight: 1, arbitrary: fc.constant({ do: 'code' } as const) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('approve'), by }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reject'), by }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('wait'), hours: fc.constantFrom(1, 12, 24, 100, 168) }),
    },
  ) as fc.Arbitrary<Step>

  /** Does the steps; `see` looks at each before and after. */
  function walk(
    steps: Step[],
    needed: number,
    see: (seen: {
      step: Step
      before: RecoveryRecord
      after: RecoveryRecord
      now: number
      use: FactorUse
      due: boolean
    }) => void,
  ) {
    let record = NO_RECOVERY
    let now = START
    let use = factor
    let key = 0
    for (const one of steps) {
      const before = record
      let due = false
      const name = record.request?.key ?? ''
      const about = { key: name, accountId: 'alice', reason: 'r', ticket: `t${now}` }
      if (one.do === 'wait') now += one.hours * HOUR
      if (one.do === 'code') use = { ...use, lastUsedAt: ++now }
      if (one.do === 'ask') {
        record = ask(record, { key: `key-${++key}`, answers, ticket: `ticket-${key}` }, use, now).record
      }
      if (one.do === 'cancel') record = cancel(record, null, use, now).record
      if (one.do === 'approve')
        record = approve(record, { ...about, by: one.by }, { approvals: needed, delay: DAY }, use, now).record
      if (one.do === 'reject') record = reject(record, { ...about, by: one.by }, use, now).record
      if (one.do === 'claim') {
        const claimed = claim(record, use, now)
        due = claimed.outcome !== null
        record = claimed.record
      }
      see({ step: one, before, after: record, now, use, due })
    }
  }

  const some = fc.array(step, { maxLength: 30 })
  const way: Step[] = [
    { do: 'ask' },
    { do: 'approve', by: 'ada' },
    { do: 'approve', by: 'grace' },
    { do: 'wait', hours: 24 },
    { do: 'claim' },
  ]
  /** Anything; and the way that a recovery takes, with a little of anything on it. */
  const steps = fc.oneof(
    some,
    fc
      .tuple(some, ...way.map(() => fc.array(step, { maxLength: 1 })))
      .map(([before, ...between]) => [
        ...before,
        ...way.flatMap((one, i) => [one, ...(between[i] as Step[])]),
      ]),
  )

  test('nothing takes effect without enough approvals of others, a whole day before, and no code since', () => {
    let claims = 0
    fc.assert(
      fc.property(steps, fc.constantFrom(1, 2), (some, needed) => {
        walk(some, needed, ({ before, now, use, due }) => {
          if (!due) return
          claims++
          const { approvals, askedAt } = before.request as NonNullable<RecoveryRecord['request']>
          expect(new Set(approvals.map((one) => one.by)).size).toBeGreaterThanOrEqual(needed)
          expect(approvals.map((one) => one.by)).not.toContain('alice')
          expect(now - Math.max(...approvals.map(({ at }) => at))).toBeGreaterThanOrEqual(DAY)
          expect(use.lastUsedAt).toBeLessThanOrEqual(askedAt)
        })
      }),
      { numRuns: 600 },
    )
    expect(claims).toBeGreaterThan(20)
  })

  test('what is over stays over: only a new request is open again', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(1, 2), (some, needed) => {
        const ended = new Map<string, RecoveryState>()
        walk(some, needed, ({ after, now, use }) => {
          const { request } = after
          if (!request) return
          const state = stateOf(request, use, now)
          const before = ended.get(request.key)
          if (before) expect(isOpen(state)).toBe(false)
          if (!isOpen(state)) ended.set(request.key, state)
          if (before === 'cancelled' || before === 'rejected') expect(state).toBe(before)
          // What was claimed may still come to nothing, by a code.
          if (before === 'completed') expect(['completed', 'withdrawn']).toContain(state)
        })
      }),
      { numRuns: 300 },
    )
  })

  test('never more than five requests in any day', () => {
    fc.assert(
      fc.property(steps, (some) => {
        const times: number[] = []
        walk(some, 1, ({ before, after, now }) => {
          if (after.request && after.request.key !== before.request?.key) times.push(now)
          expect(times.filter((at) => at > now - DAY).length).toBeLessThanOrEqual(5)
        })
      }),
      { numRuns: 300 },
    )
  })
})

describe('tickets and ids', () => {
  test('name their account, whatever it is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, minLength: 1, maxLength: 255 }), (accountId) => {
        fc.pre(accountId.isWellFormed() && !accountId.includes('\0'))
        const { ticket, hash } = newTicket(accountId)
        const read = readTicket(ticket)
        expect(read?.accountId).toBe(accountId)
        expect(hashOfTicket(read?.key as string)).toBe(hash)
        expect(ticket).not.toContain(hash)
        expect(encodeURIComponent(ticket)).toBe(ticket)
        const key = newRequestKey()
        expect(readRequestId(join({ key, accountId }))).toEqual({ key, accountId })
      }),
    )
  })

  test('have 256 random bits', () => {
    expect(Buffer.from(newTicket('a').ticket.split('.')[0] as string, 'base64url')).toHaveLength(32)
    expect(new Set(Array.from({ length: 100 }, () => newTicket('a').ticket)).size).toBe(100)
  })

  test('are read from nothing else', () => {
    const { ticket } = newTicket('alice')
    const [key] = ticket.split('.')
    const others = [
      undefined,
      null,
      7,
      [ticket],
      {},
      '',
      '.',
      key,
      `${key}.`,
      `${ticket}.`,
      `${ticket}=`,
      ` ${ticket}`,
    ]
    for (const other of [...others, `${key}.YQ==`, `${key}.AA`, `${key}x.YQ`, `${key}.${'YQ'.repeat(900)}`]) {
      expect([other, readTicket(other)]).toEqual([other, null])
    }
    expect(readRequestId(ticket)).toBeNull()
  })
})

test('answers are trimmed, and only those that are asked are kept', () => {
  const given: Record<string, unknown> = { firstName: ' Al ', lastName: '李', phone: '1', other: 'x' }
  expect(readAnswers(DEFAULT_FIELDS, (name) => given[name])).toEqual({
    answers: { firstName: 'Al', lastName: '李', phone: '1' },
    wrong: [],
  })
  for (const bad of ['', ' ', 'a\nb', '\ud800', 'x'.repeat(201), 5, null, ['a']]) {
    expect(readAnswers(['phone'], () => bad)).toEqual({ answers: {}, wrong: ['phone'] })
  }
  expect(readAnswers(['phone'], () => '😀'.repeat(200)).wrong).toEqual([])
})

test('an approval without a moment is never due', () => {
  const { record } = approved(asked().record)
  const request = { ...(record.request as NonNullable<RecoveryRecord['request']>), effectiveAt: null }
  expect(claim({ ...record, request }, factor, START + DAY).outcome).toBeNull()
})
