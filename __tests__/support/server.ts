import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import type { Client } from './client'

export interface Reply {
  status: number
  headers: Headers
  text: string
}

export interface TestServer {
  /** A POST of JSON, or of these very bytes, with the cookies of `client`, which stay as they are. */
  post(
    client: Client,
    path: string,
    body: object | string | Buffer,
    headers?: Record<string, string>,
  ): Promise<Reply>
  /** A navigation to a target that no URL parser has tidied up: backslashes, `//`, an absolute form. */
  navigate(client: Client, target: string): Promise<Pick<Reply, 'status'> & { location: string | undefined }>
}

const open: Server[] = []
afterEach(() => {
  for (const server of open.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

/** One server for a test, with connections that are kept, for bursts: supertest opens a server a request. */
export async function serve(app: Express): Promise<TestServer> {
  const server = createServer(app)
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const cookieOf = (client: Client) =>
    [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  return {
    async post(client, path, body, headers = {}) {
      const response = await fetch(origin + path, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          cookie: cookieOf(client),
          ...headers,
        },
        body:
          typeof body === 'string'
            ? body
            : Buffer.isBuffer(body)
              ? new Uint8Array(body)
              : JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, text: await response.text() }
    },
    navigate: (client, target) =>
      new Promise((resolve, reject) => {
        const headers = { accept: 'text/html', cookie: cookieOf(client) }
        request({ port, host: '127.0.0.1', path: target, headers, agent: false }, (response) => {
          response.resume()
          resolve({ status: response.statusCode as number, location: response.headers.location })
        })
          .on('error', reject)
          .end()
      }),
  }
}

/** How often each status was answered. */
export function tally(replies: { status: number }[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
