import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, posix } from 'node:path'
import { promisify } from 'node:util'
import type { Express } from 'express'
import { KEY } from '../support/app'
import { saying } from '../support/browser'
import { Client, enrol } from '../support/client'
import { freePort } from '../support/free-port'

jest.setTimeout(300_000)

const run = promisify(execFile)
const root = join(__dirname, '../..')
const fixtures = join(__dirname, '../fixtures')
const bin = (name: string) => join(root, 'node_modules/.bin', name)

const temporary = mkdtempSync(join(tmpdir(), 'tarball-'))
const checkout = join(temporary, 'checkout')
let tarball: string
let packed: string[]

/**
 * What somebody publishes from a fresh checkout: `npm pack` builds. What `npm test` has compiled comes along, so that only
 * what has changed since is compiled again; but not what has no source any more.
 */
beforeAll(() => {
  const left = ['node_modules', '.git', 'data']
  const compiled = join(root, 'dist')
  const filter = (path: string) =>
    !left.includes(basename(path)) && (!path.startsWith(`${compiled}/`) || hasSource(path))
  cpSync(root, checkout, { recursive: true, filter })
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
  const answer = execFileSync('npm', ['pack', '--json', '--pack-destination', temporary], {
    cwd: checkout,
    encoding: 'utf8',
    stdio: 'pipe',
  })
  const [{ filename, files }] = JSON.parse(answer)
  tarball = join(temporary, filename)
  packed = files.map(({ path }: { path: string }) => path)
})

afterAll(() => rmSync(temporary, { recursive: true }))

function hasSource(compiled: string): boolean {
  const name = compiled.slice(join(root, 'dist/').length).replace(/(\.d\.ts|\.js)(\.map)?$/, '')
  return ['', '.ts'].some((ending) => existsSync(join(root, 'lib', name + ending))) || name.endsWith('info')
}

