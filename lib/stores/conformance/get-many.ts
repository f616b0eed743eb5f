import { type Bench, type Case, record, START } from './bench'
import type { Client } from './client'
import { ODD_ENDINGS } from './ids'
import { mustBe, mustEqual, show } from './words'

/** Several accounts in one question: the administrator's lists. */
export const getManyCases: Case[] = [
  { name: 'getMany(), if there is one, answers what get() does, in the order of the ids', check: inOrder },
  { name: 'getMany(), if there is one, takes any ids, and any number of them', check: anyIds },
  { name: 'getMany(), if there is one, hands out copies of what is there now', check: now },
]

const WHY = 'A list would show the second factor of one user beside the name of another.'

async function ask(client: Client, ids: string[]) {
  const rows = await client.store.getMany?.(ids)
  mustBe(
    Array.isArray(rows) && rows.length === ids.length,
    `getMany() of ${ids.length} ids must answer an array of as many rows, and answered ${show(rows)}.`,
  )
  for (const [i, row] of rows.entries()) {
    mustBe(
      row !== undefined,
      `getMany() answered undefined for ${show(ids[i])}: an account without a row is null.`,
    )
  }
  return rows
}

async function inOrder(bench: Bench): Promise<void> {
  const client = await bench.client()
  if (!client.store.getMany) return
  const [a, b, c, none] = ['a', 'b', 'c', 'none'].map((ending) => bench.id(ending)) as [
    string,
    string,
    string,
    string,
  ]
  for (const [i, id] of [a, b, c].entries()) await client.put(id, 0, record(START + i, `of ${i}`, i !== 1))
  const expected = new Map([a, b, c].map((id, i) => [id, record(START + i, `of ${i}`, i !== 1)]))
  for (const ids of [[], [none], [c, none, a, b], [a], [b, b, none, b]]) {
    const rows = await ask(client, ids)
    for (const [i, id] of ids.entries()) {
      mustEqual(
        rows[i] ?? null,
        expected.get(id) ?? null,
        `getMany(${show(ids)}): row ${i + 1} must be that of ${show(id)}. ${WHY}`,
      )
    }
  }
}

async function anyIds(bench: Bench): Promise<void> {
  const client = await bench.client()
  if (!client.store.getMany) return
  const ids = ODD_ENDINGS.map((ending) => bench.id(ending))
  for (const [i, id] of ids.entries()) await client.put(id, 0, record(START + i, `of ${i}`))
  // More than any database takes in one statement, and more than have rows.
  const absent = Array.from({ length: 2000 }, (_, i) => `${bench.prefix}none-${i}`)
  const all = [...absent, ...[...ids].reverse()]
  const rows = await ask(client, all)
  for (const [i, id] of all.entries()) {
    const index = ids.indexOf(id)
    const expected = index < 0 ? null : record(START + index, `of ${index}`)
    mustEqual(
      rows[i] ?? null,
      expected,
      `getMany() of ${all.length} ids has another row for ${show(id)}. ${WHY}`,
    )
  }
}

async function now(bench: Bench): Promise<void> {
  const [client, other] = await bench.clients()
  if (!client.store.getMany) return
  const id = bench.id()
  await client.put(id, 0, record(START))
  await ask(client, [id])
  await other.put(id, START, record(START + 1, 'newer', false))
  const [row] = await ask(client, [id])
  mustEqual(row ?? null, record(START + 1, 'newer', false), 'getMany() shows a row as it was before.')
  Object.assign(row ?? {}, { sealed: 'changed outside' })
  mustEqual(
    await client.get(id),
    record(START + 1, 'newer', false),
    'The record that getMany() handed out was changed after the call, and the store changed with it: what it keeps ' +
      'must be copies.',
  )
}
