import { performance } from 'node:perf_hooks'
import { spread } from './measure.mjs'

/**
 * Sends `count` requests, `inFlight` of them at any time.
 *
 * @param one sends the request of this number, and throws when the answer is not the one that counts
 * @returns requests a second, and milliseconds of latency: median, quartiles, and the slowest of a hundred
 */
export async function load(count, inFlight, one) {
  const latencies = []
  let next = 0
  const start = performance.now()
  async function worker() {
    while (next < count) {
      const n = next++
      const begun = performance.now()
      await one(n)
      latencies.push(performance.now() - begun)
    }
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, worker))
  const perSecond = (count * 1000) / (performance.now() - start)
  const sorted = [...latencies].sort((a, b) => a - b)
  return { perSecond, latency: { ...spread(latencies), p99: sorted[Math.floor(sorted.length * 0.99)] } }
}
