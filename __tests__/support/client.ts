import { once } from 'node:events'
import { Agent, createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import request from 'supertest'
import { PASSWORD } from './app'
import { Authenticator } from './authenticator'
import { type Answer, isPlain, quickRequest } from './quick-request'

type Body = Record<string, unknown>

const servers = new Map<Express, Server>()
const connections = new Agent({ keepAlive: true })
afterAll(() => {
  for (const server of servers.values()) {
    server.close()
    server.closeAllConnections()
  }
  connections.destroy()
})

/** One server for an app: left to itself, supertest opens one for each request. An address, or a server, is its own. */
async function serverOf(app: Express): Promise<Express | Server> {
  if (typeof app !== 'function') return app
  const server = servers.get(app) ?? createServer(app)
  if (!servers.has(app)) {
    servers.set(app, server)
    server.keepAliveTimeout = 0
    server.listen(0, '127.0.0.1')
  }
  if (!server.listening) await once(server, 'listening')
  return server
}

function reused(test: object): boolean {
  return (test as { req?: { reusedSocket?: boolean } }).req?.reusedSocket === true
}

/** A program or a browser with its cookies. */
export class Client {
  cookies = new Map<string, string>()

  constructor(
    readonly app: Express,
    readonly kind: 'program' | 'person' = 'program',
  ) {}

  /** The same cookies, as another person or program. */
  as(kind: 'program' | 'person'): Client {
    const twin = new Client(this.app, kind)
    twin.cookies = this.cookies
    return twin
  }

  /** A thief's copy: the cookies as they are now. */
  copy(): Client {
    const twin = new Client(this.app, this.kind)
    twin.cookies = new Map(this.cookies)
    return twin
  }

  async send(
    method: string,
    path: string,
    body?: Body | string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const server = await serverOf(this.app)
    const person = this.kind === 'person'
    const all: Record<string, string> = {
      accept: person ? 'text/html,application/xhtml+xml' : 'application/json',
      ...(person && method === 'GET' && { 'sec-fetch-dest': 'document' }),
      ...(this.cookies.size > 0 && {
        cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      }),
    }
    for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = value
    const written = this.#written(body)
    const quickly = written && isPlain(path) && servers.has(this.app)
    const response = quickly
      ? await quickRequest({
          port: ((server as Server).address() as AddressInfo).port,
          agent: connections,
          method,
          path,
          headers: { ...(written.type && { 'content-type': written.type }), ...all },
          ...(written.text !== undefined && { body: written.text }),
        })
      : await this.#sendAny(server, method, path, body, all)
    for (const line of (response.headers['set-cookie'] as string[] | undefined) ?? []) {
      const [pair = ''] = line.split(';')
      this.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    return response
  }

  /** The usual body: nothing, JSON, or the texts of a form. */
  #written(body: Body | string | undefined): { type?: string; text?: string } | null {
    if (body === undefined) return {}
    if (typeof body === 'string') return null
    if (this.kind === 'program') return { type: 'application/json', text: JSON.stringify(body) }
    if (Object.values(body).some((value) => typeof value !== 'string')) return null
    const text = new URLSearchParams(body as Record<string, string>).toString()
    return { type: 'application/x-www-form-urlencoded', text }
  }

  /** Whatever is asked, of whomever. */
  async #sendAny(
    server: Express | Server,
    method: string,
    path: string,
    body: Body | string | undefined,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const test = request(server)[method.toLowerCase() as 'get'](path)
    // As `quickRequest` does.
    if (servers.has(this.app)) {
      test.agent(connections).retry(1, (error) => error?.code === 'ECONNRESET' && reused(test))
    }
    test.redirects(0).ok(() => true)
    if (this.kind === 'person' && body !== undefined) test.type('form')
    for (const [name, value] of Object.entries(headers)) test.set(name, value)
    return body === undefined ? test : test.send(body)
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.send('GET', path, undefined, headers)
  }

  /** Posts with the token of `tokenFrom`, as a JSON client or as the page's form with all its hidden fields. */
  async post(path: string, body: Body = {}, tokenFrom = path): Promise<Answer> {
    const page = await this.get(tokenFrom)
    if (this.kind === 'program') {
      return this.send('POST', path, body, { 'x-csrf-token': page.body.csrfToken ?? '' })
    }
    return this.send('POST', path, { ...hiddenFields(page.text, path), ...body })
  }

  login(username = 'alice', password = PASSWORD): Promise<Answer> {
    return this.send('POST', '/login', { username, password })
  }

  /** Posts a code to the challenge. */
  challenge(code: unknown): Promise<Answer> {
    return this.post('/two-factor/challenge', { code })
  }
}

/** The hidden fields of the form that posts to `path`. */
export function hiddenFields(html: string, path: string): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [form, action] of html.matchAll(/<form[^>]*action="([^"?]*)[^"]*"[^>]*>[\s\S]*?<\/form>/g)) {
    if (action !== path) continue
    for (const [, name, value] of form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
      fields[name as string] = value as string
    }
  }
  return fields
}

export interface Enrolled {
  authenticator: Authenticator
  secret: string
  backupCodes: string[]
}

/** Logs in and enables two-factor authentication, as a program. The client is verified afterwards. */
export async function enrol(
  client: Client,
  now: () => number,
  username = 'alice',
  fastBy = 0,
): Promise<Enrolled> {
  await client.login(username)
  const begun = await client.post('/two-factor/enable', {}, '/two-factor')
  const authenticator = new Authenticator(begun.body.secret, now, fastBy)
  const done = await client.post('/two-factor/enable/confirm', { code: authenticator.code() }, '/two-factor')
  if (done.status !== 200) throw new Error(`enrolling failed: ${done.status} ${done.text}`)
  return { authenticator, secret: begun.body.secret, backupCodes: done.body.backupCodes }
}
