import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import type { Client } from './client'

export interface Reply {
  status: number
  headers: Headers
  text: string
}

export interface TestServer {
  /** A POST of JSON with the cookies of `client`, which stay as they are. */
  post(client: Client, path: string, body: object, headers?: Record<string, string>): Promise<Reply>
  close(): Promise<void>
}

/** One server with connections that are kept, for bursts: supertest opens a server a request. */
export async function serve(app: Express): Promise<TestServer> {
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    async post(client, path, body, headers = {}) {
      const response = await fetch(origin + path, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          cookie: [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
          ...headers,
        },
        body: JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, text: await response.text() }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** How often each status was answered. */
export function tally(replies: { status: number }[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
