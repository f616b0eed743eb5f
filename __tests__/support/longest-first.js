const { relative } = require('node:path')
const { default: Sequencer } = require('@jest/test-sequencer')

// None of them should be what a run waits for at its end, with one core idle.
const LONGEST = [
  'browser/look',
  'package/tarball',
  'browser/languages',
  'browser/assurance',
  'browser/administration',
  'browser/walk',
  'stores/logins',
  'http/table',
  'stores/restart',
  'stores/servers',
]

/** Jest remembers how long each file took; on a fresh checkout it knows only how large they are. */
class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path, context }) => {
      const name = relative(context.config.roots[0], path).replace(/\.test\.ts$/, '')
      return LONGEST.includes(name) ? LONGEST.indexOf(name) : LONGEST.length
    }
    const sorted = super.sort(tests)
    const remembered = sorted.some(({ duration }) => typeof duration === 'number')
    return remembered ? sorted : sorted.sort((a, b) => place(a) - place(b))
  }
}

module.exports = LongestFirst
