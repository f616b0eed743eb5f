import { randomBytes } from 'node:crypto'
import { type Command, DONE } from './command'

export const keygen: Command = {
  name: 'keygen',
  usage: '',
  summary: 'make a key',
  help: `Prints a new key, 32 random bytes in base64, and nothing else:

  export SECOND_FACTOR_KEY=$(npx express-second-factor keygen)

Keep it where your other secrets are, outside the database and its backups. Without it nobody's code can be checked.`,
  options: {},
  positionals: [],
  async run(_given, { stdout, stderr }) {
    stdout.write(`${randomBytes(32).toString('base64')}\n`)
    // In a script only the key counts.
    if (stderr.isTTY && stdout.isTTY) {
      stderr.write(
        'Keep it outside the database, and safe: without it no second factor can be checked.\n' +
          'To rotate, put it in front of the present one (SECOND_FACTOR_KEY=new,old) and run: express-second-factor rotate\n',
      )
    }
    return DONE
  },
}
