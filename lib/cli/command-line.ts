import { type ParseArgsConfig, parseArgs } from 'node:util'
import { type Arguments, type Command, DONE, FAILED, Failure, Misuse, STOPPED, type World } from './command'
import { doctor } from './doctor'
import { keygen } from './keygen'
import { reset } from './reset'
import { rotate } from './rotate'
import { sql } from './sql'
import { status } from './status'
import { printable, reasonOf } from './words'

const COMMANDS: Command[] = [keygen, doctor, status, reset, rotate, sql]

const STORE = `Which keys and which store:
  --config FILE              a file that gives { keys, store }; else second-factor.config.js, .cjs, .mjs or .json here;
                             else the environment:
  SECOND_FACTOR_KEY          the keys, the newest first, with commas between them
  SECOND_FACTOR_STORE_URL    the store (else DATABASE_URL): sqlite:app.db, postgres://…, mysql://…, redis://…,
                             redis-cluster://host:port,host:port`

/** Runs `express-second-factor` with these arguments, and answers its exit code. Never rejects. */
export async function commandLine(argv: string[], world: World): Promise<number> {
  try {
    return await runCommand(argv, world)
  } catch (error) {
    if (world.signal.aborted && (error as Error | null)?.name === 'AbortError') {
      world.stderr.write('\nStopped; nothing was changed.\n')
      return STOPPED
    }
    world.stderr.write(
      `express-second-factor: ${error instanceof Failure ? printable(error.message) : reasonOf(error)}\n`,
    )
    return error instanceof Failure ? error.exitCode : FAILED
  }
}

async function runCommand([name, ...rest]: string[], world: World): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    world.stdout.write(`${overview()}\n`)
    return DONE
  }
  if (name === '--version') {
    world.stdout.write(`${require('../../package.json').version}\n`)
    return DONE
  }
  const command = commandOf(name === 'help' ? (rest[0] as string) : name)
  const given = read(command, name === 'help' ? ['--help'] : rest)
  if (given.options.help === true) {
    world.stdout.write(`${helpOf(command)}\n`)
    return DONE
  }
  const { positionals } = command
  if (given.positionals.length < positionals.length) {
    throw new Misuse(`${command.name} needs ${positionals.join(' and ')}: ${usageOf(command)}`)
  }
  if (given.positionals.length > positionals.length) {
    throw new Misuse(`${command.name} takes no more than this: ${usageOf(command)}`)
  }
  return command.run(given, world)
}

function commandOf(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name)
  if (command) return command
  const names = COMMANDS.map((one) => one.name).join(', ')
  throw new Misuse(`There is no command ${JSON.stringify(name)}. The commands are: ${names}`)
}

function read(command: Command, args: string[]): Arguments {
  const options: ParseArgsConfig['options'] = { ...command.options, help: { type: 'boolean', short: 'h' } }
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    return { options: values as Arguments['options'], positionals }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const [, option] = /^Unknown option '([^']*)'/.exec(message) ?? []
    const why =
      code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' && option !== undefined
        ? `${command.name} has no option ${JSON.stringify(option)}`
        : message.split('\n')[0]
    throw new Misuse(`${why}. Usage: ${usageOf(command)}`)
  }
}

function usageOf({ name, usage }: Command): string {
  return ['express-second-factor', name, usage].filter(Boolean).join(' ')
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((one) => `${one.name} ${one.usage}`.length))
  const lines = COMMANDS.map((one) => `  ${`${one.name} ${one.usage}`.padEnd(width)}   ${one.summary}`)
  return [
    'Usage: express-second-factor COMMAND [OPTIONS]',
    '',
    ...lines,
    `  ${'help COMMAND'.padEnd(width)}   what a command does, with all its options`,
    '',
    STORE,
  ].join('\n')
}

function helpOf(command: Command): string {
  const store = 'config' in command.options ? ['', STORE] : []
  return [`Usage: ${usageOf(command)}`, '', command.help, ...store].join('\n')
}
