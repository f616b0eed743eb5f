import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ejs, { type TemplateFunction } from 'ejs'
import { ConfigurationError } from '../errors'

const ours = join(__dirname, '../../views')

/** Renders a file of `views/`, by its name without the ending. */
export type Template = (name: string, data: object) => string

/** Ours, which no option changes: once for all instances of a process. */
const compiledOurs = new Map<string, TemplateFunction>()

/** Each file compiled once, and at the start, so that a replacement that does not compile is known then. */
export function createTemplates(views: string | undefined): Template {
  if (views !== undefined && !existsSync(views)) {
    throw new ConfigurationError('SF_VIEWS_MISSING', `The folder of option "views", ${views}, is not there`)
  }
  const compiled = new Map<string, TemplateFunction>()

  function compile(name: string): TemplateFunction {
    const known = compiled.get(name)
    if (known) return known
    const theirs = views && join(views, `${name}.ejs`)
    const fresh = theirs && existsSync(theirs) ? compileFile(theirs) : compileOurs(name)
    compiled.set(name, fresh)
    return fresh
  }

  // `include` is ours and not that of EJS: the same look-up and the same cache for partials as for pages.
  const render: Template = (name, data) => {
    const include = (partial: string, more: object = {}) => render(partial, { ...data, ...more })
    return compile(name)(bare({ ...data, include }))
  }

  for (const folder of ['', 'partials/', 'mails/', 'admin/']) {
    for (const file of readdirSync(join(ours, folder))) {
      if (file.endsWith('.ejs')) compile(folder + file.slice(0, -'.ejs'.length))
    }
  }
  return render
}

function compileOurs(name: string): TemplateFunction {
  const known = compiledOurs.get(name) ?? compileFile(join(ours, `${name}.ejs`))
  compiledOurs.set(name, known)
  return known
}

function compileFile(filename: string): TemplateFunction {
  return ejs.compile(readFileSync(filename, 'utf8'), {
    filename,
    client: false,
    async: false,
    cache: false,
    compileDebug: true,
  })
}

/** Without a prototype: what somebody wrote on Object.prototype must not look like a field. */
export function bare<T extends object>(value: T): T {
  return Object.assign(Object.create(null), value)
}
