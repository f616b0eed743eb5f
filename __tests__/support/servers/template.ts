import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Makes a data directory, or copies the one that this run of the tests has made already: databases take seconds to make
 * theirs. `jest.config.js` says where they are kept, as long as the run takes; elsewhere each is made anew.
 */
export async function dataDirectory(kind: string, data: string, make: () => unknown): Promise<void> {
  const templates = process.env.TEST_DATA_DIRECTORIES
  if (!templates) return void make()
  const template = join(templates, kind)
  // Whoever is the first makes it, and others wait; when that takes too long, they make their own.
  const first = lock(`${template}.lock`)
  for (let tries = 0; !first && tries < 600; tries++) {
    if (existsSync(template)) return copy(template, data)
    await delay(50)
  }
  try {
    make()
  } catch (error) {
    if (first) rmdirSync(`${template}.lock`)
    throw error
  }
  if (!first) return
  copy(data, `${template}.new`)
  renameSync(`${template}.new`, template)
}

function lock(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch {
    return false
  }
}

/** With owners and modes, which servers look at. */
function copy(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to])
}
