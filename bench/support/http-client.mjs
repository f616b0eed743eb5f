import { Agent, request } from 'node:http'

/** Connections that stay open; a load takes one for each request in flight. */
export function keptAlive() {
  return new Agent({ keepAlive: true, maxSockets: 200 })
}

/**
 * One request. Cookies are a Map, which the answer's are put into.
 *
 * @returns { status, text, headers }
 */
export function send({ port, agent, method = 'GET', path, cookies, body, headers = {} }) {
  const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      agent,
      method,
      path,
      headers: {
        accept: 'application/json',
        ...(cookies?.size && { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...(content !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(content),
        }),
        ...headers,
      },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        for (const line of cookies ? (response.headers['set-cookie'] ?? []) : []) {
          const pair = line.split(';')[0]
          cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
        }
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode, headers: response.headers, text })
      })
    })
    sent.end(content)
  })
}
