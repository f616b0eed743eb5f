import type { StoredRecord } from '../store'

/** How long a call may take before it counts as never answered. */
export const PATIENCE = 30_000

/** Fails the case with these words unless the condition holds. */
export function mustBe(condition: unknown, words: string): asserts condition {
  if (!condition) throw new Error(words)
}

/** Fails the case with these words, and with both records, unless they are alike. */
export function mustEqual(got: StoredRecord | null, expected: StoredRecord | null, words: string): void {
  const alike =
    got === expected ||
    (got?.version === expected?.version &&
      got?.activated === expected?.activated &&
      got?.sealed === expected?.sealed)
  mustBe(alike, `${words} Expected ${showRecord(expected)}, came ${showRecord(got)}.`)
}

function showRecord(record: StoredRecord | null): string {
  if (!record) return 'null'
  const { version, activated, sealed } = record
  return `{ version: ${show(version)}, activated: ${show(activated)}, sealed: ${show(sealed)} }`
}

/** A value for a message: short, and with every character that cannot be seen spelled out. */
export function show(value: unknown): string {
  if (typeof value === 'string' && value.length > 120) {
    return `${show(value.slice(0, 60))}…${show(value.slice(-20))} (${value.length} characters)`
  }
  if (typeof value === 'bigint') return `${value}n`
  const text = JSON.stringify(value) ?? String(value)
  return text.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** It hangs, which is worse than a rejection. */
export class TooLate extends Error {}

/** The promise, or a rejection when nothing comes of it. */
export async function inTime<T>(promise: Promise<T>, what: string, patience = PATIENCE): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const words = `${what} came to no end in ${patience / 1000} seconds. A login would hang.`
    timer = setTimeout(() => reject(new TooLate(words)), patience)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
