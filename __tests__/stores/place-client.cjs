// A client of any place that the tests know, in another process: what option `processes` takes.
require('./typescript.cjs')
const { openStore } = require('../support/stores.ts')

exports.open = (url) => openStore(url)
