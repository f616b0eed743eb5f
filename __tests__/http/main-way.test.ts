import { createTestApp, expresses } from '../support/app'
import { Client, enrol } from '../support/client'

describe.each(Object.entries(expresses))('the main way on %s', (_name, express) => {
  test('password, enable, password again, pending, code, verified', async () => {
    const { app, clock } = createTestApp({ express })
    const enrolling = new Client(app)
    const { authenticator, backupCodes } = await enrol(enrolling, clock.now)
    expect(backupCodes).toHaveLength(5)
    expect((await enrolling.get('/vault')).status).toBe(200)

    const client = new Client(app)
    const login = await client.login()
    expect(login.status).toBe(403)
    expect(login.body).toMatchObject({
      code: 'second_factor_required',
      challengeUrl: '/two-factor/challenge',
    })
    expect((await client.get('/account')).status).toBe(401)
    expect((await client.get('/vault')).status).toBe(403)

    clock.nextStep()
    const verified = await client.challenge(authenticator.code())
    expect(verified.body).toEqual({
      state: 'verified',
      method: 'totp',
      redirectTo: '/account',
      backupCodesRemaining: 5,
    })
    expect((await client.get('/vault')).body).toEqual({ vault: 'u-alice' })
    expect((await client.get('/account')).body).toMatchObject({ user: { id: 'u-alice' }, state: 'verified' })
  })

  test('a person is led from page to page', async () => {
    const { app, clock } = createTestApp({ express })
    const { authenticator, backupCodes } = await enrol(new Client(app), clock.now)
    const person = new Client(app, 'person')
    const login = await person.login()
    expect([login.status, login.headers.location]).toEqual([303, '/two-factor/challenge'])
    const onTheWay = await person.get('/vault?x=1')
    expect([onTheWay.status, onTheWay.headers.location]).toEqual([303, '/two-factor/challenge'])
    clock.nextStep()
    const wrong = await person.challenge(authenticator.wrongCode())
    expect(wrong.status).toBe(401)
    expect(wrong.text).toContain('role="alert"')
    const verified = await person.challenge(backupCodes[0])
    expect([verified.status, verified.headers.location]).toEqual([303, '/vault?x=1'])
    expect((await person.get('/vault')).status).toBe(200)
    const off = await person.post('/two-factor/disable', { code: backupCodes[1] })
    expect([off.status, off.headers.location]).toEqual([303, '/two-factor'])
    const again = new Client(app)
    expect((await again.login()).headers.location).toBe('/account')
    expect((await again.get('/account')).body.state).toBe('unenrolled')
  })
})
