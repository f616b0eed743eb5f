import type { Request } from 'express'
import type { Accounts } from '../account/accounts'
import type { Policy } from '../options'
import type { Settings } from '../settings'
import { type Demand, demandOf, isHeldBy } from './demand'

/** What a policy would mean for one user. */
export interface PolicyPreview<User> extends Demand {
  user: User
  accountId: string
  /** Has a second factor already. */
  enrolled: boolean
  /** Could do nothing but enrol at the next request. */
  held: boolean
}

/**
 * Goes through users and tells of each what a policy would mean, before it is turned on. Options `skip` and `isEnrolled`
 * are not asked: there is no request.
 *
 * @throws UnavailableError
 */
export async function* previewPolicy<User>(
  settings: Settings,
  accounts: Accounts,
  users: Iterable<User> | AsyncIterable<User>,
  policy: (user: User, req: Request) => Policy | Promise<Policy>,
): AsyncGenerator<PolicyPreview<User>> {
  for await (const user of users) {
    const { id: accountId } = settings.account(user)
    const { enabled: enrolled, mustEnrol } = await accounts.status(accountId)
    const asked = demandOf(await policy(user, undefined as unknown as Request), settings.now())
    // After a recovery, whatever the policy says.
    const demand = mustEnrol && !enrolled ? { required: true, graceUntil: null } : asked
    yield { user, accountId, enrolled, ...demand, held: !enrolled && isHeldBy(demand) }
  }
}
