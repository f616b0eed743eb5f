import { setTimeout as delay } from 'node:timers/promises'
import type { StoredRecord } from '../store'
import { START } from './bench'
import type { Client } from './client'
import { mustBe } from './words'

/**
 * Every write adds a mark of its own to the marks that it read: so the last record tells of every write whether
 * it happened, and how often.
 */
export interface Told {
  /** Marks of writes that were answered true, or false, or not at all. */
  yes: string[]
  no: string[]
  unknown: string[]
}

/** Refusals in a row after which something else must be wrong. */
const MOST_ATTEMPTS = 100

export function withMark(before: StoredRecord | null, mark: string): StoredRecord {
  return {
    version: before ? before.version + 1 : START,
    activated: true,
    sealed: before ? `${before.sealed} ${mark}` : mark,
  }
}

/** Reads, adds a mark, writes; and again when somebody else was first, as the library does. */
export async function addMarks(client: Client, id: string, writer: string, rounds: number): Promise<Told> {
  const told: Told = { yes: [], no: [], unknown: [] }
  for (let round = 0; round < rounds; round++) {
    const add = async (attempt: number) => {
      const before = await client.get(id)
      // Lets the others read, too, also where no call leaves the process.
      await new Promise(setImmediate)
      const mark = `${writer}.${round}.${attempt}`
      const written = await client.write(id, before?.version ?? 0, withMark(before, mark))
      told[written ? 'yes' : 'no'].push(mark)
      return written
    }
    await untilTrue(
      add,
      'times in a row get() and then compareAndSet() with the version that it answered was refused: what is read is ' +
        'not what is there, or writers starve.',
    )
  }
  return told
}

/** Writes what nobody else writes; while the store is busy with others' rows, it may refuse. */
export function insist(client: Client, id: string, from: number, next: StoredRecord): Promise<void> {
  return untilTrue(
    () => client.write(id, from, next),
    `times in a row a write that expects version ${from}, the right one, was refused, while nobody else wrote that row.`,
  )
}

async function untilTrue(attempt: (index: number) => Promise<boolean>, failure: string): Promise<void> {
  for (let index = 0; index < MOST_ATTEMPTS; index++) {
    if (index > 0) await delay(Math.random() * Math.min(2 ** index, 30))
    if (await attempt(index)) return
  }
  throw new Error(`${MOST_ATTEMPTS} ${failure}`)
}

/** Compares what the writers were told with what is there in the end. */
export function judge(record: StoredRecord | null, tolds: Told[]): void {
  const all = (kind: keyof Told) => tolds.flatMap((told) => told[kind])
  const marks = record ? record.sealed.split(' ') : []
  const there = new Set(marks)
  const yes = all('yes')
  const lost = yes.filter((mark) => !there.has(mark))
  mustBe(
    lost.length === 0,
    `${yes.length} writes were answered true, and ${lost.length} of them are lost: others overwrote them without ` +
      'having seen them. A code would be accepted twice, and wrong guesses would not count.',
  )
  mustBe(there.size === marks.length, 'A write happened twice.')
  const denied = all('no').filter((mark) => there.has(mark))
  mustBe(
    denied.length === 0,
    `${denied.length} writes were answered false and yet happened. false means that nothing was changed; a write ` +
      'of which that is not known must reject (a driver that sends a write again after its connection broke ' +
      'finds its own first attempt).',
  )
  const known = new Set([...yes, ...all('unknown')])
  mustBe(
    marks.every((mark) => known.has(mark)),
    'The record holds what nobody has written: parts of two records, or half of one.',
  )
  mustBe(
    record?.version === START + marks.length - 1,
    `${marks.length} writes happened, each one version on from ${START}, and the last version is ${record?.version}.`,
  )
}
