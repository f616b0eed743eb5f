import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Keyring } from '../../lib/crypto/keyring'
import { migrationSql } from '../../lib/stores/sql/migration'
import { run } from './support'

const COMMANDS = ['keygen', 'doctor', 'status', 'reset', 'rotate', 'sql']

describe('help', () => {
  test.each([[[]], [['--help']], [['-h']], [['help']]])('%j lists every command', async (argv) => {
    const { code, stdout, stderr } = await run(argv)
    expect([code, stderr]).toEqual([0, ''])
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(stdout).toContain('SECOND_FACTOR_STORE_URL')
  })

  test.each(COMMANDS)('of %s is the same either way, and names all its options', async (name) => {
    const help = await run(['help', name])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(await run([name, '--help'])).toEqual(help)
    const { [name]: command } = require(`../../lib/cli/${name}`)
    for (const option of Object.keys(command.options)) expect(help.stdout).toContain(`--${option}`)
  })

  test('--version', async () => {
    const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8'))
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('what was typed wrongly is one line, and exit code 2', () => {
  test.each<[string[], RegExp]>([
    [['rotates'], /no command "rotates".*keygen, doctor/],
    [['help', 'me'], /no command "me"/],
    [['constructor'], /no command "constructor"/],
    [['rotate', '--afer', 'x'], /rotate has no option "--afer"/],
    [['rotate', '-x'], /rotate has no option "-x"/],
    [['rotate', '--after'], /--after/],
    [['doctor', '--quick=1'], /--quick/],
    [['status'], /status needs ACCOUNT/],
    [['status', 'a', 'b'], /status takes no more/],
    [['status', ''], /account id/],
    [['reset', 'x'.repeat(256), '--yes'], /account id/],
    [['sql', 'oracle'], /no dialect "oracle": one of sqlite, postgres, postgresql, mysql, mariadb/],
    [['sql', 'toString'], /no dialect/],
    [['sql', 'mysql', '--table', 'a; drop table b'], /no table name/],
  ])('%j', async (argv, message) => {
    const { code, stdout, stderr } = await run(argv)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^express-second-factor: [^\n]+\n$/)
    expect(stderr).toMatch(message)
  })
})

describe('keygen', () => {
  test('prints a key alone, another each time', async () => {
    const first = await run(['keygen'])
    expect(first).toEqual({ code: 0, stdout: expect.stringMatching(/^[A-Za-z\d+/]{43}=\n$/), stderr: '' })
    expect(new Keyring([first.stdout]).ids).toHaveLength(1)
    expect((await run(['keygen'])).stdout).not.toBe(first.stdout)
  })

  test('says on a terminal what to do with it, not on stdout', async () => {
    const { stdout, stderr } = await run(['keygen'], { tty: true })
    expect(stdout).toMatch(/^\S{44}\n$/)
    expect(stderr).toContain('outside the database')
    expect(stderr).not.toContain(stdout.trim())
  })
})

describe('sql', () => {
  test.each([
    ['sqlite', 'sqlite'],
    ['postgres', 'postgres'],
    ['postgresql', 'postgres'],
    ['mysql', 'mysql'],
    ['mariadb', 'mysql'],
  ] as const)('%s', async (typed, dialect) => {
    const { code, stdout } = await run(['sql', typed, '--table', 'auth.factors'])
    expect(code).toBe(0)
    for (const statement of migrationSql(dialect, 'auth.factors')) expect(stdout).toContain(`${statement};\n`)
    expect((await run(['sql', typed])).stdout).toContain('second_factor_accounts')
  })
})

test('the package has the program, which names its interpreter', () => {
  const root = join(__dirname, '../..')
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(bin).toEqual({ 'express-second-factor': 'dist/cli/main.js' })
  const file = join(root, bin['express-second-factor'])
  expect(existsSync(file)).toBe(true)
  expect(readFileSync(file, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
})
