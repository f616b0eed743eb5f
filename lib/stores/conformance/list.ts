import { type Bench, type Case, record, START } from './bench'
import type { Client } from './client'
import { ODD_ENDINGS } from './ids'
import { mustBe, mustEqual, show } from './words'

/** `list()` and `delete()`, which reports and erasure rest on. */
export const listCases: Case[] = [
  { name: 'list(): every row once, in the byte order of the ids', needs: 'list', check: walk },
  {
    name: 'list(): never more than the limit, after a cursor that need not exist',
    needs: 'list',
    check: limits,
  },
  { name: 'list(): rows that come and go between two pages lose no others', needs: 'list', check: changes },
  { name: 'delete(): erases one account, and no row is no error', needs: 'delete', check: erases },
  {
    name: 'delete(): the account begins anew, its old version is worth nothing',
    needs: 'delete',
    check: anew,
  },
]

const WHY = 'A report would miss accounts, and a key that is still needed would be thrown away.'

/** The case's own rows, from the one after `after`, page by page. */
async function walkOn(bench: Bench, client: Client, after: string, limit: number): Promise<string[]> {
  const seen: string[] = []
  for (let cursor = after; ; ) {
    const page = await client.list(cursor, limit)
    mustBe(page.length <= limit, `list(…, ${limit}) answered ${page.length} rows`)
    const own = page.map((row) => row.accountId).filter((id) => id.startsWith(bench.prefix))
    for (const id of own) mustBe(!seen.includes(id), `list() answered ${show(id)} twice. ${WHY}`)
    seen.push(...own)
    // Others' rows lie before and after all of ours.
    if (own.length < limit) return seen
    cursor = own.at(-1) as string
  }
}

/** Sorts before every id of the case, and is none. */
const before = (bench: Bench) => bench.prefix.slice(0, -1)

async function walk(bench: Bench): Promise<void> {
  const client = await bench.client()
  const ids = ODD_ENDINGS.map((ending) => bench.id(ending))
  for (const [index, id] of ids.entries()) await client.put(id, 0, record(START + index, `of ${index}`))
  const inOrder = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const limit of [3, ids.length + 1]) {
    const seen = await walkOn(bench, client, before(bench), limit)
    for (const [index, id] of inOrder.entries()) {
      mustBe(
        seen[index] === id,
        `Pages of ${limit}: row ${index + 1} must be ${show(id)}, and is ${show(seen[index])}: the order is that of ` +
          `the bytes of the ids in UTF-8. ${WHY}`,
      )
    }
    mustBe(seen.length === ids.length, `list() answered ${seen.length} rows of ${ids.length}`)
  }
  for (const { accountId, record: listed } of await client.list(before(bench), ids.length)) {
    const index = ids.indexOf(accountId)
    mustEqual(
      listed,
      record(START + index, `of ${index}`),
      `list() has another record of ${show(accountId)}.`,
    )
  }
}

async function limits(bench: Bench): Promise<void> {
  const client = await bench.client()
  const [a, b, c] = ['a', 'b', 'c'].map((ending) => bench.id(ending)) as [string, string, string]
  for (const id of [c, a]) await client.put(id, 0, record(START))
  for (const limit of [1, 2]) {
    const page = await client.list(null, limit)
    mustBe(
      page.length === limit,
      `list(null, ${limit}) answered ${page.length} rows where there are at least 2`,
    )
  }
  const after = async (cursor: string, limit: number) =>
    (await client.list(cursor, limit)).map((row) => row.accountId).filter((id) => id.startsWith(bench.prefix))
  const check = async (cursor: string, limit: number, expected: string[]) => {
    const got = await after(cursor, limit)
    mustBe(
      got.length === expected.length && got.every((id, index) => id === expected[index]),
      `list(${show(cursor)}, ${limit}) must answer ${show(expected)} and answered ${show(got)}. ${WHY}`,
    )
  }
  await check(before(bench), 1, [a])
  await check(before(bench), 5, [a, c])
  await check(a, 5, [c])
  await check(b, 5, [c])
  await check(c, 5, [])
  await client.put(a, START, record(START + 1, 'newer', false))
  const [listed] = await client.list(before(bench), 1)
  mustEqual(listed?.record ?? null, record(START + 1, 'newer', false), 'list() shows a row as it was before.')
}

async function changes(bench: Bench): Promise<void> {
  const client = await bench.client()
  const ids = ['b', 'd', 'f', 'h', 'j', 'l'].map((ending) => bench.id(ending))
  for (const id of ids) await client.put(id, 0, record(START))
  const first = (await client.list(before(bench), 3)).map((row) => row.accountId)
  const cursor = first.at(-1) ?? before(bench)
  // Before the cursor, and after it; where the store erases, the row of the cursor itself goes.
  for (const ending of ['a', 'e', 'g']) await client.put(bench.id(ending), 0, record(START))
  await client.put(ids[3] as string, START, record(START + 1))
  if (client.store.delete) await client.delete(cursor)
  const rest = await walkOn(bench, client, cursor, 2)
  for (const id of ids) {
    const times = [...first, ...rest].filter((seen) => seen === id).length
    mustBe(
      times === 1,
      `${show(id)} was there all the time, and was listed ${times} times: a page must go on after its cursor's id, ` +
        `not after a number of rows. ${WHY}`,
    )
  }
}

async function erases(bench: Bench): Promise<void> {
  const [client, ...others] = await bench.clients()
  const [gone, kept, longer] = ['a', 'b', 'ab'].map((ending) => bench.id(ending)) as [string, string, string]
  for (const id of [gone, kept, longer]) await client.put(id, 0, record(START, `of ${id.length}`))
  for (const other of others) await other.get(gone)
  await client.delete(gone)
  for (const one of [client, ...others]) {
    mustBe((await one.get(gone)) === null, 'An account was deleted, and its row is still there.')
    for (const id of [kept, longer]) {
      mustEqual(
        await one.get(id),
        record(START, `of ${id.length}`),
        'Another account went with the deleted one.',
      )
    }
  }
  await client.delete(gone)
  await client.delete(bench.id('never there'))
}

async function anew(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  await client.put(id, 0, record(START, 'old'))
  await client.delete(id)
  mustBe(
    !(await client.write(id, START, record(START + 1, 'intruder'))),
    'An account was deleted; a write that expects its old version must answer false, and it answered true: the ' +
      'second factor of an account that was closed would come back.',
  )
  mustBe((await client.get(id)) === null, 'A write that answered false has brought a deleted account back.')
  mustBe(
    await client.write(id, 0, record(START + 9, 'new')),
    'An account was deleted; a first write (expected version 0) must answer true, and it answered false.',
  )
  mustEqual(await client.get(id), record(START + 9, 'new'), 'After delete(), the new row must come back.')
}
