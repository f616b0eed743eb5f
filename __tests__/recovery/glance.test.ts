import type { SecondFactorStore, StoredRecord } from 'express-second-factor'
import type { Accounts } from '../../lib/account/accounts'
import { Keyring } from '../../lib/crypto/keyring'
import { Glance } from '../../lib/recovery/glance'
import { Recoveries, RecoveryRecords } from '../../lib/recovery/recoveries'
import { approve as approveRequest, NO_RECOVERY } from '../../lib/recovery/request'
import { KEY } from '../support/app'
import { Client } from '../support/client'
import { Clock } from '../support/clock'
import { FaultyStore } from '../support/faulty-store'
import { createWorld, factorOf } from './world'

/** A store that counts the questions, and answers them as it is told to. */
function asked(get: () => Promise<StoredRecord | null>) {
  const store = { gets: 0, get: () => get(), compareAndSet: async () => true }
  store.get = () => {
    store.gets++
    return get()
  }
  return store
}

const glanceAt = (store: SecondFactorStore, patience = 30) =>
  new Glance(new RecoveryRecords(store, new Keyring([KEY]), Date.now, 60_000), patience)

const never = () => new Promise<never>(() => {})

test('a store that lets one wait in vain is named, and not asked again at once', async () => {
  const store = asked(never)
  const glance = glanceAt(store)
  await expect(glance.at('a')).rejects.toThrow('The store of option recovery did not answer in time')
  expect(await glance.at('a')).toBeNull()
  expect(await glance.at('b')).toBeNull()
  expect(store.gets).toBe(1)
})

test('it is asked again some seconds later', async () => {
  const store = asked(never)
  const glance = glanceAt(store)
  await expect(glance.at('a')).rejects.toThrow('in time')
  const now = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 5001)
  store.get = async () => null
  expect(await glance.at('a')).toEqual(NO_RECOVERY)
  now.mockRestore()
})

test('one that says at once that it is away keeps nobody waiting, and is asked each time', async () => {
  const store = asked(() => Promise.reject(new Error('refused')))
  const glance = glanceAt(store, 10_000)
  for (let i = 0; i < 2; i++) {
    await expect(glance.at('a')).rejects.toThrow('The store of option recovery does not answer')
  }
  expect(store.gets).toBe(2)
})

describe('a request that reads quickly', () => {
  const DAY = 86_400_000
  const status = { enabled: true, since: 1, lastUsedAt: null }
  /** An account that has asked, and a store that can be made to hang. */
  async function world() {
    const store = new FaultyStore()
    const clock = new Clock()
    const records = new RecoveryRecords(store, new Keyring([KEY]), clock.now, 60_000)
    const terms = { approvals: 1, delay: DAY }
    const recoveries = new Recoveries(records, {} as Accounts, terms, clock.now, () => {})
    await recoveries.ask('a', { phone: '1' }, status)
    const key = (await records.read('a')).request?.key as string
    const approve = () =>
      records.transact('a', (record, now) =>
        approveRequest(
          record,
          { key, by: 'ada', reason: '', accountId: 'a', ticket: '' },
          terms,
          status,
          now,
        ),
      )
    return { store, clock, records, recoveries, approve }
  }

  test('is shown without a write', async () => {
    const { store, recoveries } = await world()
    const write = jest.spyOn(store, 'compareAndSet')
    const used = { ...status, lastUsedAt: 2 }
    expect(await recoveries.openView('a', used)).toBeNull()
    expect(write).not.toHaveBeenCalled()
  })

  test('and is due is not waited for where it cannot be claimed, nor is the store asked again at once', async () => {
    const { store, clock, recoveries, approve } = await world()
    await approve()
    clock.time += DAY
    store.compareAndSet = never
    await expect(recoveries.complete('a', status)).rejects.toMatchObject({
      message: 'The store of option recovery did not answer in time',
      accountId: 'a',
    })
    const get = jest.spyOn(store, 'get')
    expect(await recoveries.complete('a', status)).toBeNull()
    expect(get).not.toHaveBeenCalled()
  })

  test('nor where its account stands in a long line', async () => {
    const { clock, records, recoveries, approve } = await world()
    await approve()
    clock.time += DAY
    let end = () => {}
    const first = records.transact(
      'a',
      (record) => ({ record, outcome: null }),
      () => new Promise<void>((resolve) => (end = resolve)),
    )
    await expect(recoveries.complete('a', status)).rejects.toThrow('in time')
    end()
    await first
    // It is too late: nothing is sent any more.
    expect((await records.read('a')).request?.state).toBe('approved')
  })
})

test('a login, its challenge and the settings do not wait for it: the account is as protected as it was', async () => {
  class Hanging extends FaultyStore {
    hangs = false
    override get(accountId: string) {
      return this.hangs ? never() : super.get(accountId)
    }
  }
  const requests = new Hanging()
  const seen: string[] = []
  // The stores have half a minute: longer than this test.
  const world = await createWorld(
    { store: requests },
    { onUnavailable: ({ message }) => void seen.push(message) },
  )
  requests.hangs = true
  const client = new Client(world.app)
  expect((await client.login()).body.code).toBe('second_factor_required')
  expect((await client.get('/two-factor/challenge')).status).toBe(200)
  world.clock.nextStep()
  expect((await client.challenge(factorOf(world, 'alice').phone.code())).status).toBe(200)
  const { status, body } = await client.get('/two-factor')
  expect([status, body.recovery]).toEqual([200, null])
  expect(new Set(seen)).toEqual(new Set(['The store of option recovery did not answer in time']))
}, 20_000)
