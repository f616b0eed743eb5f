import { randomBytes } from 'node:crypto'
import { enrol } from '../../lib/account/enrolment'
import { AccountRecords } from '../../lib/account/records'
import { base32 } from '../../lib/authenticators/base32'
import { stepAt } from '../../lib/authenticators/totp'
import { Keyring } from '../../lib/crypto/keyring'
import type { SecondFactorStore } from '../../lib/stores/store'
import { KEY, users } from './app'
import { Authenticator } from './authenticator'
import type { Clock } from './clock'

export interface Member {
  username: string
  phone: Authenticator
}

/** Makes users of the test app known to it: `member-0`, `member-1`, ... */
export function addMembers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const username = `member-${index}`
    users[username] = { id: `u-${username}`, email: `${username}@example.com` }
    return username
  })
}

/** Many accounts with an authenticator, written by the rules but without the pages. This step's code is used. */
export async function enrolCrowd(store: SecondFactorStore, count: number, clock: Clock): Promise<Member[]> {
  const records = new AccountRecords(store, new Keyring([KEY]), clock.now, 60_000)
  const nobodyKnows = { salt: 'c2FsdA==', hashes: [], total: 0, generatedAt: clock.now() }
  const usernames = addMembers(count)
  const members: Member[] = []
  // As many at once as a pool has connections: whoever waits for one has a time limit.
  const work = async () => {
    for (let username = usernames.shift(); username !== undefined; username = usernames.shift()) {
      const secret = randomBytes(20)
      await records.transact(`u-${username}`, (record, now) =>
        enrol(record, { secret, step: stepAt(now), clockSide: 0 }, nobodyKnows, now),
      )
      members.push({ username, phone: new Authenticator(base32(secret), clock.now) })
    }
  }
  await Promise.all(Array.from({ length: 10 }, work))
  return members
}
