import { connect, createServer, type Server, type Socket } from 'node:net'

/** Stands between a client and a database server, and does what networks do. */
export interface FaultProxy {
  port: number
  /** How often a client has asked something and been answered, over all connections. */
  roundTrips: number
  /** Called when a question has been handed on, with its number; the answer has not. */
  onQuestion: (roundTrips: number) => void
  /** Sees all that clients send. True: the answer is lost, and its connection with it. */
  loses: (sent: Buffer) => boolean
  /** Breaks every connection at once. New ones are let through. */
  cut(): void
  /** No answer passes any more, on old connections or new, and nobody is told; until `release`. */
  hold(): void
  release(): void
  /** The next answer of the server ends after so many bytes, and so does its connection. */
  truncateNext(bytes: number): void
  close(): Promise<void>
}

export async function startFaultProxy(target: number): Promise<FaultProxy> {
  const pairs = new Set<[Socket, Socket]>()
  let held = false
  let truncateAt: number | null = null

  const server: Server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    let asking = false
    let losing = false
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of pair) socket.setNoDelay(true).on('error', end).on('close', end)
    client.on('data', (chunk) => {
      losing ||= proxy.loses(chunk)
      upstream.write(chunk)
      if (asking) return
      asking = true
      proxy.onQuestion(++proxy.roundTrips)
    })
    upstream.on('data', (chunk) => {
      asking = false
      if (losing) return end()
      if (truncateAt === null) {
        client.write(chunk)
        return
      }
      const part = chunk.subarray(0, truncateAt)
      truncateAt = null
      client.end(part, end)
    })
    if (held) upstream.pause()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const proxy: FaultProxy = {
    port: (server.address() as { port: number }).port,
    roundTrips: 0,
    onQuestion() {},
    loses: () => false,
    cut() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
    },
    hold() {
      held = true
      for (const [, upstream] of pairs) upstream.pause()
    },
    release() {
      held = false
      for (const [, upstream] of pairs) upstream.resume()
    },
    truncateNext(bytes) {
      truncateAt = bytes
    },
    close() {
      proxy.cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return proxy
}
