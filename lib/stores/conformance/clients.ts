import { type Bench, type Case, record, START } from './bench'
import type { Client } from './client'
import { addMarks, insist, judge } from './history'
import { mustBe, mustEqual, show } from './words'

/** What several connections see of each other. */
export const clientCases: Case[] = [
  { name: 'clients: a write that was answered is seen by all of them', check: seenByAll },
  { name: 'clients: of first writes at once exactly one succeeds', check: (bench) => race(bench, 0) },
  {
    name: 'clients: of writes at once from one version exactly one succeeds',
    check: (bench) => race(bench, START),
  },
  { name: 'clients: no write is lost while all read, change and write', check: noneLost },
  { name: 'clients: writes to many accounts at once do not disturb each other', check: manyAccounts },
  { name: 'clients: a read during writes sees one whole record, and never an older one', check: wholeReads },
]

/** Throws unless exactly one of the writes of a round succeeded. */
export function exactlyOne(answers: boolean[], from: number): void {
  const winners = answers.filter(Boolean).length
  mustBe(
    winners === 1,
    winners === 0
      ? `${answers.length} writes expected version ${from}, which was the right one, and all were refused: one of ` +
          'them must succeed, or nobody gets in.'
      : `${answers.length} writes expected version ${from} and ${winners} were told that they had succeeded: a code ` +
          'would be accepted twice. The look at the version and the write must be one atomic step.',
  )
}

async function race(bench: Bench, from: number): Promise<void> {
  const clients = await bench.clients()
  for (const [round, id] of bench.ids(bench.sizes.rounds).entries()) {
    if (from) await clients[0].put(id, 0, record(from))
    // In some rounds more writes than clients, so that also those of one connection meet.
    const writers = round % 5 === 0 ? Array.from({ length: 5 }, () => clients).flat() : clients
    const next = (index: number) => record((from || START) + 1, `writer.${index}`, index % 2 === 0)
    const answers = await together(writers, (client, index) => client.write(id, from, next(index)))
    exactlyOne(answers, from)
    for (const client of clients) {
      mustEqual(
        await client.get(id),
        next(answers.indexOf(true)),
        'Of several writes at once one was told that it had succeeded, and another one is what is there.',
      )
    }
  }
}

async function seenByAll(bench: Bench): Promise<void> {
  const clients = await bench.clients()
  const id = bench.id()
  let version = 0
  for (let round = 0; round < bench.sizes.rounds; round++) {
    const writer = clients[round % clients.length] as Client
    const next = record(version ? version + 1 : START)
    mustBe(
      await writer.write(id, version, next),
      `Nobody else writes, and a write that expects version ${version}, which all clients have read, was refused. Do ` +
        'all clients that open() makes see the same data?',
    )
    const seen = await together(clients, (client) => client.get(id))
    for (const got of seen) {
      mustEqual(
        got,
        next,
        'A write was answered, and afterwards another client reads something older (from a cache, or a replica that ' +
          'lags behind): a session that was revoked would go on, and an account just enabled would be let in ' +
          'without a code.',
      )
    }
    version = next.version
  }
}

async function noneLost(bench: Bench): Promise<void> {
  const clients = await bench.clients()
  const id = bench.id()
  const tolds = await together(clients, (client, index) =>
    addMarks(client, id, `client${index}`, bench.sizes.rounds),
  )
  judge(await (await bench.client()).get(id), tolds)
}

async function manyAccounts(bench: Bench): Promise<void> {
  const clients = await bench.clients()
  const ids = bench.ids(bench.sizes.rounds)
  const clientOf = (index: number) => clients[index % clients.length] as Client
  for (const [from, to] of [
    [0, START],
    [START, START + 1],
  ] as const) {
    await together(ids, (id, index) => insist(clientOf(index), id, from, record(to, `of ${index}.${to}`)))
  }
  for (const [index, id] of ids.entries()) {
    mustEqual(
      await clientOf(index + 1).get(id),
      record(START + 1, `of ${index}.${START + 1}`),
      `While many accounts were written, ${show(id)} got something else than what was written for it.`,
    )
  }
}

async function wholeReads(bench: Bench): Promise<void> {
  const [writer, ...readers] = await bench.clients()
  const id = bench.id()
  const at = (version: number) => record(version, `${version}.`.repeat(1000), version % 2 === 0)
  await writer.put(id, 0, at(START))
  let writing = true
  const write = async () => {
    try {
      for (let version = START; version < START + bench.sizes.rounds * 2; version++) {
        await insist(writer, id, version, at(version + 1))
      }
    } finally {
      writing = false
    }
  }
  const read = async (client: Client) => {
    for (let last = START; writing; ) {
      const got = await client.get(id)
      mustBe(
        got,
        'An account that is being written reads as if it had no row: the password alone would log in.',
      )
      mustEqual(got, at(got.version), 'A read during a write has seen parts of two records.')
      mustBe(got.version >= last, `A read has seen version ${got.version} after version ${last}.`)
      last = got.version
      // Stores that answer without a system call would let nobody else have a turn.
      await new Promise(setImmediate)
    }
  }
  await Promise.all([write(), ...readers.map(read)])
}

/** All begin before the first one is awaited; and all have ended when it rejects. */
async function together<T, R>(items: T[], task: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results = await Promise.allSettled(items.map(task))
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
