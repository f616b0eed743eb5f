import { type AccountStatus, statusOf } from '../account/accounts'
import type { Lock } from '../account/lockout'
import type { Method } from '../account/record'
import { idOf } from './account-argument'
import { type Command, DONE, FAILED, type World } from './command'
import { lookAt } from './lookup'
import { keysSay, type Seal } from './seal'
import { type Opened, STORE_OPTIONS, withStore } from './with-store'
import { moment, shown } from './words'

const NAMES: Record<Method, string> = { totp: 'authenticator app', 'backup-code': 'backup codes' }

export const status: Command = {
  name: 'status',
  usage: 'ACCOUNT [--json] [--config FILE]',
  summary: 'what is known of an account',
  help: `Tells whether an account has two-factor authentication on, since when, how many backup codes are left, when a code was
last accepted, what is locked, and which key sealed its record. ACCOUNT is the id that your app gives in option account.

  --json   for programs; times are milliseconds since 1970

Trusted devices are those whose own time is not over; option trustedDevices of your app may have become shorter since.

Exit code: 0, or 1 where the account has no record, it does not open, or the store fails.`,
  options: { ...STORE_OPTIONS, json: { type: 'boolean' } },
  positionals: ['ACCOUNT'],
  async run(given, world) {
    const id = idOf(given.positionals[0] as string)
    return withStore(given, world, (opened) => tell(opened, id, given.options.json === true, world))
  },
}

async function tell(opened: Opened, id: string, json: boolean, { stdout, stderr }: World): Promise<number> {
  const found = await lookAt(opened, id)
  // How long the app trusts devices is its own; each has an end, too.
  const known = found.state === 'open' ? statusOf(found.record, Date.now(), Number.POSITIVE_INFINITY) : null
  if (json) {
    const seal = 'seal' in found ? { sealedBy: found.seal.keyId, sealedByFirstKey: found.seal.first } : {}
    stdout.write(`${JSON.stringify({ accountId: id, record: found.state, ...known, ...seal })}\n`)
    return found.state === 'open' ? DONE : FAILED
  }
  if (found.state === 'none') {
    stderr.write(
      `${shown(id)} has no record: it never had two-factor authentication on, or its id is another one.\n`,
    )
    return FAILED
  }
  if (found.state === 'unreadable') {
    stderr.write(
      `${shown(id)}: the record does not open. ${found.why}.\n${keysSay(opened.keyring, found.seal)}\n`,
    )
    return FAILED
  }
  stdout.write(
    `${[shown(id), ...lines(known as AccountStatus), `sealed by: ${sealWords(found.seal)}`].join('\n  ')}\n`,
  )
  return DONE
}

function lines({
  enabled,
  since,
  disabledAt,
  methods,
  backupCodes,
  lastUsedAt,
  locks,
  devices,
  mustEnrol,
}: AccountStatus): string[] {
  const state = enabled
    ? `on${since === null ? '' : ` since ${moment(since)}`}`
    : `off${disabledAt === null ? '' : ` since ${moment(disabledAt)}`}`
  const made = backupCodes.generatedAt === null ? '' : `, made ${moment(backupCodes.generatedAt)}`
  return [
    `two-factor authentication: ${state}`,
    `methods: ${methods.map((method) => NAMES[method]).join(', ') || 'none'}`,
    `backup codes: ${backupCodes.remaining} of ${backupCodes.total} left${made}`,
    `last used: ${lastUsedAt === null ? 'never' : moment(lastUsedAt)}`,
    `locks: ${lockWords(locks) || 'none'}`,
    `trusted devices: ${devices.length || 'none'}`,
    ...(mustEnrol ? ['at the next login it must be set up: a recovery has taken it off'] : []),
  ]
}

function lockWords(locks: Record<Method, Lock | null>): string {
  return Object.entries(locks)
    .filter(([, lock]) => lock !== null)
    .map(([method, lock]) => `${NAMES[method as Method]} ${until(lock as Lock)}`)
    .join(', ')
}

function until({ until }: Lock): string {
  return until === null
    ? 'suspended after too many wrong codes: waiting does not help'
    : `until ${moment(until)}`
}

function sealWords({ keyId, first }: Seal): string {
  return first ? `the first key (${keyId})` : `an older key (${keyId}): express-second-factor rotate`
}
