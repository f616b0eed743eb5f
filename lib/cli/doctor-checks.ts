import { TimeLimit } from '../account/time-limit'
import type { StoreReport } from '../stores/store'
import { explained } from './advice'
import type { Finding } from './doctor'
import type { Opened } from './with-store'
import { reasonOf } from './words'

const LEAST_NODE: [major: number, minor: number] = [20, 19]
/** Milliseconds. Codes of half a minute on either side are accepted, so more than that refuses right ones. */
const CLOCK_WARNING = 2000
const CLOCK_FAILURE = 30_000
/** A get of an account that is nobody's. */
const NOBODY = 'express-second-factor doctor'

export function nodeCheck(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [least, leastMinor] = LEAST_NODE
  const fits = major > least || (major === least && minor >= leastMinor)
  return fits
    ? { name: 'node', result: 'ok', message: `Node ${version}` }
    : {
        name: 'node',
        result: 'failed',
        message: `Node ${version} is too old: use ${LEAST_NODE.join('.')} or later`,
      }
}

export async function storeCheck({ records, hidden }: Opened): Promise<Finding> {
  const name = 'store'
  try {
    // The first call also connects.
    await records.read(NOBODY)
    const begin = performance.now()
    await records.read(NOBODY)
    return { name, result: 'ok', message: `answers in ${(performance.now() - begin).toFixed(1)} ms` }
  } catch (error) {
    return { name, result: 'failed', message: explained(error, hidden) }
  }
}

/** What the store tells of itself, asked once: how it is set up, and its clock. */
export async function inspectionChecks({ store, patience, hidden }: Opened): Promise<Finding[]> {
  const both = (result: Finding['result'], setUp: string, clock: string): Finding[] => [
    { name: 'set-up', result, message: setUp },
    { name: 'clock', result, message: clock },
  ]
  if (!store.inspect) {
    return both(
      'skipped',
      'this store does not tell how it is set up',
      'this store tells no time to compare with',
    )
  }
  try {
    const begin = Date.now()
    const report = (await new TimeLimit(patience).within(async () => store.inspect?.())) as StoreReport
    const between = (begin + Date.now()) / 2
    return [setUpFinding(report), clockFinding(report, between)]
  } catch (error) {
    const why = reasonOf(error, hidden)
    return both(
      'warning',
      `the store does not tell how it is set up: ${why}`,
      `the store does not tell the time: ${why}`,
    )
  }
}

function setUpFinding({ warnings }: StoreReport): Finding {
  return warnings.length === 0
    ? { name: 'set-up', result: 'ok', message: 'the store knows of nothing that would lose second factors' }
    : { name: 'set-up', result: 'warning', message: warnings.join('\n') }
}

/**
 * The store's clock stands for the right time: many processes share it, and servers have theirs set.
 *
 * @param now by this machine, when the store told its own
 */
function clockFinding({ clock }: StoreReport, now: number): Finding {
  if (clock !== null) return judgeClock(clock - now)
  const message = "the store has no clock of its own: see that this machine's is set by NTP"
  return { name: 'clock', result: 'skipped', message }
}

function judgeClock(storeAhead: number): Finding {
  const off = Math.abs(storeAhead)
  const seconds = `${(off / 1000).toFixed(1)} s`
  const side = storeAhead < 0 ? 'ahead of' : 'behind'
  const message = `this machine is ${seconds} ${side} the store's clock`
  if (off < CLOCK_WARNING) return { name: 'clock', result: 'ok', message }
  const advice =
    'Set the clocks of both by NTP: codes are made from the time, and right ones are refused where it is wrong.'
  return {
    name: 'clock',
    result: off < CLOCK_FAILURE ? 'warning' : 'failed',
    message: `${message}\n${advice}`,
  }
}
