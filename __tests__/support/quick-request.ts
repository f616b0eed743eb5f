import { type Agent, type IncomingHttpHeaders, request } from 'node:http'

/** What tests look at in an answer. Supertest's has it, too. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders & Record<string, string>
  text: string
  /** Its media type. */
  type: string
  /** What its JSON says, else an empty object. */
  // biome-ignore lint/suspicious/noExplicitAny: tests know what they asked for
  body: any
}

export interface Question {
  port: number
  agent: Agent
  method: string
  path: string
  headers: Record<string, string>
  body?: string
}

/** A plain request, at half of what one of supertest's costs. An address that would have to be made right is not for it. */
export function quickRequest(question: Question, again = true): Promise<Answer> {
  const { body, ...rest } = question
  return new Promise((resolve, reject) => {
    // Node says so by itself for some methods only.
    const length = body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }
    const headers = { ...length, ...question.headers }
    const asked = request({ ...rest, headers, host: '127.0.0.1' }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const headers = response.headers as Answer['headers']
        const type = (headers['content-type'] ?? '').replace(/ *;.*/, '')
        const json = text !== '' && /[/+]json$/.test(type)
        try {
          const body = json ? JSON.parse(text) : {}
          resolve({ status: response.statusCode as number, headers, text, type, body })
        } catch (error) {
          reject(error)
        }
      })
    })
    asked.on('error', (error: NodeJS.ErrnoException) => {
      // A connection that the server ends after an answer is not known to be gone yet: Node says to send again then.
      const gone = again && error.code === 'ECONNRESET' && asked.reusedSocket
      if (gone) quickRequest(question, false).then(resolve, reject)
      else reject(error)
    })
    asked.end(body)
  })
}

/** Addresses that stay as they are, and files that are text. */
export const isPlain = (path: string) => /^(\/[\w.-]*\w)*\/?(\?[\w=&%.-]*)?$/.test(path)
