const { spawnSync } = require('node:child_process')

/** Programs that some tests run: where they are, and the Debian package that brings them. */
const tools = {
  chromium: tool('chromium fonts-dejavu-core', ['chromium', 'chromium-browser', 'google-chrome']),
  oathtool: tool('oathtool', ['oathtool']),
  zbarimg: tool('zbar-tools', ['zbarimg']),
}

function tool(debian, names) {
  return {
    debian,
    /** The program's path, or null. */
    path() {
      for (const name of names) {
        const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' })
        if (found.status === 0) return found.stdout.trim()
      }
      return null
    },
  }
}

/**
 * `describe` where all these tools are there; elsewhere a skip that says so. Under CI a missing tool is a
 * failure.
 */
function describeWith(names, title, body) {
  const missing = names.filter((name) => !tools[name].path()).map((name) => tools[name].debian)
  if (missing.length === 0) return describe(title, body)
  if (process.env.CI === 'true') throw new Error(`${title}: not installed: ${missing.join(', ')}`)
  return describe.skip(`${title} [skipped: apt-get install ${missing.join(' ')}]`, body)
}

module.exports = { tools, describeWith }
