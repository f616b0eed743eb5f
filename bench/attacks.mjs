// npm run bench:attacks: the same attacks on three apps, from outside, each app as its documentation sets it up.
import { betterAuth } from './attack/better-auth.mjs'
import { ours } from './attack/ours.mjs'
import { passportTotp } from './attack/passport-totp.mjs'
import { codeOf } from './support/codes.mjs'
import { send } from './support/http-client.mjs'
import { table } from './support/report.mjs'

/** More guesses than that, at one account and before anything stops them, is guessing that goes on. */
const FEW = 20

/**
 * Each: what is tried, and whether it came to nothing. A fresh app every time, with one enrolled account. That an attack
 * was refused says something only where it was carried out: in the same app the right thing must be let in, and of many
 * guesses one at least must have been looked at.
 */
const attacks = [
  {
    name: 'a code again, in the session that it let in',
    async run(app, world) {
      const session = await app.begin(world.ports[0])
      const code = nextCode(world)
      await mustPass(app, session, code)
      const again = await app.guess(await opened(session), code)
      return [again !== 'accepted', again]
    },
  },
  {
    name: 'a code again, in a new login',
    async run(app, world) {
      const code = nextCode(world)
      await mustPass(app, await app.begin(world.ports[0]), code)
      return entered(app, await app.begin(world.ports[0]), code)
    },
  },
  {
    name: 'a code again, at another process',
    processes: 2,
    async run(app, world) {
      const code = nextCode(world)
      await mustPass(app, await app.begin(world.ports[0]), code)
      return entered(app, await app.begin(world.ports[1]), code)
    },
  },
  {
    name: 'one code in 50 logins at once, over two processes',
    processes: 2,
    async run(app, world) {
      const sessions = []
      for (let n = 0; n < 50; n++) sessions.push(await app.begin(world.ports[n % 2]))
      const code = nextCode(world)
      const answers = await Promise.all(sessions.map((session) => app.guess(session, code)))
      const accepted = answers.filter((answer) => answer === 'accepted').length
      return [accepted === 1, `${accepted} let in`]
    },
  },
  {
    name: '200 guesses, one after the other, in 40 logins',
    async run(app, world) {
      await mustPass(app, await app.begin(world.ports[0]), nextCode(world))
      let evaluated = 0
      for (let login = 0; login < 40; login++) {
        const session = await app.begin(world.ports[0])
        for (let n = 0; n < 5; n++)
          if ((await app.guess(session, wrongCode(world, n))) === 'wrong') evaluated++
      }
      return lookedAt(app, evaluated, FEW)
    },
  },
  {
    name: '100 guesses at once, in 100 logins: beyond the lock',
    async run(app, world) {
      await mustPass(app, await app.begin(world.ports[0]), nextCode(world))
      const sessions = []
      for (let n = 0; n < 100; n++) sessions.push(await app.begin(world.ports[0]))
      const answers = await Promise.all(sessions.map((session, n) => app.guess(session, wrongCode(world, n))))
      const evaluated = answers.filter((answer) => answer === 'wrong').length
      return lookedAt(app, evaluated, app.locksAt)
    },
  },
  {
    name: '200 guesses in a session that is in: a stolen cookie',
    async run(app, world) {
      const owner = await app.begin(world.ports[0])
      await mustPass(app, owner, nextCode(world))
      const session = await opened(owner)
      let evaluated = 0
      for (let n = 0; n < 200; n++)
        if ((await app.guess(session, wrongCode(world, n))) === 'wrong') evaluated++
      return lookedAt(app, evaluated, FEW)
    },
  },
  {
    name: 'the code in the URL, where logs keep it',
    async run(app, world) {
      const session = await app.begin(world.ports[0])
      const code = nextCode(world)
      const answer = await app.guess(session, code, { inQuery: true })
      // The same code where it belongs.
      if (answer !== 'accepted') await mustPass(app, session, code)
      return [answer !== 'accepted', answer]
    },
  },
  {
    name: 'an account without a key, and the code of an empty key',
    async run(app, world) {
      const session = await app.begin(world.ports[0], { without: true })
      const answer = await app.guess(session, codeOfNoKey())
      if (answer !== 'accepted') await mustPass(app, await app.begin(world.ports[0]), nextCode(world))
      return [answer !== 'accepted', answer]
    },
  },
  {
    name: 'half a login asks for the key',
    async run(app, world) {
      const key = await app.keyFor(await app.begin(world.ports[0]))
      if (key === null) await mustShowKeys(app, world)
      return [key === null, key === null ? 'refused' : 'shown']
    },
  },
  {
    name: 'half a login goes where a whole one may',
    async run(app, world) {
      const session = await app.begin(world.ports[0])
      const inside = await app.isInside(session)
      if (!inside) await mustPass(app, session, nextCode(world))
      return [!inside, inside ? 'let in' : 'refused']
    },
  },
]

export default async function attack() {
  const apps = [ours, passportTotp, betterAuth]
  const rows = []
  for (const { name, processes = 1, run } of attacks) {
    const row = [name]
    for (const app of apps) {
      const world = await app.start(processes)
      try {
        const [withstood, what] = await run(app, world)
        row.push(`${withstood ? 'withstands' : '**falls**'} (${what})`)
      } finally {
        await world.stop()
      }
    }
    rows.push(row)
    console.error(row.join(' | '))
  }
  table('What is tried, and who withstands it', ['', ...apps.map(({ name }) => name)], rows)
}

/** The first code that is right now and was not used to enrol. */
function nextCode({ secret }) {
  return codeOf(secret, 1)
}

async function mustPass(app, session, code) {
  const answer = await app.guess(session, code)
  if (answer !== 'accepted') throw new Error(`${app.name} does not take a right code: ${answer}`)
  if (!(await app.isInside(session))) throw new Error(`${app.name} does not let a whole login in`)
}

/** Whoever has the cookie opens a page first: forms of ours have another token once somebody is in. */
async function opened(session) {
  if (!session.token) return session
  const { port, cookies } = session
  const { text } = await send({ port, cookies, path: '/two-factor/challenge' })
  return { ...session, token: JSON.parse(text).csrfToken }
}

/** A whole login is shown a key: its own, or, where there is none yet, the one to set up. */
async function mustShowKeys(app, world) {
  const whole = await app.begin(world.ports[0])
  await mustPass(app, whole, nextCode(world))
  const without = await app.begin(world.ports[0], { without: true })
  if (!(await app.keyFor(whole)) && !(await app.keyFor(without)))
    throw new Error(`${app.name} shows nobody a key`)
}

/** Guesses that are refused for another reason than being wrong are none. */
function lookedAt(app, evaluated, most) {
  if (evaluated === 0) throw new Error(`${app.name} has looked at none of the guesses`)
  return [evaluated <= most, `${evaluated} looked at`]
}

async function entered(app, session, code) {
  const answer = await app.guess(session, code)
  return [!(await app.isInside(session)), answer]
}

/** Wrong in every step that anybody may accept. */
function wrongCode({ secret }, n) {
  const right = new Set(Array.from({ length: 21 }, (_, i) => codeOf(secret, i - 10)))
  for (let code = 100_000 + n * 37; ; code++) if (!right.has(`${code}`)) return `${code}`
}

/** What HMAC makes of no key at all. */
function codeOfNoKey() {
  return codeOf(Buffer.alloc(0))
}