describe('the package', () => {
  test('holds what is needed and nothing else', () => {
    const source = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    const modules = source.filter((file) => file.endsWith('.ts')).map((file) => file.replace(/\.ts$/, ''))
    const views = readdirSync(join(root, 'views'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    const needed = [
      'LICENSE',
      'README.md',
      'package.json',
      ...readdirSync(join(root, 'docs'))
        // What the tests guard is for those who have them.
        .filter((file) => file.endsWith('.md') && file !== 'testing.md' && file !== 'searches.md')
        .map((file) => `docs/${file}`),
      // The first thing that the README shows.
      'docs/pages.png',
      ...modules.flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]),
      ...views,
    ]
    expect(packed.filter((file) => !file.endsWith('.map')).sort()).toEqual(needed.sort())
  })

  test('has what its pages link to', () => {
    const pages = packed.filter((file) => file.endsWith('.md'))
    const links = pages.flatMap((page) => {
      const text = readFileSync(join(checkout, page), 'utf8')
      // Whole addresses have a colon, and code has brackets of other kinds.
      return [...text.matchAll(/\]\(([\w./-]+)(?:#[\w-]+)?\)/g)].map(([, to = '']) => [page, to] as const)
    })
    expect(links.length).toBeGreaterThan(pages.length)
    const broken = links.filter(([page, to]) => !packed.includes(posix.join(posix.dirname(page), to)))
    expect(broken).toEqual([])
  })

  test('has no map without its source', () => {
    for (const file of packed.filter((name) => name.endsWith('.map'))) {
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(checkout, file), 'utf8'))
      const there = (source: string) => packed.includes(posix.join(dirname(file), source))
      expect([file, Boolean(sourcesContent) || sources.every(there)]).toEqual([file, true])
    }
    for (const file of packed.filter((name) => /\.(js|ts)$/.test(name))) {
      const [, map] = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(join(checkout, file), 'utf8')) ?? []
      if (map) expect(packed).toContain(posix.join(dirname(file), map))
    }
  })

  test('runs nothing when it is installed, and needs nothing with a script of its own', () => {
    const { scripts = {}, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']
    expect(hooks.filter((name) => name in scripts)).toEqual([])
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    for (const name of Object.keys(dependencies)) {
      expect([name, packages[`node_modules/${name}`].hasInstallScript]).toEqual([name, undefined])
    }
  })
})

// Installing needs the registry. Where there is none the skip says so, and under CI it is a failure.
const online = process.env.CI === 'true' || spawnSync('npm', ['ping', '--fetch-retries=1']).status === 0
const describeOnline = online ? describe : describe.skip

describeOnline(`the package installed${online ? '' : ' [skipped: the npm registry does not answer]'}`, () => {
  const apps = { commonjs: mountJs, esm: mountEsm, typescript: mountTs }
  const folderOf = (name: string) => join(temporary, name)
  const running: ChildProcess[] = []

  beforeAll(async () => {
    for (const [name, mount] of Object.entries(apps)) {
      cpSync(join(fixtures, name), folderOf(name), { recursive: true })
      const [file, text] = mount(linesOfTheReadme())
      writeFileSync(join(folderOf(name), file), text)
    }
    const options = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock']
    await Promise.all(
      ['commonjs', 'typescript'].map((name) =>
        run('npm', ['install', ...options, tarball], { cwd: folderOf(name) }),
      ),
    )
    // It needs the same packages, and finds them in its own folder.
    linkTree(join(folderOf('typescript'), 'node_modules'), join(folderOf('esm'), 'node_modules'))
  })

  afterEach(async () => {
    for (const child of running.splice(0)) {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    }
  })

  async function start(folder: string, file: string): Promise<Express> {
    const port = await freePort()
    const env = { ...process.env, PORT: String(port), SECOND_FACTOR_KEY: KEY }
    const child = spawn(process.execPath, [file], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    running.push(child)
    await saying(child, 'listening')
    // supertest takes an address in the place of an app.
    return `http://localhost:${port}` as unknown as Express
  }

  let built: Promise<void> | undefined
  /** The TypeScript app's folder, once it is checked and compiled. */
  async function builtTypescript(): Promise<string> {
    built ??= typeCheck(folderOf('typescript'))
    await built
    return folderOf('typescript')
  }

  test('works in a CommonJS app with Express 4', async () => {
    await mainWay(await start(folderOf('commonjs'), 'app.js'))
  })

  test('works in an ES module app with Express 5, which imports it by name', async () => {
    await mainWay(await start(folderOf('esm'), 'app.js'))
  })

  test('works in a TypeScript app with Express 5, checked strictly', async () => {
    await mainWay(await start(await builtTypescript(), 'built/app.js'))
  })

  test('type-checks with the types of Express 4', async () => {
    const folder = join(folderOf('commonjs'), 'typescript')
    mkdirSync(folder)
    for (const file of ['app.ts', 'mount.ts', 'store-suite.ts', 'tsconfig.json'])
      cpSync(join(folderOf('typescript'), file), join(folder, file))
    await typeCheck(folder)
  })

  test('type-checks where modules are found as by older compilers, without `exports`', async () => {
    const folder = folderOf('typescript')
    await typeCheck(join(folder, 'tsconfig.node10.json'), join(folder, 'node_modules/typescript-5/bin/tsc'))
  })

  // The TypeScript app's, which is compiled to CommonJS too, is type-checked with it.
  test.each(['commonjs', 'esm'])('has the suite for stores, with its processes: %s', async (name) => {
    const { stdout } = await run(process.execPath, ['store-suite.js'], { cwd: folderOf(name) })
    expect(stdout).toMatch(/^30 passed, 0 failed, 1 not checked\n- cut connections: /)
  })

  test('is required by the Jest tests of an app, without any transform', async () => {
    const env = { ...process.env, SECOND_FACTOR_KEY: KEY }
    const { stderr } = await run(bin('jest'), ['--rootDir', folderOf('commonjs')], {
      cwd: folderOf('commonjs'),
      env,
    })
    expect(stderr).toContain('3 passed, 3 total')
  })
})

/** The same files under other names; without links to programs, which nothing here runs. */
function linkTree(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) linkTree(source, target)
    else if (entry.isFile()) linkSync(source, target)
  }
}

