/**
 * Times functions against each other: each round times every one of them for a moment, in an order that turns from
 * round to round, so that whatever else the machine does hits all alike. Microseconds of CPU a call, over all threads
 * of this process: what it costs the server, however long it waits for its turn.
 *
 * @param contenders name -> function of the call's number; a promise is awaited
 * @param options rounds, and milliseconds that one is timed for in each
 * @returns name -> { median, low, high }: the median of the rounds, and the quartiles around it
 */
export async function interleaved(contenders, { rounds = 15, slice = 40 } = {}) {
  const names = Object.keys(contenders)
  const batches = new Map()
  for (const name of names) batches.set(name, await warmUp(contenders[name], slice))
  const samples = new Map(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const turn = round % names.length
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const calls = batches.get(name)
      samples.get(name).push((await timed(contenders[name], calls)) / calls)
    }
  }
  return Object.fromEntries(names.map((name) => [name, spread(samples.get(name))]))
}

/** Runs it until the compiler has seen it, and tells how many calls fill a slice. */
async function warmUp(call, slice) {
  let calls = 1
  for (;;) {
    const took = await timed(call, calls)
    if (took > slice * 1000) return Math.max(1, Math.round((calls * slice * 1000) / took))
    calls *= 2
  }
}

/** Microseconds of CPU. */
async function timed(call, calls) {
  const isAsync = call(0) instanceof Promise
  if (isAsync) await call(0)
  const start = process.cpuUsage()
  if (isAsync) for (let n = 0; n < calls; n++) await call(n)
  else for (let n = 0; n < calls; n++) call(n)
  const { user, system } = process.cpuUsage(start)
  return user + system
}

/** Median and quartiles. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return { median: at(0.5), low: at(0.25), high: at(0.75) }
}
