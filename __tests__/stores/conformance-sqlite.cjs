// A client of SqlStore on a SQLite file, in whatever process: what option `processes` takes.
require('./typescript.cjs')
const Database = require('libsql')
const { SqlStore } = require('../../lib/stores/sql.ts')

exports.open = (file) => {
  const database = new Database(file, { timeout: 5000 })
  return { store: new SqlStore(database), close: () => database.close() }
}
