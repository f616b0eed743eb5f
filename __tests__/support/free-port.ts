import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below what systems give to connections (32768 and up), so that none of those takes the port
 * before its server does; and with room for a node of Redis Cluster, which listens 10,000 higher, too.
 */
const lowest = 12_000
const share = 500
const shares = 20

/** Every worker has a share of its own: two cannot choose the same port. */
const first = lowest + (Number(process.env.JEST_WORKER_ID ?? 0) % shares) * share
const given = new Set<number>()

/** A port that nothing listens on, at any address, and that no other test is given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * share)
    if (given.has(port) || !(await free(port)) || !(await free(port + 10_000))) continue
    given.add(port)
    return port
  }
}

async function free(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port)
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
