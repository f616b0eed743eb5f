import {
  type Rotation,
  RotationError,
  type RotationProgress,
  rotate as rotateRecords,
} from '../account/rotation'
import { explained } from './advice'
import { type Command, DONE, FAILED, STOPPED } from './command'
import { Progress } from './progress'
import { STORE_OPTIONS, withStore } from './with-store'
import { quoted, several, shown, some } from './words'

export const rotate: Command = {
  name: 'rotate',
  usage: '[--after ACCOUNT] [--config FILE]',
  summary: 'seal with the first key what older keys have sealed',
  help: `Goes through all accounts and seals with the first key what older ones have sealed. Your app may go on meanwhile;
every process of it must have the new first key already, or it goes on sealing with the old one.

  --after ACCOUNT   go on after this account, where an earlier run stopped
  Ctrl-C            stops between two accounts and says how to go on

Exit code: 0 all done, 1 some accounts could not be read or the store failed, 130 stopped.`,
  options: { ...STORE_OPTIONS, after: { type: 'string' } },
  positionals: [],
  run: (given, world) =>
    withStore(given, world, async ({ records, keyring, hidden }) => {
      const { stdout, stderr, signal } = world
      const { after, config } = given.options as { after?: string; config?: string }
      const progress = new Progress(stderr)
      const goOn = ({ last }: RotationProgress) => {
        const options = [
          config !== undefined && `--config=${quoted(config)}`,
          last !== null && `--after=${quoted(last)}`,
        ]
        return `Go on with: ${['npx express-second-factor rotate', ...options].filter(Boolean).join(' ')}\n`
      }
      try {
        const end = await rotateRecords(records, {
          after,
          signal,
          onProgress: (reached) => progress.show(reached.seen, tally(reached)),
        })
        progress.end()
        stdout.write(`${summary(end)}: ${tally(end)}.\n`)
        if (end.unreadable.length > 0) stdout.write(unreadable(end.unreadable))
        if (!end.done) {
          stdout.write(goOn(end))
          return STOPPED
        }
        if (end.unreadable.length > 0) return FAILED
        stdout.write(
          keyring.ids.length > 1
            ? 'Before you take the older keys out, see with express-second-factor doctor that nothing is sealed by them.\n'
            : '',
        )
        return DONE
      } catch (error) {
        if (!(error instanceof RotationError)) throw error
        progress.end()
        if (error.progress.unreadable.length > 0) stdout.write(unreadable(error.progress.unreadable))
        stderr.write(`FAILED after this: ${tally(error.progress)}.\n${explained(error.cause, hidden)}\n`)
        stderr.write(goOn(error.progress))
        return FAILED
      }
    }),
}

function summary({ done, unreadable }: Rotation): string {
  if (!done) return 'Stopped'
  return unreadable.length > 0 ? 'Not all done' : 'Done'
}

function tally({ seen, resealed, last }: RotationProgress): string {
  const place = last === null ? '' : `, the last one ${shown(last)}`
  return `${some(seen, 'account')} seen, ${some(resealed, 'account')} sealed with the first key${place}`
}

function unreadable(accountIds: readonly string[]): string {
  return (
    `FAILED: ${some(accountIds.length, 'account')} could not be read: ${several(accountIds, 20)}.\n` +
    'Their key is not among the keys, or they were altered: status ACCOUNT tells which key sealed one. Keep all keys until these open.\n'
  )
}
