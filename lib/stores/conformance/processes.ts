import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Bench, type Case, record, START } from './bench'
import { exactlyOne } from './clients'
import { judge, type Told } from './history'
import type { ProcessOptions } from './options'
import { inTime, mustBe } from './words'
import type { Answer, Order, Task } from './worker'

/** What several processes at once make of the store. */
export const processCases: Case[] = [
  {
    name: 'processes: of first writes at once exactly one succeeds',
    needs: 'processes',
    check: (bench) => race(bench, 0),
  },
  {
    name: 'processes: of writes at once from one version exactly one succeeds',
    needs: 'processes',
    check: (bench) => race(bench, START),
  },
  {
    name: 'processes: no write is lost while all read, change and write',
    needs: 'processes',
    check: noneLost,
  },
]

async function race(bench: Bench, from: number): Promise<void> {
  const client = await bench.client()
  const ids = bench.ids(bench.sizes.rounds * 2)
  if (from) for (const id of ids) await client.put(id, 0, record(from))
  const next = (index: number) => record((from || START) + 1, `process.${index}`)
  const answers = await inProcesses<boolean[]>(bench, 1, (index) => ({
    kind: 'race',
    ids,
    expectedVersion: from,
    next: next(index),
  }))
  for (const [round, id] of ids.entries()) {
    const answered = answers.map((answer) => answer[round] === true)
    exactlyOne(answered, from)
    const got = await client.get(id)
    mustBe(
      got?.sealed === next(answered.indexOf(true)).sealed,
      `One process was told that it had written, and what is there is ${got?.sealed ?? 'nothing'} of another.`,
    )
  }
}

async function noneLost(bench: Bench): Promise<void> {
  const id = bench.id()
  const { rounds } = bench.sizes
  const tolds = await inProcesses<Told[]>(bench, 2, (index) => ({
    kind: 'history',
    id,
    writer: `process${index}`,
    rounds,
  }))
  judge(await (await bench.client()).get(id), tolds.flat())
}

/** Starts the processes, lets them begin together, and collects what they answer. */
async function inProcesses<T>(bench: Bench, clients: number, taskOf: (index: number) => Task): Promise<T[]> {
  const options = bench.options.processes as ProcessOptions
  const { count = 3, data } = options
  if (!Number.isInteger(count) || count < 2) throw new TypeError('`processes.count` is an integer from 2')
  const module = String(options.module).startsWith('file:')
    ? fileURLToPath(options.module)
    : String(options.module)
  const order = { module, data: typeof data === 'function' ? await data() : data, clients }
  const workers = Array.from({ length: count }, () => new Worker(options.execArgv ?? []))
  try {
    await Promise.all(workers.map((worker, index) => worker.say({ ...order, task: taskOf(index) })))
    return (await Promise.all(workers.map((worker) => worker.say('go')))) as T[]
  } finally {
    for (const worker of workers) worker.end()
  }
}

/** One process, which answers each message with one. */
class Worker {
  readonly #child: ChildProcess
  #said = ''

  constructor(execArgv: string[]) {
    this.#child = fork(require.resolve('./worker'), {
      execArgv,
      env: { ...process.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    const hear = (chunk: Buffer) => {
      this.#said = (this.#said + chunk).slice(-2000)
    }
    this.#child.stdout?.on('data', hear)
    this.#child.stderr?.on('data', hear)
  }

  say(order: Order | 'go'): Promise<unknown> {
    const child = this.#child
    const answered = new Promise<unknown>((resolve, reject) => {
      child.once('message', (answer: Answer) => {
        if ('failure' in answer) reject(new Error(`In another process: ${answer.failure}`))
        else resolve(answer.value)
      })
      child.once('error', reject)
      child.once('close', (code, signal) => {
        reject(new Error(`A process ended (${signal ?? code}) before it had answered. ${this.#said}`))
      })
      child.send(order, (error) => error && reject(error))
    })
    return inTime(answered, 'A process')
  }

  /** Its clients are closed by now, or it is of no use any more. */
  end(): void {
    this.#child.kill('SIGKILL')
  }
}
