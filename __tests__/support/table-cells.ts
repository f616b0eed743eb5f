import { Authenticator } from './authenticator'
import type { Answer } from './quick-request'
import { type State, states, type World } from './table-world'

/** What a POST is sent with, and what comes before it. */
export interface Case {
  /** Without the token of this session's form: with none, or with that of another session. */
  token?: 'none' | 'foreign'
  /** So many minutes after everything else. */
  later?: number
  /** An enrolment is begun before, where that can be done. */
  begun?: 'enable' | 'replace'
  /** @param phone with the secret of the enrolment that was begun, else alice's */
  body?: (phone: Authenticator, world: World) => Record<string, string>
}

/** A route, and for a POST also what it is sent with. */
export interface Row {
  method: string
  path: string
  what: string | null
  cells: Record<State, string>
}

/** Reads a table: a line a route; below a POST a line for each of its cases. */
export function readTable(text: string, cases: Record<string, Case>): Row[] {
  const rows: Row[] = []
  let [method, path] = ['', '']
  const [head, ...lines] = text.split('\n').filter((line) => line.trim() !== '')
  if (partsOf(head).slice(1).join() !== states.join()) throw new Error(`The columns are ${states}`)
  for (const line of lines) {
    const [name = '', ...texts] = partsOf(line)
    const [, newMethod, newPath] = /^([A-Z]+) +(\/\S*)$/.exec(name) ?? []
    method = newMethod ?? method
    path = newPath ?? path
    if (newPath && method === 'POST' && texts.length === 0) continue
    const cells = Object.fromEntries(states.map((state, i) => [state, texts[i]])) as Row['cells']
    for (const what of newPath ? [null] : name.split(', or ')) {
      if (texts.length !== states.length || (what && !cases[what])) throw new Error(`Not a row: ${line}`)
      rows.push({ method, path, what, cells })
    }
  }
  return rows
}

const partsOf = (line = '') => line.split('|').map((part) => part.trim())

export type Kind = 'person' | 'program'

/** Reads a cell: what it promises to one kind of caller, as `tryOut` writes what it found. */
export function promiseOf(
  cell: string,
  kind: Kind,
  words: Record<string, string>,
  codes: Record<string, number>,
) {
  const [answers = '', after] = cell.split(' > ')
  const answer = pick(words[pick(answers, kind)] ?? answers, kind)
  const status = codes[answer]
  if (!status && !/^\d{3}( \/\S*)?$/.test(answer)) throw new Error(`What is '${answer}'?`)
  const code = kind === 'program' ? ` ${answer}` : ''
  return (status ? status + code : answer) + (after ? ` > ${after}` : '')
}

function pick(answers: string, kind: Kind): string {
  const [forPeople = '', forPrograms = forPeople] = answers.split(', ')
  return kind === 'person' ? forPeople : forPrograms
}

/** Makes a request in a state, and writes what came of it the way that `promiseOf` does. */
export async function tryOut(
  world: World,
  state: State,
  kind: Kind,
  method: string,
  path: string,
  { token, later = 0, begun, body }: Case = {},
): Promise<string> {
  const client = await world.start(state)
  const own = world.tokensOf(state)
  let { phone } = world
  if (begun) {
    const enrolment = await client.send('POST', `/two-factor/${begun}`, {}, { 'x-csrf-token': own.plugin })
    if (enrolment.status === 201) phone = new Authenticator(enrolment.body.secret, world.clock.now)
  }
  world.clock.forward(later * 60)

  const caller = client.as(kind)
  const tokens =
    token === 'foreign' ? world.tokensOf(state === 'unenrolled' ? 'verified' : 'unenrolled') : own
  const csrf = token === 'none' ? undefined : path.startsWith('/two-factor') ? tokens.plugin : tokens.app
  const before = await world.traces(caller)
  const fields = method === 'POST' ? (body?.(phone, world) ?? {}) : undefined
  const response = await (kind === 'person'
    ? caller.send(method, path, fields && { ...fields, ...(csrf && { _csrf: csrf }) })
    : caller.send(method, path, fields, fields && csrf ? { 'x-csrf-token': csrf } : {}))
  const unchanged = later === 0 && (await world.traces(caller)) === before
  const after = unchanged ? state : await world.stateOf(caller)
  const answer = answerOf(response, kind, method)
  const faults = faultsOf(response, kind, method, path, after)
  return [answer, ...(after === state ? [] : ['>', after]), ...faults].join(' ')
}

/** Makes requests that must not do anything, one after the other, and also writes the state after them. */
export async function tryInVain(
  world: World,
  state: State,
  kind: Kind,
  methods: readonly string[],
  path: string,
): Promise<Record<string, string>> {
  const caller = (await world.start(state)).as(kind)
  const found: Record<string, string> = {}
  const before = await world.traces(caller)
  for (const method of methods) {
    const response = await caller.send(method, path)
    const faults = faultsOf(response, kind, method, path, state)
    found[method] = [answerOf(response, kind, method), ...faults].join(' ')
  }
  const unchanged = (await world.traces(caller)) === before
  return { ...found, 'state after these': unchanged ? state : await world.stateOf(caller) }
}

function answerOf({ status, headers, body }: Answer, kind: Kind, method: string): string {
  const { location, allow } = headers
  if (location) return `${status} ${location}`
  if (method === 'OPTIONS' && status === 200) return `${status} ${allow?.split(/, ?/).sort().join(' ')}`
  return kind === 'program' && method !== 'HEAD' && status >= 400 ? `${status} ${body.code}` : String(status)
}

/** What no answer may be, whatever its cell says. */
function faultsOf(
  { status, headers, text = '', type, body }: Answer,
  kind: Kind,
  method: string,
  path: string,
  after: string,
): string[] {
  const file = status === 200 && method !== 'OPTIONS' && /\.\w+$/.test(path)
  const json = kind === 'program' || (path === '/api/me' && (method === 'GET' || method === 'HEAD'))
  if (file) {
    return headers['cache-control'] === 'no-store' ? ['may not be kept'] : []
  }
  const faults: string[] = []
  if (headers['cache-control'] !== 'no-store') faults.push('may be kept')
  if (headers['x-content-type-options'] !== 'nosniff') faults.push('may be sniffed')
  if (headers['referrer-policy'] !== 'same-origin') faults.push('leaks referrers')
  if (!headers['content-security-policy']?.includes("frame-ancestors 'none'")) faults.push('may be framed')
  if (status === 204 || status === 303 || method === 'OPTIONS') return faults
  const expected = !json ? 'text/html' : status >= 400 ? 'application/problem+json' : 'application/json'
  if (type !== expected) faults.push(`is ${type}`)
  if (method === 'HEAD') return text === '' ? faults : [...faults, 'HEAD with a body']
  if (json && status >= 400) {
    if (body.status !== status) faults.push('says another status')
    for (const field of ['title', 'detail', 'code']) {
      if (typeof body[field] !== 'string' || body[field] === '') faults.push(`has no ${field}`)
    }
  }
  const nobody = after === 'anonymous' || after === 'pending'
  if (nobody && /(alice|bob|carol)@/.test(text)) faults.push('tells who it is')
  const page = !json && path.startsWith('/two-factor') && status !== 404
  if (page && status >= 400 && !text.includes('role="alert"')) faults.push('has no message')
  return faults
}
