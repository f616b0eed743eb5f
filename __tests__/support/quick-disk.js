const { readFileSync, statfsSync } = require('node:fs')

const ROOM = 2 * 1024 ** 3

/**
 * A folder in memory for what tests write, or null: database servers wait for a disk that others use, and nothing here
 * tests a power cut. It has to be large enough, and native modules must load from it.
 */
function quickDisk() {
  try {
    const mount = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[1] === '/dev/shm')
    const { bavail, bsize } = statfsSync('/dev/shm')
    const usable = mount?.split(' ')[3].split(',').includes('rw') && !mount.includes('noexec')
    return usable && bavail * bsize > ROOM ? '/dev/shm' : null
  } catch {
    return null
  }
}

module.exports = { quickDisk }
