// Lets a child process require the sources as they are, without a build: node -r typescript.cjs child.cjs
const { readFileSync } = require('node:fs')
const { transformSync } = require('@swc/core')

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    // As tsc compiles it: `import()` stays one, and takes ES modules and URLs.
    module: { type: 'commonjs', ignoreDynamic: true },
  })
  module._compile(code, filename)
}
