import { type Bench, type Case, record, START } from './bench'
import { mustBe, mustEqual, show } from './words'

/** Two accounts never share a row. */
export const idCases: Case[] = [
  { name: 'accounts with odd or similar ids are accounts of their own', check: oddIds },
  { name: 'ids of 255 characters that differ in the last one are two accounts', check: longIds },
  { name: 'names that every object has are no accounts', check: inheritedNames },
]

const WHY = 'Two accounts in one row: the codes of one user would let in the other.'

/** What collations, globs, query languages and paths take for the same or for something else. */
const CASE = ['', 'a', 'A', 'aa', 'i', 'I', 'ı', 'İ', 'ß', 'ss', 'SS']
const SPACE = ['a ', ' a', 'a\t', 'a\n', 'a\u00a0', 'a\u200b', 'a\u00ad', 'a.', 'a\u0001']
const UNICODE = [
  'é',
  'e\u0301',
  'e',
  'ﬁ',
  'fi',
  '\u2126',
  '\u03a9',
  'ａ',
  '\u0430',
  '名前',
  '\uffee',
  '😀',
  '😁',
]
const KEYS = [
  'a:b',
  'a::b',
  'a.b',
  'a/b',
  '../a',
  'a\\b',
  '\\',
  '\\\\',
  '{}',
  '{a}',
  '{"id":1}',
  '[a]',
  '#',
  '%25',
]
const GLOBS = ['*', 'a*', '?', '%', '_', '[ab]', '(a)', '.*', '^a', 'a|b']
const QUERIES = [
  "'",
  "''",
  '"',
  '`',
  '--',
  ';',
  '$1',
  '$ne',
  '&',
  '<a>',
  "'); DROP TABLE second_factor_accounts;--",
]
const VALUES = ['1', '01', '1.0', '+1', '1e0', 'null', 'undefined', 'true', '__proto__', 'constructor']
export const ODD_ENDINGS = [...CASE, ...SPACE, ...UNICODE, ...KEYS, ...GLOBS, ...QUERIES, ...VALUES]

async function oddIds(bench: Bench): Promise<void> {
  const client = await bench.client()
  const ids = ODD_ENDINGS.map((ending) => bench.id(ending))
  for (const [index, id] of ids.entries()) {
    mustBe(
      await client.write(id, 0, record(START + index, `of ${index}`)),
      `The account ${show(id)} was never written, and a first write was refused: another id passes for it. ${WHY}`,
    )
  }
  for (const [index, id] of ids.entries()) {
    mustEqual(
      await client.get(id),
      record(START + index, `of ${index}`),
      `The account ${show(id)} does not have what was written for it. ${WHY}`,
    )
  }
}

async function longIds(bench: Bench): Promise<void> {
  const client = await bench.client()
  // An account id has up to 255 UTF-16 units: 1, 2 or 3 bytes each.
  for (const filler of ['x', 'é', '名']) {
    const most = filler.repeat(254 - bench.prefix.length)
    const ids = ['1', '2', filler].map((last) => bench.id(most + last))
    for (const [index, id] of ids.entries()) {
      mustBe(
        await client.write(id, 0, record(START, `of ${index}`)),
        `An id of 255 characters was refused: one that differs in the last character passes for it. ${WHY}`,
      )
    }
    for (const [index, id] of ids.entries()) {
      mustEqual(await client.get(id), record(START, `of ${index}`), `The id ${show(id)} is another's. ${WHY}`)
    }
    mustBe(
      (await client.get(bench.prefix + most)) === null,
      `An id of 254 characters finds a longer one. ${WHY}`,
    )
  }
}

/** Read only: on a shared database they could be somebody's. */
async function inheritedNames(bench: Bench): Promise<void> {
  const client = await bench.client()
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])
    await client.get(name)
}
