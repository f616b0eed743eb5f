import { UnavailableError, type UserDirectory } from 'express-second-factor'
import { users } from '../support/app'
import { hiddenFields } from '../support/client'
import { dump, FaultyStore } from '../support/faulty-store'
import { ask, createWorld, eventsOf, factorOf, list, signedIn } from './world'

// Whoever decides about a request is answered with its user's name: what fails must fail before the decision.

const answers: Record<string, () => never> = {
  throws: () => {
    throw new Error('the user table is away')
  },
  'says that it is away': () => {
    throw new UnavailableError('the user table is away')
  },
}

async function world() {
  const directory = { fault: null as null | (() => never), asked: 0 }
  const store = new FaultyStore()
  const requests = new FaultyStore()
  const get: NonNullable<UserDirectory['get']> = async (id) => {
    directory.asked++
    directory.fault?.()
    const user = Object.values(users).find((one) => one.id === id)
    return user ? { id, name: 'Alice', email: user.email } : null
  }
  const made = await createWorld({ store: requests }, {}, { store, directory: { get } })
  await ask(made)
  const admin = await signedIn(made, 'ada')
  const [{ id }] = await list(admin)
  made.clock.nextStep()
  const form = { code: factorOf(made, 'ada').phone.code(), reason: 'Called back' }
  const records = async () => [await dump(store), await dump(requests)]
  return { ...made, directory, admin, page: `/admin/two-factor/recovery/${id}`, form, records }
}

describe.each(['approve', 'reject'])('%s', (kind) => {
  test.each(Object.keys(answers))('a directory that %s: nothing is decided, no code spent', async (what) => {
    const made = await world()
    const { admin, page, directory, records } = made
    const person = admin.as('person')
    const action = `${page}/${kind}`
    // One form with two buttons.
    const form = { ...hiddenFields((await person.get(page)).text, `${page}/approve`), ...made.form }
    const before = await records()
    directory.fault = answers[what] as () => never
    expect((await person.send('POST', action, form)).status).toBeGreaterThanOrEqual(500)
    expect(await records()).toEqual(before)
    expect(eventsOf(made)).toEqual(['recovery-requested'])
    directory.fault = null
    const done = await person.send('POST', action, form)
    expect([done.status, done.headers.location]).toEqual([303, '/admin/two-factor/recovery'])
    expect((await person.get('/admin/two-factor/recovery')).text).toContain('Alice')
    expect(eventsOf(made)).toHaveLength(2)
  })

  test('a program is not told the name, and nobody is asked for it', async () => {
    const made = await world()
    const { admin, page, directory } = made
    const { csrfToken } = (await admin.get(page)).body
    directory.fault = answers.throws as () => never
    directory.asked = 0
    const done = await admin.send('POST', `${page}/${kind}`, made.form, { 'x-csrf-token': csrfToken })
    expect(done.status).toBe(200)
    expect(directory.asked).toBe(0)
  })
})
