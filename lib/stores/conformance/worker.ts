import { pathToFileURL } from 'node:url'
import type { StoredRecord } from '../store'
import { Client } from './client'
import { addMarks } from './history'
import type { StoreClient } from './options'
import { message } from './words'

/** What the process does once all are there. */
export type Task =
  | { kind: 'history'; id: string; writer: string; rounds: number }
  | { kind: 'race'; ids: string[]; expectedVersion: number; next: StoredRecord }

export interface Order {
  module: string
  data: unknown
  clients: number
  task: Task
}

export type Answer = { value: unknown } | { failure: string }

/** One of several processes: opens its clients, waits for the word, does its task and answers. */
async function main(order: Order, go: Promise<unknown>): Promise<unknown> {
  const open = await openOf(order.module)
  const opened: StoreClient[] = []
  try {
    while (opened.length < order.clients) opened.push(await open(order.data))
    answer({ value: 'ready' })
    await go
    return await perform(
      order.task,
      opened.map(({ store }) => new Client(store)),
    )
  } finally {
    for (const { close } of opened) await close()
  }
}

async function openOf(module: string): Promise<(data: unknown) => Promise<StoreClient>> {
  const exported = await import(pathToFileURL(module).href)
  const candidates = [exported.open, exported.default?.open, exported.default, exported.default?.default]
  const open = candidates.find((candidate) => typeof candidate === 'function')
  if (open) return open
  throw new TypeError(`${module} exports no function \`open\` and no default one`)
}

async function perform(task: Task, clients: Client[]): Promise<unknown> {
  if (task.kind === 'history') {
    const { id, writer, rounds } = task
    return Promise.all(clients.map((client, index) => addMarks(client, id, `${writer}.${index}`, rounds)))
  }
  const answers: boolean[] = []
  for (const id of task.ids) {
    answers.push((await clients[0]?.write(id, task.expectedVersion, task.next)) === true)
  }
  return answers
}

function answer(words: Answer): void {
  process.send?.(words)
}

// Whoever started this process is gone.
process.once('disconnect', () => process.exit(1))
process.once('message', (order: Order) => {
  const go = new Promise((resolve) => process.once('message', resolve))
  main(order, go).then(
    (value) => answer({ value }),
    (error) => answer({ failure: message(error) }),
  )
})
