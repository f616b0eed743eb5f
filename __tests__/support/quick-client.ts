import { Agent, request } from 'node:http'

export interface QuickAnswer {
  status: number
  body: Record<string, unknown>
}

/** A program at a listening server, for tests that log in thousands of times: one connection after another is kept. */
export class QuickClient {
  #cookie = ''

  constructor(
    private readonly port: number,
    private readonly agent: Agent,
  ) {}

  post(path: string, body: object, headers: Record<string, string> = {}): Promise<QuickAnswer> {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify(body)
      const options = {
        port: this.port,
        host: '127.0.0.1',
        path,
        method: 'POST',
        agent: this.agent,
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          cookie: this.#cookie,
          ...headers,
        },
      }
      request(options, (response) => {
        const [cookie] = response.headers['set-cookie'] ?? []
        if (cookie) this.#cookie = cookie.split(';')[0] as string
        let said = ''
        response.setEncoding('utf8')
        response.on('data', (chunk) => {
          said += chunk
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode as number,
            body: said.startsWith('{') ? JSON.parse(said) : {},
          }),
        )
      })
        .on('error', reject)
        .end(text)
    })
  }
}

export const keptAgent = () => new Agent({ keepAlive: true, maxSockets: 50 })
