import { setImmediate as turn } from 'node:timers/promises'
import { isEnrolled } from '../account/record'
import { ConfigurationError, UnavailableError } from '../errors'
import { explained } from './advice'
import type { World } from './command'
import type { Finding } from './doctor'
import { Progress } from './progress'
import type { Opened } from './with-store'
import { count, several, some } from './words'

/** Accounts that `--quick` looks at, and that are listed at once. */
const SAMPLE = 200

interface Tally {
  seen: number
  /** There are more that were not looked at. */
  more: boolean
  older: number
  unreadable: string[]
  enrolled: number
  withoutCodes: string[]
}

/** What goes through the accounts: whether their records open, and who has no backup codes left. */
export async function accountsCheck(opened: Opened, quick: boolean, world: World): Promise<Finding[]> {
  try {
    const tally = await walk(opened, quick, world)
    return [keysFinding(tally), backupCodesFinding(tally)]
  } catch (error) {
    if (!(error instanceof UnavailableError || error instanceof ConfigurationError)) throw error
    // A store of the host's own need not have list().
    const result = error instanceof ConfigurationError ? 'skipped' : 'failed'
    return [
      { name: 'keys', result, message: explained(error, opened.hidden) },
      { name: 'backup codes', result: 'skipped', message: 'the accounts could not be gone through' },
    ]
  }
}

async function walk({ records }: Opened, quick: boolean, { stderr, signal }: World): Promise<Tally> {
  const tally: Tally = { seen: 0, more: false, older: 0, unreadable: [], enrolled: 0, withoutCodes: [] }
  const progress = new Progress(stderr)
  let last: string | null = null
  try {
    for (;;) {
      const rows = await records.list(last, SAMPLE)
      if (rows.length === 0) return tally
      if (tally.seen > 0 && (signal.aborted || quick)) return { ...tally, more: true }
      for (const { accountId, record, current } of rows) {
        tally.seen++
        last = accountId
        if (!record) tally.unreadable.push(accountId)
        else if (!current) tally.older++
        if (!record || !isEnrolled(record)) continue
        tally.enrolled++
        if ((record.backupCodes?.hashes.length ?? 0) === 0) tally.withoutCodes.push(accountId)
      }
      progress.show(tally.seen, `${some(tally.seen, 'account')} looked at`)
      await turn()
    }
  } finally {
    progress.end()
  }
}

function keysFinding({ seen, more, older, unreadable }: Tally): Finding {
  const name = 'keys'
  if (seen === 0) {
    const message =
      'no account has a record: right before the first one enables it; otherwise the store is empty or another one'
    return { name, result: 'warning', message }
  }
  const which = more ? `the first ${some(seen, 'record')} (there are more)` : `all ${some(seen, 'record')}`
  if (unreadable.length > 0) {
    const message =
      `of ${which} ${count(unreadable.length)} do not open: ${several(unreadable)}\n` +
      'Give the key that sealed them, too (express-second-factor status ACCOUNT tells which, or that the row is damaged): until then these accounts are answered with 503.'
    return { name, result: 'failed', message }
  }
  if (older > 0) {
    const message = `${which} open, ${count(older)} are still sealed by an older key\nRun express-second-factor rotate, and keep the older key until then.`
    return { name, result: 'warning', message }
  }
  return { name, result: 'ok', message: `${which} open, sealed by the first key` }
}

function backupCodesFinding({ seen, enrolled, more, unreadable, withoutCodes }: Tally): Finding {
  const name = 'backup codes'
  const whose = `${some(enrolled, 'account')} with two-factor authentication${more ? ' of those looked at' : ''}`
  if (withoutCodes.length === 0) {
    if (seen === 0) return { name, result: 'skipped', message: 'no account has a record' }
    // What does not open may be without.
    if (unreadable.length > 0)
      return { name, result: 'skipped', message: `${some(unreadable.length, 'record')} could not be read` }
    return { name, result: 'ok', message: `all ${whose} have some left` }
  }
  const message =
    `of ${whose} ${count(withoutCodes.length)} have none left: ${several(withoutCodes)}\n` +
    'Whoever loses the phone then needs a reset: ask these users to make new ones on the settings page.'
  return { name, result: 'warning', message }
}