async function typeCheck(project: string, compiler = bin('tsc')): Promise<void> {
  // What the compiler has to say is on its stdout.
  await run(compiler, ['-p', project]).catch(({ stdout, message }) => {
    throw new Error(stdout || message)
  })
}

/** Logs in, enables, is challenged, verifies, and sees every page and what it loads. */
async function mainWay(address: Express): Promise<void> {
  const client = new Client(address)
  const person = client.as('person')
  expect((await person.get('/two-factor')).headers.location).toBe('/login')
  await client.login()
  await seePages(person, {
    '': 200,
    '/enable': 200,
    '/challenge': 409,
    '/backup-codes': 409,
    '/disable': 409,
  })
  const { authenticator, backupCodes } = await enrol(client, Date.now)
  await seePages(person, {
    '': 200,
    '/enable': 409,
    '/challenge': 200,
    '/backup-codes': 200,
    '/disable': 200,
  })
  expect(backupCodes).toHaveLength(5)

  const again = new Client(address)
  const login = await again.login()
  expect([login.status, login.body.challengeUrl]).toEqual([403, '/two-factor/challenge'])
  expect((await again.get('/vault')).status).toBe(403)
  expect((await again.get('/')).body.user).toBeNull()
  await seePages(again.as('person'), {
    '': 303,
    '/enable': 303,
    '/challenge': 200,
    '/challenge?method=backup-code': 200,
  })
  expect((await again.challenge(authenticator.code(1))).body.state).toBe('verified')
  expect((await again.get('/vault')).body).toMatchObject({ vault: 1 })
  expect((await again.send('POST', '/transfer')).body).toEqual({ transferred: true })
}

async function seePages(person: Client, statuses: Record<string, number>): Promise<void> {
  for (const [path, status] of Object.entries(statuses)) {
    const page = await person.get(`/two-factor${path}`)
    expect([path, page.status]).toEqual([path, status])
    if (status === 303) continue
    const assets = [...page.text.matchAll(/(?:href|src)="([^"]*\/assets\/[^"]*)"/g)].map(
      ([, url]) => url as string,
    )
    expect(assets.map((url) => url.replace(/.*\./, ''))).toEqual(['css', 'js'])
    for (const url of assets) {
      const asset = await person.get(url)
      expect([url, asset.status, asset.headers['content-type']]).toEqual([
        url,
        200,
        url.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8',
      ])
    }
  }
}

/** The lines that the README tells people to add, apart from the one that brings the package. */
function linesOfTheReadme(): { require: string; lines: string } {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, block = ''] = /## Add it to your app[\s\S]*?```js\n([\s\S]*?)```/.exec(readme) ?? []
  const [first = '', ...rest] = block.split('\n')
  const theirs = "secret: 'test', resave: false, saveUninitialized: false"
  return {
    require: first.replace(/\s*\/\/.*/, ''),
    lines: rest.join('\n').replace('/* as before */', theirs),
  }
}

type Mount = { require: string; lines: string }
const names = '{ app, session, passport, database, showVault, transfer }'

function mountJs({ require, lines }: Mount): [file: string, text: string] {
  return ['mount.js', `${require}\nmodule.exports = (${names}) => {\n${lines}\n}\n`]
}

function asImport(line: string): string {
  return line.replace('const', 'import').replace(/= require\((.*)\)/, 'from $1')
}

function mountEsm({ require, lines }: Mount): [file: string, text: string] {
  return ['mount.js', `${asImport(require)}\nexport default (${names}) => {\n${lines}\n}\n`]
}

function mountTs({ require, lines }: Mount): [file: string, text: string] {
  const types = `{ app: Express, session: typeof expressSession, passport: PassportStatic, database: Database,
    showVault: RequestHandler, transfer: RequestHandler }`
  return [
    'mount.ts',
    `import type { Express, RequestHandler } from 'express'
import type expressSession from 'express-session'
import type { Database } from 'libsql'
import type { PassportStatic } from 'passport'
${asImport(require)}
export default (${names}: ${types}) => {\n${lines}\nreturn secondFactor\n}\n`,
  ]
}
