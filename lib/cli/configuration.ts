import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { SecondFactorStore } from '../stores/store'
import { Failure, type World } from './command'
import { reasonOf } from './words'

/** Where the app's keys and store are. */
export interface Configuration {
  keys: (string | Uint8Array | undefined)[]
  /** Where the keys were read, for messages. */
  keysFrom: string
  /** A store, or its URL. */
  store: SecondFactorStore | string
  /** Where the store was read, for messages. */
  storeFrom: string
  /** The store of option `recovery`, where a config file gives it. */
  recovery?: SecondFactorStore | undefined
  /** The table of the same, or its prefix, where `store` is a URL. */
  recoveryTable?: unknown
  storeTimeout?: unknown
  close?: () => unknown
}

const NAMES = ['js', 'cjs', 'mjs', 'json'].map((extension) => `second-factor.config.${extension}`)
const JSON_FIELDS = ['keysFrom', 'store', 'storeFrom', 'recoveryTable', 'storeTimeout']

/**
 * Reads the config file, or the environment where there is none.
 *
 * @param file the file that was named, if any
 */
export async function readConfiguration(file: string | undefined, world: World): Promise<Configuration> {
  const path =
    file === undefined
      ? NAMES.map((name) => join(world.cwd, name)).find(existsSync)
      : resolve(world.cwd, file)
  if (path === undefined) return fromEnvironment(world.env)
  if (!existsSync(path)) throw new Failure(`There is no config file ${path}`)
  return extname(path) === '.json' ? fromJson(path, world.env) : fromModule(path)
}

function fromEnvironment(env: NodeJS.ProcessEnv): Configuration {
  const storeFrom = env.SECOND_FACTOR_STORE_URL ? 'SECOND_FACTOR_STORE_URL' : 'DATABASE_URL'
  const hint = 'or write second-factor.config.js; express-second-factor --help tells more'
  if (!env.SECOND_FACTOR_KEY) {
    throw new Failure(
      `No keys: set SECOND_FACTOR_KEY as your app has it (with --env-file, Node reads it from a file), ${hint}`,
    )
  }
  if (!env[storeFrom]) {
    throw new Failure(
      `No store: set SECOND_FACTOR_STORE_URL (or DATABASE_URL), such as sqlite:app.db, ${hint}`,
    )
  }
  return {
    keys: env.SECOND_FACTOR_KEY.split(','),
    keysFrom: 'SECOND_FACTOR_KEY',
    store: env[storeFrom],
    storeFrom,
  }
}

/** A JSON file holds no key: it says which variable of the environment does. */
function fromJson(path: string, env: NodeJS.ProcessEnv): Configuration {
  let given: Record<string, unknown>
  try {
    given = Object(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    // The parser would quote the text.
    throw new Failure(`${path} is no JSON`)
  }
  const unknown = Object.keys(given).filter((name) => !JSON_FIELDS.includes(name))
  if (unknown.length > 0) {
    throw new Failure(`${path} may have ${JSON_FIELDS.join(', ')}, not ${unknown.join(', ')}`)
  }
  const from = (field: 'keysFrom' | 'storeFrom', otherwise: string) => {
    const named = given[field]
    const variable = typeof named === 'string' ? named : otherwise
    const value = env[variable]
    if (value) return { value, variable }
    throw new Failure(
      typeof named === 'string'
        ? `${path} names the variable ${variable} as ${field}, which is not set`
        : `${path} has no ${field}, and the variable ${variable} is not set`,
    )
  }
  const keys = from('keysFrom', 'SECOND_FACTOR_KEY')
  const store =
    typeof given.store === 'string'
      ? { value: given.store, variable: path }
      : from('storeFrom', 'SECOND_FACTOR_STORE_URL')
  return {
    keys: keys.value.split(','),
    keysFrom: keys.variable,
    store: store.value,
    storeFrom: store.variable,
    recoveryTable: given.recoveryTable,
    storeTimeout: given.storeTimeout,
  }
}

async function fromModule(path: string): Promise<Configuration> {
  let given: Omit<Partial<Configuration>, 'recovery'> & { recovery?: { store?: unknown } | null }
  try {
    const exported = await load(path)
    given = (await (typeof exported === 'function' ? exported() : exported)) as typeof given
  } catch (error) {
    throw new Failure(`The config file ${path} fails: ${reasonOf(error)}`)
  }
  const { keys, store, recovery, recoveryTable, storeTimeout, close } = given ?? {}
  if (!Array.isArray(keys) || !(typeof store === 'string' || isStore(store))) {
    throw new Failure(
      `The config file ${path} must export { keys, store }, or a function that gives them: keys as for ` +
        'createSecondFactor; store a store such as new SqlStore(database, { migrate: false }), or its URL',
    )
  }
  const requests = recovery?.store
  if (recovery && !isStore(requests)) {
    throw new Failure(
      `In the config file ${path}, recovery is { store } as for createSecondFactor: new SqlStore(database, ` +
        "{ table: 'second_factor_recoveries', migrate: false }); beside a store that is a URL, give recoveryTable",
    )
  }
  return {
    keys,
    keysFrom: path,
    store,
    storeFrom: path,
    recovery: requests as SecondFactorStore | undefined,
    recoveryTable,
    storeTimeout,
    ...(close && { close: () => close.call(given) }),
  }
}

async function load(path: string): Promise<unknown> {
  const module = extname(path) === '.cjs' ? createRequire(path)(path) : await import(pathToFileURL(path).href)
  // What was compiled from ES modules has its default inside of another.
  let exported = module
  for (let depth = 0; depth < 2 && isNested(exported); depth++) exported = exported.default
  return exported
}

function isNested(exported: unknown): exported is { default: unknown } {
  return typeof exported === 'object' && exported !== null && 'default' in exported
}

function isStore(store: unknown): store is SecondFactorStore {
  const { get, compareAndSet } = (store ?? {}) as Record<string, unknown>
  return typeof get === 'function' && typeof compareAndSet === 'function'
}
