#!/usr/bin/env node
import { commandLine } from './command-line'

/** The process of `npx express-second-factor`: what the command line is told of it, and how it ends. */

const stop = new AbortController()
let first = Number.NEGATIVE_INFINITY

/** The first Ctrl-C stops at a safe place. npx hands on what the terminal has sent already: that is no second. */
function onSignal(): void {
  if (!stop.signal.aborted) first = performance.now()
  else if (performance.now() - first > 1000) process.exit(130)
  stop.abort()
}

process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)
// Whoever read our output has gone: `| head`.
process.stdout.on('error', () => process.exit(1))

commandLine(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
}).then((code) => {
  process.exitCode = code
  // A connection that does not close, or a config file with a timer, keeps nobody waiting.
  setTimeout(() => process.exit(code), 1000).unref()
})
