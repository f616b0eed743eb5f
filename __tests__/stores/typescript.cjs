// Lets a child process require the sources as they are, without a build: node -r typescript.cjs child.cjs
// What was compiled is kept, with a hash of its source: tests start dozens of processes.
const { createHash } = require('node:crypto')
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')

const options = {
  jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
  module: {
    type: 'commonjs',
    // As tsc compiles it: `import()` stays one, and takes ES modules and URLs.
    ignoreDynamic: true,
    // Of the databases' drivers a process needs one.
    lazy: ['ioredis', 'kysely', 'libsql', 'mysql2', 'mysql2/promise', 'pg', 'qrcode'],
  },
}
const { version } = require('@swc/core/package.json')
const folder = join(__dirname, '../../node_modules/.cache/child-processes')

require.extensions['.ts'] = (module, filename) => {
  const source = readFileSync(filename, 'utf8')
  const kept = join(folder, `${hash(filename)}.js`)
  const mark = `\n//${hash(JSON.stringify([version, options, source]))}`
  const code = read(kept)
  module._compile(code?.endsWith(mark) ? code : compile(source, filename, kept, mark), filename)
}

function hash(text) {
  return createHash('sha256').update(text).digest('hex')
}

function read(kept) {
  try {
    return readFileSync(kept, 'utf8')
  } catch {
    return null
  }
}

function compile(source, filename, kept, mark) {
  const { transformSync } = require('@swc/core')
  const code = transformSync(source, { ...options, filename }).code + mark
  try {
    mkdirSync(folder, { recursive: true })
    // Others start at the same time: nobody reads half a file.
    writeFileSync(`${kept}.${process.pid}`, code)
    renameSync(`${kept}.${process.pid}`, kept)
  } catch {
    // Nowhere to keep it: it is compiled again.
  }
  return code
}
