import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const LIB = join(__dirname, '../lib')

interface Import {
  from: string
  to: string
  /** Nothing of it is there at run time. */
  typeOnly: boolean
}

const files = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)

function importsOf(file: string): Import[] {
  const text = readFileSync(join(LIB, file), 'utf8')
  const found = [...text.matchAll(/^(?:import|export)\s+(type\s+)?([^'";]*?)\s*from\s+'([^']+)'/gm)].map(
    ([, type, names = '', to = '']) => ({ to, typeOnly: Boolean(type) || onlyTypes(names) }),
  )
  const called = [...text.matchAll(/^import\s+'([^']+)'|\b(?:import|require)\('([^']+)'\)/gm)].map(
    ([, alone, dynamic]) => ({ to: (alone ?? dynamic) as string, typeOnly: false }),
  )
  return [...found, ...called].map(({ to, typeOnly }) => ({ from: file, to: fileOf(file, to), typeOnly }))
}

function onlyTypes(names: string): boolean {
  const named = names.replace(/[{}\s]+/g, ' ').split(',')
  return names.startsWith('{') && named.every((name) => name.trim() === '' || name.trim().startsWith('type '))
}

/** A file of ours below lib/; otherwise the package as it is written. */
function fileOf(from: string, to: string): string {
  if (!to.startsWith('.')) return to
  const path = relative(LIB, join(LIB, dirname(from), to))
  const file = [`${path}.ts`, join(path, 'index.ts')].find((name) => files.includes(name))
  // JSON and templates are data.
  return file ?? path
}

/** A folder of lib/, or one of its own files without the ending. */
const roomOf = (file: string) => (file.split('/')[0] as string).replace(/\.ts$/, '')
const between = imports.filter(({ from, to }) => files.includes(to) && roomOf(from) !== roomOf(to))

/** The layers as the documentation draws them, the highest first. */
const layers = (() => {
  const docs = readFileSync(join(__dirname, '../docs/architecture.md'), 'utf8')
  const block = /Imports go one way[^`]*```\n([^`]*)```/.exec(docs)?.[1] as string
  return block
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((room) => room.trim()))
})()
const layerOf = (room: string) => layers.findIndex((layer) => layer.includes(room))

const shown = ({ from, to }: Import) => `${from} -> ${to}`

test('the graph is there', () => {
  expect(files.length).toBeGreaterThan(150)
  expect(between.length).toBeGreaterThan(200)
})

test('every room has one place in the documented order, and there are no others', () => {
  expect(layers.flat().sort()).toEqual([...new Set(files.map(roomOf))].sort())
})

test('rooms import only what is below them, types too', () => {
  const against = between.filter(({ from, to }) => layerOf(roomOf(from)) >= layerOf(roomOf(to)))
  expect(against.map(shown)).toEqual([])
})

test('no file needs itself at run time', () => {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, way: string[]) => {
    if (way.includes(file)) cycles.push([...way.slice(way.indexOf(file)), file].join(' -> '))
    else if (!done.has(file)) {
      for (const { to } of imports.filter(({ from, typeOnly }) => from === file && !typeOnly)) {
        visit(to, [...way, file])
      }
      done.add(file)
    }
  }
  for (const file of files) visit(file, [])
  expect(cycles).toEqual([])
})

test('rules know no Express, routes no store', () => {
  const forbidden = imports.filter(
    ({ from, to }) =>
      (['account', 'authenticators', 'crypto', 'recovery/request.ts'].some((room) => from.startsWith(room)) &&
        /^(express|passport)/.test(to)) ||
      (from.startsWith('routes/') && to.startsWith('stores/')),
  )
  expect(forbidden.map(shown)).toEqual([])
})

test('the command line runs without Express and Passport', () => {
  const needed = new Set(['cli/main.ts'])
  for (const file of needed) {
    for (const { from, to, typeOnly } of imports) if (from === file && !typeOnly) needed.add(to)
  }
  expect(needed).toContain('account/records.ts')
  expect([...needed].filter((name) => /^(express|passport)/.test(name))).toEqual([])
})
