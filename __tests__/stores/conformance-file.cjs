// A store in a JSON file. Nothing comes between its look and its write in one process; in several, it does.
const { existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs')

const pause = new Int32Array(new SharedArrayBuffer(4))
const later = () => new Promise(setImmediate)

exports.open = (file) => {
  const read = () => new Map(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [])
  const write = (rows) => {
    writeFileSync(`${file}.${process.pid}`, JSON.stringify([...rows]))
    renameSync(`${file}.${process.pid}`, file)
  }
  const store = {
    async get(id) {
      await later()
      return read().get(id) ?? null
    },
    async compareAndSet(id, expected, next) {
      await later()
      const rows = read()
      if ((rows.get(id)?.version ?? 0) !== expected) return false
      // However quick the disk is: the other processes get their chance.
      Atomics.wait(pause, 0, 0, 3)
      write(rows.set(id, next))
      return true
    },
    async list(after, limit) {
      const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))
      const rows = [...read()].map(([accountId, record]) => ({ accountId, record }))
      return rows
        .filter(({ accountId }) => after === null || byBytes(accountId, after) > 0)
        .sort((a, b) => byBytes(a.accountId, b.accountId))
        .slice(0, limit)
    },
    async delete(id) {
      const rows = read()
      if (rows.delete(id)) write(rows)
    },
  }
  return { store, close() {} }
}
