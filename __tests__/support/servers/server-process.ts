import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** A database server of the tests' own: a child process on a free port of 127.0.0.1. */
export interface DatabaseServer {
  port: number
  url: string
  /** As a power cut does it: SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>
  /** Starts it again, on the same port with the same data. */
  restart(): Promise<void>
  /** Stops it and removes its data. */
  stop(): Promise<void>
}

export interface Command {
  program: string
  args: string[]
  /** Whom it runs as, where that must not be root. */
  uid?: number
  gid?: number
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** One server process, by its pid: started, killed, started again. */
export class ServerProcess {
  #child: ChildProcess | null = null

  constructor(
    private readonly command: Command,
    /** Rejects while the server is not ready to answer. */
    private readonly probe: () => Promise<unknown>,
  ) {}

  async start(): Promise<void> {
    const { program, args, uid, gid } = this.command
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid !== undefined && { uid, gid }),
    })
    let said = ''
    const hear = (chunk: Buffer) => {
      said = (said + chunk).slice(-4000)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    running.add(child)
    this.#child = child
    const ended = once(child, 'exit').then(() => running.delete(child))
    for (let tries = 0; ; tries++) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${program} ended:\n${said}`)
      try {
        await this.probe()
        return
      } catch (error) {
        if (tries > 600) {
          await this.end('SIGKILL')
          throw new Error(`${program} does not answer (${error}):\n${said}`)
        }
      }
      await Promise.race([ended, delay(50)])
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
}

/** Some servers may not run as root, where the tests do: then as this user of the system. */
export function idsOf(user: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const { execFileSync } = require('node:child_process') as typeof import('node:child_process')
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
