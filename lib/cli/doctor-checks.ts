import { adviceOn } from './advice'
import { asked } from './asked'
import type { Finding } from './doctor'
import type { Opened } from './opened'
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

export async function storeCheck({ store, patience, hidden }: Opened): Promise<Finding> {
  const name = 'store'
  try {
    // The first call also connects.
    await asked(patience, () => store.get(NOBODY))
    const begin = performance.now()
    await asked(patience, () => store.get(NOBODY))
    return { name, result: 'ok', message: `answers in ${(performance.now() - begin).toFixed(1)} ms` }
  } catch (error) {
    const message = [reasonOf(error, hidden), adviceOn(error)].filter(Boolean).join('\n')
    return { name, result: 'failed', message }
  }
}

export async function setUpCheck({ store, patience, hidden }: Opened): Promise<Finding> {
  const name = 'set-up'
  if (!store.inspect) return { name, result: 'skipped', message: 'this store does not tell how it is set up' }
  try {
    const { warnings } = await asked(patience, () => inspect(store))
    return warnings.length === 0
      ? { name, result: 'ok', message: 'the store knows of nothing that would lose second factors' }
      : { name, result: 'warning', message: warnings.join('\n') }
  } catch (error) {
    return {
      name,
      result: 'warning',
      message: `the store does not tell how it is set up: ${reasonOf(error, hidden)}`,
    }
  }
}

/** The store's clock stands for the right time: many processes share it, and servers have theirs set. */
export async function clockCheck({ store, patience, hidden }: Opened): Promise<Finding> {
  const name = 'clock'
  if (!store.inspect) return { name, result: 'skipped', message: 'this store tells no time to compare with' }
  try {
    const begin = Date.now()
    const { clock } = await asked(patience, () => inspect(store))
    const end = Date.now()
    if (clock === null) {
      return {
        name,
        result: 'skipped',
        message: "the store has no clock of its own: see that this machine's is set by NTP",
      }
    }
    return judgeClock(clock - (begin + end) / 2)
  } catch (error) {
    return {
      name,
      result: 'warning',
      message: `the store does not tell the time: ${reasonOf(error, hidden)}`,
    }
  }
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

function inspect(store: Opened['store']) {
  return (store as Required<Opened['store']>).inspect()
}
