import { setTimeout as delay } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'

/**
 * Connects to `redis://host:port`, or to a cluster at `redis-cluster://host:port,host:port`. Without the limits a
 * dead Redis would let every request hang instead of failing. Resolves when it is there, or after three seconds.
 */
export async function connectRedis(url: string): Promise<Redis | Cluster> {
  const limits = { commandTimeout: 2000, maxRetriesPerRequest: 1 }
  const [scheme, rest = ''] = url.split('://')
  const client =
    scheme === 'redis-cluster'
      ? new Cluster(rest.split(',').map(address), {
          redisOptions: limits,
          clusterRetryStrategy: () => 500,
          // What a cluster that is away is asked fails, rather than wait for it without end.
          enableOfflineQueue: false,
        })
      : new Redis(url, limits)
  let known = false
  client.on('error', (error: Error) => {
    if (!known) console.error(`Redis does not answer: ${error.message}`)
    known = true
  })
  client.on('ready', () => {
    known = false
  })
  await Promise.race([
    new Promise((resolve) => client.once('ready', resolve)),
    delay(3000, null, { ref: false }),
  ])
  return client
}

function address(text: string): { host: string; port: number } {
  const { hostname, port } = new URL(`redis://${text}`)
  return { host: hostname, port: Number(port || 6379) }
}

/** The servers of such a URL, without what is secret in it. */
export function hostsOf(url: string): string {
  return url.replace(/^[^:]*:\/\/(.*@)?/, '').replace(/[/?#].*/, '')
}
