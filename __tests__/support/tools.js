const { accessSync, constants, existsSync, readdirSync, statSync } = require('node:fs')
const { delimiter, isAbsolute, join } = require('node:path')

/** Programs that some tests run: where they are, and the Debian package that brings them. */
const tools = {
  // The one without windows does the same at two thirds of the cost.
  chromium: tool('chromium-headless-shell fonts-dejavu-core', [
    'chromium-headless-shell',
    'chromium',
    'chromium-browser',
    'google-chrome',
  ]),
  oathtool: tool('oathtool', ['oathtool']),
  zbarimg: tool('zbar-tools', ['zbarimg']),
  redis: tool('redis-server', ['redis-server']),
  redisCli: tool('redis-tools', ['redis-cli']),
  postgres: tool('postgresql', ['postgres', ...debianPostgres()]),
  mariadb: tool('mariadb-server', ['mariadbd', '/usr/sbin/mariadbd', 'mysqld']),
  mariadbInstall: tool('mariadb-server', ['mariadb-install-db', 'mysql_install_db']),
}

function tool(debian, names) {
  return {
    debian,
    /** The program's path, or null. */
    path() {
      const folders = (process.env.PATH ?? '').split(delimiter)
      const paths = names.flatMap((name) =>
        isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name)),
      )
      return paths.find(isProgram) ?? null
    },
  }
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Debian keeps the server of each version in a folder of its own, outside the PATH. */
function debianPostgres() {
  const folder = '/usr/lib/postgresql'
  const versions = existsSync(folder) ? readdirSync(folder).sort((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => `${folder}/${version}/bin/postgres`)
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
