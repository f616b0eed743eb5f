import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Case } from './bench'
import { type Client, Rejected } from './client'
import { judge, type Told, withMark } from './history'
import { message, mustBe, PATIENCE } from './words'

/** What a store makes of connections that break. */
export const cutCases: Case[] = [
  {
    name: 'cut connections: nothing is half written, what was answered is kept, and it works again',
    needs: 'cut',
    check: survives,
  },
]

const CUTS = 10
/** Writes, answered or not, between two cuts; and up to as many more, so that each cut meets another moment. */
const BETWEEN = 10
/** What every client must have written after the last cut. */
const AFTERWARDS = 5

async function survives(bench: Bench): Promise<void> {
  const loose = catchLoose()
  try {
    const clients = await bench.clients()
    const id = bench.id()
    const begin = withMark(null, 'begin')
    await clients[0].put(id, 0, begin)
    const stream = new Stream(id)
    const writers = clients.map((client, index) => stream.write(client, `client${index}`))
    const cutting = stream.cut(async () => bench.options.cut?.())
    // None of them is left running.
    const [cuts, ...results] = await Promise.allSettled([cutting, ...writers])
    if (cuts.status === 'rejected') throw cuts.reason
    for (const result of results) if (result.status === 'rejected') throw result.reason
    judge(await (await bench.client()).get(id), [{ yes: ['begin'], no: [], unknown: [] }, ...stream.tolds])
    await new Promise(setImmediate)
    mustBe(
      loose.errors.length === 0,
      `An error that nobody handles came with the broken connections, and would end your process: ${loose.errors[0]}`,
    )
  } finally {
    loose.stop()
  }
}

/** Clients that write on and on, while their connections are cut. */
class Stream {
  readonly tolds: Told[] = []
  readonly #progress = new EventEmitter().setMaxListeners(0)
  #writes = 0
  #failed = false
  /** When the last cut was over. */
  #cutsOver: number | null = null

  constructor(private readonly id: string) {}

  async cut(cut: () => Promise<unknown>): Promise<void> {
    try {
      for (let cuts = 0; cuts < CUTS && !this.#failed; cuts++) {
        const goal = this.#writes + BETWEEN + Math.floor(Math.random() * BETWEEN)
        while (this.#writes < goal && !this.#failed) await once(this.#progress, 'write')
        await cut()
      }
    } catch (error) {
      this.#failed = true
      throw error
    } finally {
      this.#cutsOver = performance.now()
    }
  }

  async write(client: Client, writer: string): Promise<void> {
    const told: Told = { yes: [], no: [], unknown: [] }
    this.tolds.push(told)
    let afterwards = 0
    try {
      for (let round = 0; afterwards < AFTERWARDS && !this.#failed; round++) {
        const counts = this.#cutsOver !== null
        const mark = `${writer}.${round}`
        let asked = false
        try {
          const before = await client.get(this.id)
          mustBe(
            before,
            'While connections broke, get() answered null for an account that has a row: an account whose store is ' +
              'away would be let in by the password alone. It must reject.',
          )
          // Lets the others read, too, also where no call leaves the process.
          await new Promise(setImmediate)
          asked = true
          const written = await client.write(this.id, before.version, withMark(before, mark))
          told[written ? 'yes' : 'no'].push(mark)
          if (written && counts) afterwards++
        } catch (error) {
          if (!(error instanceof Rejected)) throw error
          if (asked) told.unknown.push(mark)
          mustBe(
            this.#cutsOver === null || performance.now() < this.#cutsOver + PATIENCE,
            `${PATIENCE / 1000} seconds after the last cut the store does not work again: ${message(error)}`,
          )
          await delay(Math.random() * 20)
        }
        this.#writes++
        this.#progress.emit('write')
      }
    } catch (error) {
      this.#failed = true
      throw error
    } finally {
      this.#progress.emit('write')
    }
  }
}

/** Rejections and `error` events that nobody handles. Some test runners catch them by themselves, too. */
function catchLoose(): { errors: string[]; stop(): void } {
  const errors: string[] = []
  const hear = (error: unknown) => errors.push(message(error))
  process.on('unhandledRejection', hear)
  process.on('uncaughtException', hear)
  return {
    errors,
    stop() {
      process.off('unhandledRejection', hear)
      process.off('uncaughtException', hear)
    },
  }
}
