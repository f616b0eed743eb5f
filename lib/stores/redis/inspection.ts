import type { StoreReport } from '../store'
import type { Node } from './clients'
import { text } from './ids'

/** What is known of one server; null: it does not tell. */
interface Settings {
  role: string | null
  policy: string | null
  maxmemory: string | null
  appendonly: string | null
  appendfsync: string | null
  save: string | null
}

/** Asks every master. One that does not answer rejects; one that may not answer is told of. */
export async function inspectMasters(masters: Node[]): Promise<StoreReport> {
  const reports = await Promise.all(
    masters.map(async (master) => ({
      name: master.name,
      clock: await clockOf(master),
      warnings: warningsOf(await settingsOf(master)),
    })),
  )
  const named = new Map<string, string[]>()
  for (const { name, warnings } of reports) {
    for (const warning of warnings) named.set(warning, [...(named.get(warning) ?? []), name])
  }
  return {
    clock: furthest(reports.map((report) => report.clock)),
    warnings: [...named].map(([warning, names]) =>
      masters.length === 1 ? warning : `Redis at ${names.join(', ')}: ${warning}`,
    ),
  }
}

/** Of several clocks the one that is most wrong by ours, so that it is noticed. */
function furthest(clocks: (number | null)[]): number | null {
  const now = Date.now()
  const known = clocks.filter((clock) => clock !== null)
  return known.sort((a, b) => Math.abs(b - now) - Math.abs(a - now))[0] ?? null
}

async function clockOf(node: Node): Promise<number | null> {
  const reply = await unlessRefused(node.send('time'))
  const [seconds, microseconds] = Array.isArray(reply) ? reply.map(Number) : []
  const clock = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  return Number.isSafeInteger(clock) ? clock : null
}

/** From CONFIG GET; hosted servers often forbid it, and then from INFO as far as that goes. */
async function settingsOf(node: Node): Promise<Settings> {
  const setting = async (name: string) => valueIn(await unlessRefused(node.send('config', 'GET', name)), name)
  const [info, policy, maxmemory, appendonly, appendfsync, save] = await Promise.all([
    unlessRefused(node.send('info')),
    setting('maxmemory-policy'),
    setting('maxmemory'),
    setting('appendonly'),
    setting('appendfsync'),
    setting('save'),
  ])
  const line = (name: string) => text(info)?.match(new RegExp(`^${name}:(.*?)\\r?$`, 'm'))?.[1] ?? null
  const enabled = line('aof_enabled')
  return {
    role: line('role'),
    policy: policy ?? line('maxmemory_policy'),
    maxmemory: maxmemory ?? line('maxmemory'),
    appendonly: appendonly ?? (enabled && (enabled === '1' ? 'yes' : 'no')),
    appendfsync,
    save,
  }
}

/** The reply, or null where the server says that there is no such command, or not for this user. */
async function unlessRefused(reply: Promise<unknown>): Promise<unknown> {
  try {
    return await reply
  } catch (error) {
    if (/^(ERR|NOPERM)\b/.test((error as Error).message)) return null
    throw error
  }
}

/** CONFIG GET answers with names and values in turn, or with a map, depending on protocol and client. */
function valueIn(reply: unknown, name: string): string | null {
  if (Array.isArray(reply)) {
    const at = reply.findIndex((one) => text(one) === name)
    return at < 0 ? null : text(reply[at + 1])
  }
  if (reply instanceof Map) return valueIn([...reply].flat(), name)
  return text((reply as Record<string, unknown> | null | undefined)?.[name])
}

const OPEN = 'and accounts that had one are open to the password alone'

function warningsOf(settings: Settings): string[] {
  const { role, policy, maxmemory, appendonly, appendfsync } = settings
  const warnings: string[] = []
  if (role === 'slave') {
    warnings.push(
      'the client is connected to a replica, which refuses to read and write second factors. Connect it to the ' +
        'master, or let it find the master with Sentinel or as a cluster.',
    )
  }
  if (policy?.startsWith('allkeys-')) {
    const when = maxmemory === '0' ? 'once maxmemory is set and reached' : 'when memory runs out'
    warnings.push(
      `maxmemory-policy is ${policy}: ${when}, second factors are evicted, ${OPEN}. Set maxmemory-policy noeviction.`,
    )
  } else if (policy?.startsWith('volatile-')) {
    warnings.push(
      `maxmemory-policy is ${policy}. It evicts only keys that expire, which second factors do not, so none is ` +
        'lost by it. Set maxmemory-policy noeviction all the same, so that this does not hang on it.',
    )
  }
  if (appendonly === 'no') warnings.push(withoutAppendOnly(settings))
  else if (appendonly === 'yes' && appendfsync !== null && appendfsync !== 'always') {
    const what = appendfsync === 'everysec' ? 'the last second or two' : 'what the system had not yet written'
    warnings.push(
      `appendfsync is ${appendfsync}: a power cut loses ${what}. A code used then could be used again, wrong codes ` +
        'would be forgotten, and what was enabled or disabled undone. Set appendfsync always.',
    )
  }
  const unknown = unknownOf(settings)
  if (unknown.length > 0) {
    warnings.push(
      `could not be checked, as CONFIG or INFO is not allowed: ${unknown.join('; ')}. See to it where the server ` +
        'is set up.',
    )
  }
  return warnings
}

function withoutAppendOnly({ save }: Settings): string {
  const what =
    save === ''
      ? `and there are no snapshots: a restart loses every second factor, ${OPEN}`
      : `so a crash loses everything since the last snapshot, if snapshots are made: second factors, ${OPEN}, used ` +
        'codes and wrong ones'
  return `appendonly is no, ${what}. Set appendonly yes and appendfsync always.`
}

/** Settings that nobody could tell, with what they should be. */
function unknownOf({ role, policy, appendonly, appendfsync }: Settings): string[] {
  return [
    role === null && 'that the client is connected to a master',
    policy === null && 'maxmemory-policy noeviction',
    appendonly === null && 'appendonly yes',
    appendonly !== 'no' && appendfsync === null && 'appendfsync always',
  ].filter((one) => one !== false)
}
