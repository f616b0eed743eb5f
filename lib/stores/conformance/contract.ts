import { type Bench, type Case, record, START } from './bench'
import { mustBe, mustEqual, show } from './words'

/** What one client alone sees. */
export const contractCases: Case[] = [
  { name: 'an account without a row is null', check: absent },
  { name: 'what was written comes back as it was', check: roundTrip },
  { name: 'a write that expects another version than the row has changes nothing', check: wrongVersions },
  { name: 'a write that expects a version of an absent account makes no row', check: versionOfNothing },
  { name: 'what is handed in and out are copies', check: copies },
  { name: 'a version may be any safe integer', check: versions },
  { name: 'a record of 256 KiB comes back whole', check: largeRecords },
  { name: 'a record comes back character by character', check: characters },
  { name: 'a client that was closed never says "none" or "written"', check: closed },
  { name: 'inspect(), if there is one, answers a clock and warnings', check: inspects },
]

async function absent(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  mustBe(
    (await client.get(id)) === null,
    'get() of an account that was never written must answer null: it is how an account without a second factor reads.',
  )
}

async function roundTrip(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  let expected = 0
  for (const activated of [false, true, false]) {
    const next = record(expected ? expected + 1 : START, `v1.${activated}.Ab+/=_-`, activated)
    await client.put(id, expected, next)
    mustEqual(await client.get(id), next, 'What was written must come back.')
    expected = next.version
  }
}

async function wrongVersions(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  const there = record(START + 1)
  await client.put(id, 0, record(START))
  await client.put(id, START, there)
  for (const wrong of [0, -1, 1, START, START - 1, START + 2, START + 1000]) {
    const answer = await client.write(id, wrong, record(Math.max(wrong, START) + 5, 'intruder', false))
    mustBe(
      !answer,
      `The row has version ${there.version}; a write that expects version ${wrong} must answer false, and it ` +
        `answered true.${wrong === 0 ? ' 0 means that there is no row.' : ''} What others wrote in between would ` +
        'be overwritten: a code would be accepted twice.',
    )
    mustEqual(
      await client.get(id),
      there,
      `A write that expects version ${wrong}, not the row's, answered false and yet changed the row.`,
    )
  }
}

async function versionOfNothing(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  for (const version of [1, START, -1]) {
    mustBe(
      !(await client.write(id, version, record(START + 1))),
      `There is no row; a write that expects version ${version} must answer false, and it answered true.`,
    )
    mustBe(
      (await client.get(id)) === null,
      `There was no row, and a write that expects version ${version} has made one: an account that was erased ` +
        'would come back.',
    )
  }
}

async function copies(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  const given = record(START, 'given')
  await client.put(id, 0, given)
  mustEqual(given, record(START, 'given'), 'The store has changed the record that it was given.')
  Object.assign(given, { version: START + 7, sealed: 'changed outside' })
  const words = 'was changed after the call, and the store changed with it: what it keeps must be copies.'
  mustEqual(await client.get(id), record(START, 'given'), `The record that was handed in ${words}`)
  Object.assign((await client.get(id)) ?? {}, { sealed: 'changed outside' })
  mustEqual(await client.get(id), record(START, 'given'), `The record that get() handed out ${words}`)
  if (!client.store.list) return
  for (const row of await client.list(bench.prefix, 1)) row.record.sealed = 'changed outside'
  mustEqual(await client.get(id), record(START, 'given'), `The record that list() handed out ${words}`)
}

async function versions(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  const why =
    'Versions start from the clock in seconds: a column of 32 bits ends in 2038, and a number that is rounded ' +
    'lets two different versions pass for one.'
  const { MAX_SAFE_INTEGER } = Number
  let last = 0
  for (const version of [
    1,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 1,
    MAX_SAFE_INTEGER - 1,
    MAX_SAFE_INTEGER,
  ]) {
    mustBe(
      await client.write(id, last, record(version)),
      `A write from version ${last} to ${version} was refused. ${why}`,
    )
    mustEqual(await client.get(id), record(version), `Version ${version} does not come back. ${why}`)
    for (const wrong of [version - 1, version % 2 ** 32, version % 2 ** 31]) {
      if (wrong === version) continue
      mustBe(
        !(await client.write(id, wrong, record(version, 'intruder'))),
        `Version ${wrong} passed for ${version}. ${why}`,
      )
    }
    last = version
  }
}

async function largeRecords(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  let version = 0
  for (const length of [1, 255, 256, 4000, 4001, 65_535, 65_536, 65_537, 262_144]) {
    const next = record(version ? version + 1 : START, printable(length))
    mustBe(
      await client.write(id, version, next),
      `A record of ${length} characters was refused, as if somebody else had written first.`,
    )
    mustEqual(
      await client.get(id),
      next,
      `A record of ${length} characters does not come back whole: it would not open any more, and its account is ` +
        'locked out.',
    )
    version = next.version
  }
}

async function characters(bench: Bench): Promise<void> {
  const client = await bench.client()
  const id = bench.id()
  let version = 0
  for (const sealed of [printable(95), ' a ', `"'\`\\\\n%s$1:x?{}[]`, '1', '1e3', '{"a":1}', 'null', '[]']) {
    const next = record(version ? version + 1 : START, sealed)
    await client.put(id, version, next)
    mustEqual(await client.get(id), next, `The text ${show(sealed)} must come back exactly.`)
    version = next.version
  }
}

async function closed(bench: Bench): Promise<void> {
  const [client, other] = await bench.clients()
  const id = bench.id()
  await client.put(id, 0, record(START))
  const { store, close } = await bench.opened()
  await store.get(id)
  await close()
  const read = await outcome(() => store.get(id))
  mustBe(
    'error' in read || (read.value && typeof read.value === 'object'),
    `After close(), get() of an account that has a row answered ${show('value' in read ? read.value : null)}. What ` +
      'cannot be read must reject: null means that the account certainly has no second factor, and the password ' +
      'alone would log in.',
  )
  const write = await outcome(() => store.compareAndSet(id, START, record(START + 1)))
  const written = 'value' in write && write.value === true
  mustBe(
    'error' in write || written,
    'After close(), compareAndSet() with the right version answered that somebody else wrote first. It does not ' +
      'know: it must reject.',
  )
  mustEqual(
    await other.get(id),
    record(written ? START + 1 : START),
    `After close(), compareAndSet() ${written ? 'answered true and wrote nothing' : 'rejected and yet wrote'}.`,
  )
}

async function inspects(bench: Bench): Promise<void> {
  const { store } = await bench.opened()
  if (!store.inspect) return
  const { clock, warnings } = (await store.inspect()) ?? {}
  mustBe(
    clock === null || Number.isFinite(clock),
    `inspect() answered the clock ${show(clock)}: it is milliseconds since 1970, or null.`,
  )
  mustBe(
    Array.isArray(warnings) && warnings.every((warning) => typeof warning === 'string'),
    `inspect() answered the warnings ${show(warnings)}: they are an array of strings.`,
  )
}

async function outcome<T>(question: () => Promise<T>): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await question() }
  } catch (error) {
    return { error }
  }
}

/** All of printable ASCII, again and again. */
function printable(length: number): string {
  const all = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('')
  return all.repeat(Math.ceil(length / all.length)).slice(0, length)
}
