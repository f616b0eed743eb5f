const { setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')
const { default: Runtime } = require('jest-runtime')

// What was compiled once stays so until the worker ends.
setFlagsFromString('--no-flush-bytecode')

/** Of every module that a file of this worker has loaded. */
const compiled = new Map()

/**
 * Which test or hook runs now, for an error that nobody catches. Jest asks Node to follow each promise for that, once more
 * with every test file of a worker. Here one test runs at a time, and the error is the running one's.
 */
class RunningNow {
  #now

  getStore() {
    return this.#now
  }

  run(what, work) {
    const before = this.#now
    this.#now = what
    const back = () => {
      this.#now = before
    }
    let done
    try {
      done = work()
    } catch (error) {
      back()
      throw error
    }
    if (typeof done?.then !== 'function') {
      back()
      return done
    }
    return done.then(
      (value) => {
        back()
        return value
      },
      (error) => {
        back()
        throw error
      },
    )
  }
}

/**
 * Jest gives each test file modules of its own, and compiles each of them again for it: hundreds. A script can run in
 * the world of any file, so each is compiled once in a worker, and runs as often as before.
 */
class QuickRuntime extends Runtime {
  constructor(...parts) {
    super(...parts)
    const { executor } = this
    // A part of Jest that may look otherwise one day: then it does as it always did.
    if (!executor?.compile || !executor.injectedModuleParameters || !executor.environment) return
    const slowly = executor.compile
    const head = `(function (${executor.injectedModuleParameters.join(', ')}) {`
    executor.compile = function compile(source, filename) {
      const context = this.environment.getVmContext()
      if (context === null) return null
      const known = compiled.get(filename)
      if (known?.source === source) return known.script.runInContext(context)
      try {
        const script = new Script(`${head}${source}\n})`, { filename, columnOffset: -head.length })
        compiled.set(filename, { source, script })
        return script.runInContext(context)
      } catch {
        // It says best what is wrong with it.
        return slowly.call(this, source, filename)
      }
    }
  }

  requireInternalModule(from, to) {
    if (to === 'node:async_hooks' && from.includes('jest-circus')) return { AsyncLocalStorage: RunningNow }
    return super.requireInternalModule(from, to)
  }
}

module.exports = QuickRuntime
