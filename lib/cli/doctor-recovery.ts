import { setImmediate as turn } from 'node:timers/promises'
import { ConfigurationError, UnavailableError } from '../errors'
import { explained } from './advice'
import type { World } from './command'
import type { Finding } from './doctor'
import { recoveryRecords } from './recovery-place'
import type { Opened } from './with-store'
import { count, several, some } from './words'

/** Rows that `--quick` looks at, and that are listed at once. */
const SAMPLE = 200

/** Whether what option `recovery` keeps opens: the same keys seal it. */
export async function recoveryCheck(opened: Opened, quick: boolean, world: World): Promise<Finding> {
  try {
    return await look(opened, quick, world)
  } catch (error) {
    if (!(error instanceof UnavailableError || error instanceof ConfigurationError)) throw error
    return { name, result: 'failed', message: explained(error, opened.hidden) }
  }
}

const name = 'recovery keys'

async function look(opened: Opened, quick: boolean, { signal }: World): Promise<Finding> {
  const records = await recoveryRecords(opened)
  if (!records) return { name, result: 'skipped', message: `option recovery: ${opened.recovery.advice}` }
  const unreadable: string[] = []
  let [seen, older] = [0, 0]
  let more = false
  for (let last: string | null = null; ; ) {
    const rows = await records.list(last, SAMPLE)
    more = rows.length > 0 && seen > 0 && (signal.aborted || quick)
    if (more || rows.length === 0) break
    for (const { accountId, record, current } of rows) {
      if (!record) unreadable.push(accountId)
      else if (!current) older++
    }
    seen += rows.length
    last = rows.at(-1)?.accountId ?? null
    await turn()
  }
  const which = `${more ? `the first ${some(seen, 'record')} (there are more)` : `all ${some(seen, 'record')}`} of option recovery`
  if (unreadable.length > 0) {
    const message =
      `of ${which} ${count(unreadable.length)} do not open: ${several(unreadable)}\n` +
      'Give the key that sealed them, too: until then support can recover none of these accounts.'
    return { name, result: 'failed', message }
  }
  if (older > 0) {
    const message = `${which} open, ${count(older)} are still sealed by an older key\nRun express-second-factor rotate, and keep the older key until then.`
    return { name, result: 'warning', message }
  }
  const { prefix } = opened.recovery
  if (seen === 0 && prefix !== undefined) {
    const message = `no key begins with ${prefix}: nobody has asked for a recovery, or the prefix is another one`
    return { name, result: 'warning', message }
  }
  return {
    name,
    result: 'ok',
    message: seen === 0 ? 'nobody has asked for a recovery' : `${which} open, sealed by the first key`,
  }
}
