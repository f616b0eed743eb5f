import { statusOf } from '../account/accounts'
import { idOf } from './account-argument'
import { type Command, DONE, FAILED, Failure, Misuse, type World } from './command'
import { lookAt } from './lookup'
import { confirmed } from './prompt'
import { keysSay } from './seal'
import { type Opened, STORE_OPTIONS, withStore } from './with-store'
import { moment, reasonOf, shown } from './words'

export const reset: Command = {
  name: 'reset',
  usage: 'ACCOUNT [--erase] [--yes] [--config FILE]',
  summary: 'take the second factor off an account whose owner lost everything',
  help: `Turns two-factor authentication of an account off: the authenticator, the backup codes and all locks go, and all its
sessions end (in running processes within revalidateAfter, a minute by default). From then on the password alone logs
in. Make sure first that it is the owner who asks. ACCOUNT is the id that your app gives in option account.

  --yes     do not ask; needed where there is no terminal
  --erase   for a record that does not open, because its key is lost or it was damaged: erase it, and keep a new one
            that says that two-factor authentication was turned off; a record that opens is reset without this

Exit code: 0 done, 1 nothing was changed, 130 stopped at the question.`,
  options: { ...STORE_OPTIONS, yes: { type: 'boolean' }, erase: { type: 'boolean' } },
  positionals: ['ACCOUNT'],
  async run(given, world) {
    const id = idOf(given.positionals[0] as string)
    const yes = given.options.yes === true
    if (!yes && !world.stdin.isTTY)
      throw new Misuse('reset asks before it does anything: without a terminal it needs --yes')
    return withStore(given, world, async (opened) => {
      const question = await questionFor(opened, id, given.options.erase === true)
      if (!yes && !(await confirmed(question, world))) {
        world.stderr.write('Nothing was changed.\n')
        return FAILED
      }
      return carryOut(opened, id, given.options.erase === true, world)
    })
  },
}

/** What it will do. @throws Failure where there is nothing to do, or something else */
async function questionFor(opened: Opened, id: string, erase: boolean): Promise<string> {
  const found = await lookAt(opened, id)
  // Nobody is to believe that an account was reset whose id was mistyped.
  if (found.state === 'none') {
    throw new Failure(
      `${shown(id)} has no record, so there is nothing to take off: is this the id? Nothing was changed.`,
    )
  }
  if (found.state === 'unreadable') {
    const why = `The record of ${shown(id)} does not open. ${found.why}.\n${keysSay(opened.keyring, found.seal)}`
    if (!erase)
      throw new Failure(
        `${why}\nIf it is lost for good, --erase erases the record and resets the account. Nothing was changed.`,
      )
    if (!opened.store.delete)
      throw new Failure(
        `${why}\nThis store has no delete(): erase the row by hand, then reset the account from code. Nothing was changed.`,
      )
    return (
      `${why}\nThis erases the record for good and resets the account: its sessions end, and from then on the password ` +
      `alone logs in to ${shown(id)}.\nIs the record lost, and have you made sure that it is the owner who asks?`
    )
  }
  if (erase)
    throw new Failure(`The record of ${shown(id)} opens: reset it without --erase. Nothing was changed.`)
  const { enabled, since, backupCodes } = statusOf(found.record, Date.now(), 0)
  const state = enabled
    ? `Two-factor authentication of ${shown(id)} is on${since === null ? '' : ` since ${moment(since)}`}, ${backupCodes.remaining} backup codes left.`
    : `Two-factor authentication of ${shown(id)} is off already.`
  return (
    `${state}\nThis takes off its authenticator, backup codes and locks, and ends all its sessions. From then on the ` +
    'password alone logs in.\nHave you made sure that it is the owner who asks?'
  )
}

async function carryOut(
  { accounts, hidden }: Opened,
  id: string,
  erase: boolean,
  { stdout }: World,
): Promise<number> {
  if (erase) {
    await accounts.forget(id)
    await noteOff(accounts, id, hidden)
    stdout.write(
      `Erased: two-factor authentication of ${shown(id)} is off. Its sessions end within a minute, or what ` +
        'revalidateAfter says. The password alone logs in.\n',
    )
    return DONE
  }
  const wasEnabled = await accounts.reset(id)
  stdout.write(
    `Done: two-factor authentication of ${shown(id)} ${wasEnabled ? 'is off' : 'was off; its locks are gone'}. ` +
      'Its sessions end within a minute, or what revalidateAfter says. The password alone logs in.\n',
  )
  return DONE
}

/** Without the note option isEnrolled would call the account one whose record was lost, and lock it out. */
async function noteOff(accounts: Opened['accounts'], id: string, hidden: string[]): Promise<void> {
  try {
    await accounts.reset(id)
  } catch (error) {
    throw new Failure(
      `The record of ${shown(id)} is erased, but not that it was turned off written. ${reasonOf(error, hidden)}.\n` +
        'Where your app has option isEnrolled, logins of this account are 503 until it calls secondFactor.reset(id), or ' +
        'until isEnrolled says no.',
    )
  }
}
