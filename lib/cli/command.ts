import type { ParseArgsConfig } from 'node:util'

/** What a command sees of the process. */
export interface World {
  cwd: string
  env: NodeJS.ProcessEnv
  stdin: Input
  stdout: Output
  stderr: Output
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
}

export type Input = NodeJS.ReadableStream & { isTTY?: boolean }
export type Output = NodeJS.WritableStream & { isTTY?: boolean }

/** What was typed after the command's name. */
export interface Arguments {
  options: Record<string, string | boolean | undefined>
  positionals: string[]
}

export interface Command {
  name: string
  /** What is typed after the name. */
  usage: string
  /** A few words for the list of commands. */
  summary: string
  /** What it does, and every option. */
  help: string
  options: NonNullable<ParseArgsConfig['options']>
  /** The names of what it needs besides options. */
  positionals: string[]
  /** Answers the exit code. */
  run(given: Arguments, world: World): Promise<number>
}

export const DONE = 0
export const FAILED = 1
const MISUSED = 2
/** As shells say it of a program that Ctrl-C ended. */
export const STOPPED = 130

/** What went wrong and what to do, for people: printed as it is, without a stack. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly exitCode = FAILED,
  ) {
    super(message)
  }
}

/** Typed wrongly. */
export class Misuse extends Failure {
  constructor(message: string) {
    super(message, MISUSED)
  }
}
